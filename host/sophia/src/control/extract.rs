//! What handlers take from a request, refused as problems.

use std::{sync::Arc, time::Duration};

use axum::{
    body::Body,
    extract::{FromRequest, FromRequestParts, Path, Query},
};
use bytes::Bytes;
use http::{Request, request::Parts};
use serde::{Serialize, de::DeserializeOwned};
use sophia_domain::{ByteSize, Problem, ProblemDocument, Step};
use sophia_identity::Caller;

use super::Refusal;
use crate::{json, node::Node};

/// Largest body of a control request, uploads aside: a secret's value, a connection, grants.
const MAX_BODY: ByteSize = ByteSize::mib(1);
/// Longest time for such a body to arrive.
const BODY_TIME: Duration = Duration::from_secs(30);

/// A caller that has what the route needs, as [`super::access`] found.
pub(super) struct Permitted(pub(super) Caller);

impl FromRequestParts<Arc<Node>> for Permitted {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, _: &Arc<Node>) -> Result<Self, Refusal> {
        parts.extensions.get::<Caller>().cloned().map(Self).ok_or_else(|| {
            let detail = "this is a fault of the node: nothing was done";
            Problem::host(500, "route-without-access", "Nobody may use this route", detail).at(Step::Right).into()
        })
    }
}

/// Names in a path.
pub(super) struct Named<T>(pub(super) T);

impl<S: Send + Sync, T: DeserializeOwned + Send> FromRequestParts<S> for Named<T> {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Refusal> {
        let path = Path::<T>::from_request_parts(parts, state).await;
        path.map(|Path(names)| Self(names)).map_err(|refused| {
            let problem = Problem::caller(400, "invalid-name", "A name in the path cannot be", refused.body_text());
            problem.at(Step::Request).into()
        })
    }
}

/// The query's parameters.
pub(super) struct Params<T>(pub(super) T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequestParts<S> for Params<T> {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Refusal> {
        let query = Query::<T>::from_request_parts(parts, state).await;
        query.map(|Query(params)| Self(params)).map_err(|refused| {
            Problem::caller(400, "invalid-query", "The query cannot be", refused.body_text()).at(Step::Request).into()
        })
    }
}

/// A JSON body. What its content type says does not matter: a body that is no JSON is refused.
pub(super) struct Json<T>(pub(super) T);

impl<T: DeserializeOwned> FromRequest<Arc<Node>> for Json<T> {
    type Rejection = Refusal;

    async fn from_request(request: Request<Body>, _: &Arc<Node>) -> Result<Self, Refusal> {
        let body = collect(request.into_body(), MAX_BODY).await?;
        Ok(Self(json::shape(&body)?))
    }
}

/// A JSON body, or none.
pub(super) struct OptionalJson<T>(pub(super) T);

impl<T: DeserializeOwned + Default> FromRequest<Arc<Node>> for OptionalJson<T> {
    type Rejection = Refusal;

    async fn from_request(request: Request<Body>, _: &Arc<Node>) -> Result<Self, Refusal> {
        let body = collect(request.into_body(), MAX_BODY).await?;
        Ok(Self(if body.is_empty() { T::default() } else { json::shape(&body)? }))
    }
}

/// A body, bounded in size and time.
pub(super) async fn collect(body: Body, most: ByteSize) -> Result<Bytes, ProblemDocument> {
    let collecting = axum::body::to_bytes(body, most.as_usize());
    match tokio::time::timeout(BODY_TIME, collecting).await {
        Ok(Ok(bytes)) => Ok(bytes),
        Ok(Err(_)) => {
            let detail = format!("the body broke off, or is larger than {most}");
            Err(Problem::caller(413, "body-too-large", "The request's body is too large", detail).at(Step::Request))
        }
        Err(_) => {
            let detail = format!("the body did not arrive within {} s", BODY_TIME.as_secs());
            Err(Problem::caller(408, "body-too-slow", "The request's body came too slowly", detail).at(Step::Request))
        }
    }
}

/// An answer of JSON.
pub(super) fn answer(status: u16, value: &impl Serialize) -> Result<axum::response::Response, Refusal> {
    let mut response = json::written(value)?.map(Body::new);
    *response.status_mut() = http::StatusCode::from_u16(status).unwrap_or_default();
    Ok(response)
}
