//! Errors on their way out. The one place where a plugin's errors and faults get their status
//! and public text, and where a problem becomes an answer.

use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode, header};
use sophia_domain::{Blame, Fault, LimitKind, Problem, ProblemDocument, RequestId, Step};
use sophia_sandbox::PluginError;

use super::body::Body;

/// Characters of a plugin's own text that a problem shows.
const MAX_PLUGIN_TEXT: usize = 1_000;
/// When to try a node again that is full: most calls end sooner.
const BUSY_RETRY_SECONDS: u64 = 1;

/// How a call did not succeed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// The plugin said so.
    #[error("the plugin says: {0}")]
    Plugin(PluginError),
    /// The call failed.
    #[error("{0}")]
    Fault(Fault),
}

impl Failure {
    /// The word in metrics and access lines.
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Self::Fault(fault) => fault.kind(),
            Self::Plugin(error) => plugin_error_kind(error),
        }
    }

    /// What the caller is told. A fault's own text is for the log.
    pub(crate) fn problem(self) -> ProblemDocument {
        let step = self.step();
        let problem = match self {
            Self::Plugin(error) => of_plugin_error(error),
            Self::Fault(fault) => of_fault(&fault),
        };
        problem.at(step)
    }

    /// How far the call had come.
    fn step(&self) -> Step {
        match self {
            Self::Plugin(PluginError::Denied(_)) => Step::Right,
            Self::Fault(Fault::Busy) => Step::Instance,
            Self::Fault(Fault::Limit(LimitKind::Request)) => Step::Request,
            Self::Fault(Fault::Contract(_) | Fault::Limit(LimitKind::Response)) => Step::Reply,
            Self::Plugin(_) | Self::Fault(_) => Step::Call,
        }
    }
}

/// The word for a plugin's own error in metrics and access lines.
pub(crate) fn plugin_error_kind(error: &PluginError) -> &'static str {
    match error {
        PluginError::Denied(_) => "denied",
        PluginError::NotFound(_) => "not-found",
        PluginError::Invalid(_) => "invalid",
        PluginError::Limited(_) => "limited",
        PluginError::Exhausted(_) => "exhausted",
        PluginError::Upstream { .. } => "upstream",
        PluginError::TimedOut => "timed-out",
        PluginError::Cancelled => "cancelled",
        PluginError::Unavailable(_) => "unavailable",
        PluginError::Other(_) => "other",
    }
}

fn of_plugin_error(error: PluginError) -> Problem {
    match error {
        PluginError::Denied(text) => {
            Problem::caller(403, "plugin-denied", "The plugin was not allowed to, or does not allow it", shown(text))
        }
        PluginError::NotFound(text) => {
            Problem::caller(404, "plugin-not-found", "The plugin does not find it", shown(text))
        }
        PluginError::Invalid(text) => {
            Problem::caller(422, "plugin-invalid", "The plugin does not accept the arguments", shown(text))
        }
        PluginError::Limited(wait_ms) => {
            let seconds = wait_ms.map_or(BUSY_RETRY_SECONDS, |ms| ms.div_ceil(1_000).max(1));
            let detail = format!("the vendor takes no more calls now; try again in {seconds} s");
            Problem::upstream(429, "limited", "Too many calls", detail).retry_after(seconds)
        }
        PluginError::Exhausted(scope) => {
            Problem::caller(429, "exhausted", "A budget is used up", format!("its scope: {}", shown(scope)))
        }
        PluginError::Upstream { status, message } => {
            let status = status.map(|status| format!("it answered {status}: ")).unwrap_or_default();
            Problem::upstream(502, "upstream", "The vendor failed or refused", format!("{status}{}", shown(message)))
        }
        PluginError::TimedOut => {
            Problem::upstream(504, "timed-out", "The vendor did not answer in time", "try again later")
        }
        PluginError::Cancelled => Problem::caller(
            499,
            "cancelled",
            "The call was cancelled",
            "the caller went away, or the run was cancelled",
        ),
        PluginError::Unavailable(text) => {
            Problem::host(501, "unavailable", "This node has no backend for a capability", shown(text))
        }
        PluginError::Other(text) => Problem::plugin(500, "plugin-failed", "The plugin failed", shown(text)),
    }
}

fn of_fault(fault: &Fault) -> Problem {
    let logs = "the plugin's logs under /v1/plugins/{name}/logs may say more";
    let problem = match fault {
        Fault::Trap(_) => Problem::plugin(502, "fault", "The plugin trapped", logs),
        Fault::Contract(text) => Problem::plugin(502, "fault", "The plugin broke the contract", shown(text.clone())),
        Fault::Limit(LimitKind::Wall) => Problem::plugin(
            504,
            "fault",
            "The plugin took too long",
            "the call's wall time is used up; the manifest may ask for more",
        ),
        // The guest met it, but the caller sent it.
        Fault::Limit(LimitKind::Request) => Problem::caller(
            413,
            "body-too-large",
            "The request's body is too large",
            "it is larger than the plugin's `request` limit; send less, or raise the limit in the manifest",
        ),
        Fault::Limit(limit) => {
            let detail = format!("the call's `{}` limit is used up; the manifest may ask for more", limit.as_str());
            Problem::plugin(502, "fault", "The plugin used more than it may", detail)
        }
        Fault::Busy => busy("no instance is free on this node; try again in a moment"),
        Fault::Cancelled => Problem::caller(499, "cancelled", "The call was cancelled", "the caller went away"),
        Fault::Host(_) => {
            Problem::host(500, "fault", "The node failed", "the node's log has the cause under this request's id")
        }
    };
    problem.with_fault(fault.kind())
}

