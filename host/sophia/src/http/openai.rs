//! Errors of the routes of models, as OpenAI's clients read them. The one place where they become
//! answers.

use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode, header};
use sophia_domain::ProblemDocument;
use sophia_models::OpenAiError;

use super::body::Body;

/// A problem in OpenAI's shape. Its step and blame have no place there; the access line has them.
pub(crate) fn of_problem(document: &ProblemDocument) -> OpenAiError {
    let problem = &document.problem;
    let code = match problem.status {
        // What OpenAI says, and clients look for.
        401 => "invalid_api_key".to_owned(),
        _ if problem.limit.is_some() => "rate_limit_exceeded".to_owned(),
        _ => problem.kind.trim_start_matches("/problems/").replace('-', "_"),
    };
    let error = OpenAiError::refusal(problem.status, code, problem.detail.as_str());
    match problem.retry_after {
        Some(seconds) => error.retry_after(seconds),
        None => error,
    }
}

/// The answer that carries an error.
pub(crate) fn answer(error: &OpenAiError) -> Response<Body> {
    let mut response = Response::new(Body::Full(Bytes::from(error.to_json())));
    *response.status_mut() = StatusCode::from_u16(error.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let is_unauthorised = response.status() == StatusCode::UNAUTHORIZED;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    if let Some(seconds) = error.retry_after {
        headers.insert(header::RETRY_AFTER, seconds.into());
    }
    if is_unauthorised {
        headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"sophia\""));
    }
    response
}

#[cfg(test)]
mod tests {
    use expect_test::expect;
    use sophia_domain::{Problem, Step};

    use super::*;

    #[test]
    fn says_a_problem_as_openai_would() {
        let wrong = Problem::caller(401, "key-wrong", "A key is needed", "the key is not this node's");
        let busy = Problem::host(503, "busy", "The node is too busy", "try again").retry_after(1);
        let said = [wrong, busy].map(|problem| of_problem(&problem.at(Step::Identify)));
        expect![[r#"
            401 None {"error":{"message":"the key is not this node's","type":"invalid_request_error","param":null,"code":"invalid_api_key"}}
            503 Some(1) {"error":{"message":"try again","type":"server_error","param":null,"code":"busy"}}"#]]
        .assert_eq(&said.map(|e| format!("{} {:?} {}", e.status, e.retry_after, e.to_json())).join("\n"));
    }
}
