//! Errors in OpenAI's form: `{"error": {"message", "type", "param", "code"}}`. The one place where
//! what went wrong gets its status and its public text.

use axum::{
    Json,
    http::{HeaderValue, Method, StatusCode, Uri, header},
    response::{IntoResponse, Response},
};
use serde_json::{Value, json};

use crate::{chat::GenerateError, queue::QueueError};

/// When to try again a worker that is full: an answer of some hundred tokens takes this long.
const RETRY_AFTER_SECONDS: HeaderValue = HeaderValue::from_static("2");

/// An error on its way to a client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ApiError {
    status: StatusCode,
    kind: &'static str,
    code: Option<&'static str>,
    param: Option<String>,
    message: String,
}

impl ApiError {
    /// A field holds what cannot be.
    pub(super) fn invalid(param: &str, message: impl Into<String>) -> Self {
        Self { param: Some(param.to_owned()), ..Self::request(StatusCode::BAD_REQUEST, None, message) }
    }

    /// A field asks for what this worker cannot do.
    pub(super) fn unsupported(param: &str, message: impl Into<String>) -> Self {
        Self { code: Some("unsupported_value"), ..Self::invalid(param, message) }
    }

    /// The body as a whole is not what the route takes.
    pub(super) fn malformed(message: impl Into<String>) -> Self {
        Self::request(StatusCode::BAD_REQUEST, None, message)
    }

    /// The body is over the limit.
    pub(super) fn too_large(limit_bytes: usize) -> Self {
        let message = format!("the body is over {limit_bytes} bytes");
        Self::request(StatusCode::PAYLOAD_TOO_LARGE, Some("request_too_large"), message)
    }

    /// The body did not come.
    pub(super) fn too_slow() -> Self {
        Self::request(StatusCode::REQUEST_TIMEOUT, Some("request_timeout"), "the body did not come in time")
    }

    /// No such model, or not for this route.
    pub(super) fn no_model(name: &str) -> Self {
        const SHOWN_CHARS: usize = 100;
        let shown: String = name.chars().take(SHOWN_CHARS).collect();
        let message = format!("the model `{shown}` does not exist here: see /v1/models");
        let code = Some("model_not_found");
        Self { param: Some("model".to_owned()), ..Self::request(StatusCode::NOT_FOUND, code, message) }
    }

    /// More tokens than the model takes.
    pub(super) fn context(param: &str, message: String) -> Self {
        Self { code: Some("context_length_exceeded"), ..Self::invalid(param, message) }
    }

    /// The worker is stopping.
    pub(super) fn draining() -> Self {
        Self::server(StatusCode::SERVICE_UNAVAILABLE, "draining", "the worker is stopping: ask another one")
    }

    /// Something here failed. The cause is for the log.
    pub(super) fn internal(cause: &dyn std::error::Error) -> Self {
        tracing::error!(cause = %chain(cause), "a request failed");
        Self::server(StatusCode::INTERNAL_SERVER_ERROR, "internal_error", "the worker failed: its log says why")
    }

    /// The error as an event of a stream, whose status is sent already.
    pub(super) fn body(&self) -> Value {
        json!({ "error": { "message": self.message, "type": self.kind, "param": self.param, "code": self.code } })
    }

    fn request(status: StatusCode, code: Option<&'static str>, message: impl Into<String>) -> Self {
        Self { status, kind: "invalid_request_error", code, param: None, message: message.into() }
    }

    fn server(status: StatusCode, code: &'static str, message: &str) -> Self {
        Self { status, kind: "server_error", code: Some(code), param: None, message: message.to_owned() }
    }
}

impl From<QueueError> for ApiError {
    fn from(error: QueueError) -> Self {
        match error {
            QueueError::Closed => Self::draining(),
            QueueError::Full => Self {
                status: StatusCode::TOO_MANY_REQUESTS,
                kind: "rate_limit_error",
                code: Some("queue_full"),
                param: None,
                message: "as many requests wait as may: try again later".to_owned(),
            },
        }
    }
}

impl From<GenerateError> for ApiError {
    fn from(error: GenerateError) -> Self {
        match error {
            GenerateError::Cut => Self::draining(),
            error => Self::internal(&error),
        }
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let mut response = (self.status, Json(self.body())).into_response();
        if matches!(self.status, StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE) {
            response.headers_mut().insert(header::RETRY_AFTER, RETRY_AFTER_SECONDS);
        }
        response
    }
}

/// For a path that is no route.
pub(super) async fn no_route(uri: Uri) -> ApiError {
    let message = format!("`{}` is no route of this worker", shown(&uri));
    ApiError::request(StatusCode::NOT_FOUND, Some("unknown_url"), message)
}

/// For a method that a route does not take.
pub(super) async fn no_method(method: Method, uri: Uri) -> ApiError {
    let message = format!("`{}` does not take {method}", shown(&uri));
    ApiError::request(StatusCode::METHOD_NOT_ALLOWED, Some("method_not_allowed"), message)
}

fn shown(uri: &Uri) -> String {
    const MAX_CHARS: usize = 100;
    uri.path().chars().filter(|c| !c.is_control()).take(MAX_CHARS).collect()
}

/// An error with its causes, for the log.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use super::*;

    #[test]
    fn gives_every_error_its_status_and_form() {
        let errors = [
            ApiError::invalid("top_p", "must be over 0"),
            ApiError::unsupported("n", "must be 1"),
            ApiError::malformed("EOF"),
            ApiError::too_large(5),
            ApiError::too_slow(),
            ApiError::no_model("gpt"),
            ApiError::context("messages", "too long".to_owned()),
            ApiError::from(QueueError::Full),
            ApiError::from(QueueError::Closed),
            ApiError::from(GenerateError::NoToken),
            ApiError::from(GenerateError::Cut),
        ];
        let told: Vec<String> =
            errors.iter().map(|error| format!("{} {}", error.status.as_u16(), error.body())).collect();
        expect![[r#"
            400 {"error":{"message":"must be over 0","type":"invalid_request_error","param":"top_p","code":null}}
            400 {"error":{"message":"must be 1","type":"invalid_request_error","param":"n","code":"unsupported_value"}}
            400 {"error":{"message":"EOF","type":"invalid_request_error","param":null,"code":null}}
            413 {"error":{"message":"the body is over 5 bytes","type":"invalid_request_error","param":null,"code":"request_too_large"}}
            408 {"error":{"message":"the body did not come in time","type":"invalid_request_error","param":null,"code":"request_timeout"}}
            404 {"error":{"message":"the model `gpt` does not exist here: see /v1/models","type":"invalid_request_error","param":"model","code":"model_not_found"}}
            400 {"error":{"message":"too long","type":"invalid_request_error","param":"messages","code":"context_length_exceeded"}}
            429 {"error":{"message":"as many requests wait as may: try again later","type":"rate_limit_error","param":null,"code":"queue_full"}}
            503 {"error":{"message":"the worker is stopping: ask another one","type":"server_error","param":null,"code":"draining"}}
            500 {"error":{"message":"the worker failed: its log says why","type":"server_error","param":null,"code":"internal_error"}}
            503 {"error":{"message":"the worker is stopping: ask another one","type":"server_error","param":null,"code":"draining"}}"#]].assert_eq(&told.join("\n"));
    }
}
