use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use crate::{Blame, QuotaReached, RequestId, Step};

/// What was wrong, and what to do. Becomes a [`ProblemDocument`] where its step is known, and
/// cannot be sent before.
///
/// `kind` becomes `type` as `/problems/{kind}`. `detail` is public text: it names what was
/// wrong and what to do, and never carries a secret or an internal cause.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Problem {
    /// `/problems/{kind}`.
    #[serde(rename = "type")]
    pub kind: String,
    /// One short sentence, the same for every problem of this kind.
    pub title: String,
    /// The HTTP status.
    pub status: u16,
    /// What was wrong this time, and what to do.
    pub detail: String,
    /// The kind of fault, where a plugin's call failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fault: Option<String>,
    /// Whose fault it is.
    pub blame: Blame,
    /// Seconds to wait before trying again; also sent as `Retry-After`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_after: Option<u64>,
    /// The limit that was reached, where one was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<Box<QuotaReached>>,
}

/// A problem document (RFC 9457): what every error of the API looks like.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProblemDocument {
    /// What was wrong.
    #[serde(flatten)]
    pub problem: Problem,
    /// The [`Step`] that refused. Text, so that a client can show one of a later release.
    pub step: Cow<'static, str>,
    /// Set by the server when the document is sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request_id: Option<String>,
}

impl Problem {
    /// A problem that the caller can mend.
    pub fn caller(status: u16, kind: &str, title: &str, detail: impl Into<String>) -> Self {
        Self::new(status, kind, title, detail.into(), Blame::Caller)
    }

    /// A problem with a plugin's file, manifest or behaviour.
    pub fn plugin(status: u16, kind: &str, title: &str, detail: impl Into<String>) -> Self {
        Self::new(status, kind, title, detail.into(), Blame::Plugin)
    }

    /// A problem of this node. The cause belongs in the log, not here.
    pub fn host(status: u16, kind: &str, title: &str, detail: impl Into<String>) -> Self {
        Self::new(status, kind, title, detail.into(), Blame::Host)
    }

    /// A problem of the vendor that a plugin called.
    pub fn upstream(status: u16, kind: &str, title: &str, detail: impl Into<String>) -> Self {
        Self::new(status, kind, title, detail.into(), Blame::Upstream)
    }

    /// Names the step that refused.
    pub fn at(self, step: Step) -> ProblemDocument {
        ProblemDocument { problem: self, step: Cow::Borrowed(step.as_str()), request_id: None }
    }

    /// Names the kind of fault.
    pub fn with_fault(mut self, fault: &str) -> Self {
        self.fault = Some(fault.to_owned());
        self
    }

    /// Says when to try again.
    pub fn retry_after(mut self, seconds: u64) -> Self {
        self.retry_after = Some(seconds);
        self
    }

    /// A limit of the tenant or the key that was reached.
    pub fn quota(reached: QuotaReached) -> Self {
        let problem = Self::caller(429, "limit-reached", "A limit is reached", reached.to_string());
        Self { retry_after: reached.retry_after, limit: Some(Box::new(reached)), ..problem }
    }

    fn new(status: u16, kind: &str, title: &str, detail: String, blame: Blame) -> Self {
        Self {
            kind: format!("/problems/{kind}"),
            title: title.to_owned(),
            status,
            detail,
            fault: None,
            blame,
            retry_after: None,
            limit: None,
        }
    }
}

impl ProblemDocument {
    /// Stamps the request it answers.
    pub fn for_request(mut self, id: RequestId) -> Self {
        self.request_id = Some(id.to_string());
        self
    }
}
