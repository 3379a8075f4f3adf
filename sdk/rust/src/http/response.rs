use serde::{Deserialize, de::IgnoredAny};

use crate::{Error, Json, bindings::connector::sophia::plugin::http as wit};

/// What of an error's body goes into its text.
const MAX_MESSAGE_CHARS: usize = 300;

/// A whole answer, whatever its status.
#[derive(Debug, Clone, PartialEq)]
pub struct Response(wit::Response);

/// The head of an answer whose body is read piece by piece. Dropping it closes the connection.
#[derive(Debug)]
pub struct StreamedResponse(wit::StreamedResponse);

impl Response {
    /// An answer that nobody sent, for tests of what is made of it. Header names in lower case.
    pub fn new(status: u16, headers: &[(&str, &str)], body: impl Into<Vec<u8>>) -> Self {
        let headers = headers.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())).collect();
        Self(wit::Response { status, headers, body: body.into() })
    }

    /// The HTTP status.
    pub fn status(&self) -> u16 {
        self.0.status
    }

    /// The first header of this name, given in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        header(&self.0.headers, name)
    }

    /// The body.
    pub fn body(&self) -> &[u8] {
        &self.0.body
    }

    /// Reads a value out of the body. What does not fit is the vendor's fault: `upstream`.
    pub fn json<'a, T: Deserialize<'a>>(&'a self) -> Result<T, Error> {
        serde_json::from_slice(&self.0.body).map_err(|error| Error::upstream(self.0.status, error.to_string()))
    }

    /// The body as JSON to pass on. What is not JSON is the vendor's fault: `upstream`.
    pub fn into_json(self) -> Result<Json, Error> {
        self.json::<IgnoredAny>()?;
        let status = self.0.status;
        String::from_utf8(self.0.body).map(Json::from_text).map_err(|error| Error::upstream(status, error.to_string()))
    }

    /// The answer, if its status says that the request was served; the error that most vendors
    /// mean by the status, if not. Where a vendor means something else, look at
    /// [`status`](Self::status) first.
    pub fn accept(self) -> Result<Self, Error> {
        match self.0.status {
            200..=299 => Ok(self),
            401 | 403 => Err(Error::Denied(self.message())),
            404 | 410 => Err(Error::NotFound(self.message())),
            400 | 409 | 422 => Err(Error::Invalid(self.message())),
            429 => Err(Error::Limited(self.retry_after_ms())),
            status => Err(Error::upstream(status, self.message())),
        }
    }

    /// Milliseconds that `retry-after` asks to wait, where it is given in seconds (RFC 9110,
    /// section 10.2.3).
    pub fn retry_after_ms(&self) -> Option<u64> {
        self.header("retry-after")?.trim().parse::<u64>().ok()?.checked_mul(1000)
    }

    /// The status and the beginning of the body, for people.
    fn message(&self) -> String {
        let body = String::from_utf8_lossy(self.0.body.get(..4 * MAX_MESSAGE_CHARS).unwrap_or(&self.0.body));
        let body: String = body.trim().chars().take(MAX_MESSAGE_CHARS).collect();
        format!("the server answered {}: {body}", self.0.status)
    }
}

impl StreamedResponse {
    /// The HTTP status.
    pub fn status(&self) -> u16 {
        self.0.status
    }

    /// The first header of this name, given in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        header(&self.0.headers, name)
    }

    /// The next piece of the body, or none at its end.
    pub fn next_piece(&mut self) -> Result<Option<Vec<u8>>, Error> {
        self.0.body.next()
    }
}

fn header<'a>(headers: &'a [(String, String)], name: &str) -> Option<&'a str> {
    headers.iter().find(|(n, _)| n == name).map(|(_, value)| value.as_str())
}

impl From<wit::Response> for Response {
    fn from(response: wit::Response) -> Self {
        Self(response)
    }
}

impl From<wit::StreamedResponse> for StreamedResponse {
    fn from(response: wit::StreamedResponse) -> Self {
        Self(response)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_says_what_went_wrong() {
        let error = |status, headers: &[_]| Response::new(status, headers, "no").accept().unwrap_err();
        assert!(Response::new(204, &[], "").accept().is_ok());
        assert!(matches!(error(401, &[]), Error::Denied(_)));
        assert!(matches!(error(404, &[]), Error::NotFound(_)));
        assert!(matches!(error(422, &[]), Error::Invalid(_)));
        assert_eq!(error(429, &[("retry-after", "2")]), Error::Limited(Some(2000)));
        assert_eq!(error(429, &[]), Error::Limited(None));
        assert_eq!(error(503, &[]), Error::upstream(503, "the server answered 503: no"));
    }

    #[test]
    fn json_that_is_none_is_the_vendors_fault() {
        let response = Response::new(200, &[], "<html>");
        assert!(matches!(response.json::<u8>(), Err(Error::Upstream(_))));
    }
}