/// Too many calls at once, on this node or of one plugin.
pub(crate) fn busy(detail: &str) -> Problem {
    Problem::host(503, "busy", "The node is too busy", detail).retry_after(BUSY_RETRY_SECONDS)
}

/// A fault or refusal that is not yet in the account: its status says which.
pub(crate) fn failure(problem: &Problem) -> Option<&'static str> {
    let is_busy = problem.status == 503;
    match problem.blame {
        _ if is_busy => Some("busy"),
        Blame::Caller => Some("refused"),
        Blame::Host => Some("host"),
        Blame::Plugin => Some("plugin"),
        Blame::Upstream => Some("upstream"),
    }
}

/// The answer that carries a problem.
pub(super) fn answer(document: ProblemDocument, id: RequestId) -> Response<Body> {
    let status = StatusCode::from_u16(document.problem.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let retry_after = document.problem.retry_after;
    let body = serde_json::to_vec(&document.for_request(id)).unwrap_or_default();
    let mut response = Response::new(Body::Full(Bytes::from(body)));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
    if let Some(seconds) = retry_after {
        headers.insert(header::RETRY_AFTER, seconds.into());
    }
    if status == StatusCode::UNAUTHORIZED {
        headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"sophia\""));
    }
    response
}

/// A guest's text: bounded, on one line.
fn shown(text: String) -> String {
    let is_fine = text.len() <= MAX_PLUGIN_TEXT && !text.contains(char::is_control);
    if is_fine { text } else { text.chars().filter(|c| !c.is_control()).take(MAX_PLUGIN_TEXT).collect() }
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use super::*;

    #[test]
    fn gives_every_failure_its_status_and_blame() {
        let text = || "why".to_owned();
        let failures = [
            Failure::Plugin(PluginError::Denied(text())),
            Failure::Plugin(PluginError::NotFound(text())),
            Failure::Plugin(PluginError::Invalid(text())),
            Failure::Plugin(PluginError::Limited(Some(1_200))),
            Failure::Plugin(PluginError::Exhausted("key".to_owned())),
            Failure::Plugin(PluginError::Upstream { status: Some(400), message: text() }),
            Failure::Plugin(PluginError::TimedOut),
            Failure::Plugin(PluginError::Cancelled),
            Failure::Plugin(PluginError::Unavailable(text())),
            Failure::Plugin(PluginError::Other("a\nb".to_owned())),
            Failure::Fault(Fault::Trap("internal address".to_owned())),
            Failure::Fault(Fault::Limit(LimitKind::Memory)),
            Failure::Fault(Fault::Limit(LimitKind::Wall)),
            Failure::Fault(Fault::Contract("item 3 is no JSON".to_owned())),
            Failure::Fault(Fault::Busy),
            Failure::Fault(Fault::Cancelled),
            Failure::Fault(Fault::Host("internal path".to_owned())),
        ];
        let told: Vec<String> = failures
            .into_iter()
            .map(|failure| {
                let kind = failure.kind();
                let ProblemDocument { problem, step, .. } = failure.problem();
                let wait = problem.retry_after.map(|s| format!(" retry {s}")).unwrap_or_default();
                format!(
                    "{kind} at {step}: {} {} {}{wait}: {}",
                    problem.status,
                    problem.blame.as_str(),
                    problem.kind,
                    problem.detail
                )
            })
            .collect();
        expect![[r#"
            denied at right: 403 caller /problems/plugin-denied: why
            not-found at call: 404 caller /problems/plugin-not-found: why
            invalid at call: 422 caller /problems/plugin-invalid: why
            limited at call: 429 upstream /problems/limited retry 2: the vendor takes no more calls now; try again in 2 s
            exhausted at call: 429 caller /problems/exhausted: its scope: key
            upstream at call: 502 upstream /problems/upstream: it answered 400: why
            timed-out at call: 504 upstream /problems/timed-out: try again later
            cancelled at call: 499 caller /problems/cancelled: the caller went away, or the run was cancelled
            unavailable at call: 501 host /problems/unavailable: why
            other at call: 500 plugin /problems/plugin-failed: ab
            trap at call: 502 plugin /problems/fault: the plugin's logs under /v1/plugins/{name}/logs may say more
            limit-memory at call: 502 plugin /problems/fault: the call's `memory` limit is used up; the manifest may ask for more
            limit-wall at call: 504 plugin /problems/fault: the call's wall time is used up; the manifest may ask for more
            contract at reply: 502 plugin /problems/fault: item 3 is no JSON
            busy at instance: 503 host /problems/busy retry 1: no instance is free on this node; try again in a moment
            cancelled at call: 499 caller /problems/cancelled: the caller went away
            host at call: 500 host /problems/fault: the node's log has the cause under this request's id"#]]
        .assert_eq(&told.join("\n"));
    }

    #[test]
    fn writes_a_problem_document() {
        let problem = Failure::Fault(Fault::Limit(LimitKind::Cpu)).problem().for_request(RequestId::from_bits(7));
        expect![[r#"
            {
              "type": "/problems/fault",
              "title": "The plugin used more than it may",
              "status": 502,
              "detail": "the call's `cpu` limit is used up; the manifest may ask for more",
              "fault": "limit-cpu",
              "blame": "plugin",
              "step": "call",
              "request_id": "00000000000000000000000000000007"
            }"#]]
        .assert_eq(&serde_json::to_string_pretty(&problem).unwrap());
    }
}
