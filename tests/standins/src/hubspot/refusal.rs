use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode, header::CONTENT_TYPE};
use serde_json::{Value, json};

/// An error answer in HubSpot's shape: `status`, `message`, `correlationId`, `category`
/// (docs/api-reference/error-handling).
#[derive(Debug)]
pub(super) struct Refusal {
    status: StatusCode,
    body: Value,
    retry_after: Option<u64>,
}

/// Stands for the random id that HubSpot gives each answer; fixed, so that answers can be compared.
const CORRELATION_ID: &str = "aeb5f871-7f07-4993-9211-075dc63e7cbf";

impl Refusal {
    fn new(status: StatusCode, category: &str, message: impl Into<String>) -> Self {
        let body = json!({
            "status": "error",
            "message": message.into(),
            "correlationId": CORRELATION_ID,
            "category": category,
        });
        Self { status, body, retry_after: None }
    }

    /// No bearer token, or one that is not known (docs/api-reference/error-handling, 401).
    pub(super) fn unauthorised() -> Self {
        Self::new(
            StatusCode::UNAUTHORIZED,
            "INVALID_AUTHENTICATION",
            "Authentication credentials not found. This API supports OAuth 2.0 authentication and you can find more \
             details at https://developers.hubspot.com/docs/methods/auth/oauth-overview",
        )
    }

    /// Input that is wrong (docs/api-reference/error-handling, `VALIDATION_ERROR`).
    pub(super) fn invalid(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "VALIDATION_ERROR", message)
    }

    /// Properties that are wrong, each with its reason.
    pub(super) fn invalid_properties(reasons: &[Value]) -> Self {
        Self::invalid(format!("Property values were not valid: {}", Value::from(reasons.to_vec())))
    }

    /// The record is not there.
    pub(super) fn not_found() -> Self {
        Self::new(StatusCode::NOT_FOUND, "OBJECT_NOT_FOUND", "resource not found")
    }

    /// A contact's email is taken: it "must be unique" (docs/api-reference/crm-contacts-v3/guide);
    /// the text is the one in <https://github.com/HubSpot/hubspot-api-nodejs/issues/545>.
    pub(super) fn conflict(existing: u64) -> Self {
        Self::new(StatusCode::CONFLICT, "CONFLICT", format!("Contact already exists. Existing ID: {existing}"))
    }

    /// A method that the path does not have.
    pub(super) fn method() -> Self {
        Self::new(StatusCode::METHOD_NOT_ALLOWED, "VALIDATION_ERROR", "HTTP 405 Method Not Allowed")
    }

    /// Too many requests: `policyName` says of what
    /// (docs/developer-tooling/platform/usage-guidelines). `Retry-After` is not always there.
    pub(super) fn limited(policy: &str, retry_after: Option<u64>) -> Self {
        let body = json!({
            "status": "error",
            "message": format!("You have reached your {} limit.", policy.to_lowercase()),
            "errorType": "RATE_LIMIT",
            "correlationId": CORRELATION_ID,
            "policyName": policy,
        });
        Self { status: StatusCode::TOO_MANY_REQUESTS, body, retry_after }
    }

    pub(super) fn into_response(self) -> Response<Bytes> {
        let mut response = reply(self.status, &self.body);
        if let Some(seconds) = self.retry_after {
            response.headers_mut().insert(http::header::RETRY_AFTER, seconds.into());
        }
        response
    }
}

/// A JSON answer.
pub(super) fn reply(status: StatusCode, body: &Value) -> Response<Bytes> {
    let mut response = Response::new(Bytes::from(body.to_string()));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json;charset=utf-8"));
    response.headers_mut().insert("x-hubspot-correlation-id", HeaderValue::from_static(CORRELATION_ID));
    response
}
