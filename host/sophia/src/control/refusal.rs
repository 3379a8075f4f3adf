use axum::response::IntoResponse;
use http::{Method, Response, StatusCode, Uri};
use sophia_domain::{Problem, ProblemDocument, Step};

/// A problem on its way out of a handler. Rides on the response, and is written by the node.
#[derive(Debug, Clone)]
pub(crate) struct Refusal(Box<ProblemDocument>);

impl Refusal {
    /// What is sent.
    pub(crate) fn document(self) -> ProblemDocument {
        *self.0
    }
}

impl From<ProblemDocument> for Refusal {
    fn from(document: ProblemDocument) -> Self {
        Self(Box::new(document))
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> axum::response::Response {
        let mut response = Response::new(axum::body::Body::empty());
        *response.status_mut() =
            StatusCode::from_u16(self.0.problem.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        response.extensions_mut().insert(self);
        response
    }
}

/// For a path that is no route.
pub(super) async fn no_route(uri: Uri) -> Refusal {
    let detail =
        format!("`{}` is no route of this node: /health says what it is, its documentation what it takes", shown(&uri));
    Problem::caller(404, "no-route", "There is no such route", detail).at(Step::Route).into()
}

/// For a method that a route does not take.
pub(super) async fn no_method(method: Method, uri: Uri) -> Refusal {
    let detail = format!("`{}` does not take {method}", shown(&uri));
    Problem::caller(405, "method-not-allowed", "The route does not take this method", detail).at(Step::Route).into()
}

fn shown(uri: &Uri) -> String {
    const MAX_CHARS: usize = 100;
    uri.path().chars().filter(|c| !c.is_control()).take(MAX_CHARS).collect()
}
