use std::{borrow::Cow, time::Duration};

use serde::Serialize;
use sophia_domain::{Blame, QuotaKind, QuotaReached, Usd};
use sophia_ledger::{BudgetScope, HoldError, Refused};

use crate::UpstreamError;

/// Why a model call did not do what was asked. The text is public: it holds nothing of a secret,
/// and of an upstream's words only where they are about the request, redacted and shortened.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ModelError {
    /// The request is not one. The same one will fail again.
    #[error("{message}")]
    Invalid {
        /// The field that is wrong.
        param: Option<String>,
        /// What is wrong with it.
        message: String,
    },
    /// No model or class of this name that does what was asked.
    #[error("there is no model or class `{name}` that does this")]
    Unknown {
        /// As it was asked for.
        name: String,
    },
    /// The prompt leaves no room for an answer.
    #[error("the prompt has {tokens} tokens, and the model reads and writes {context} together")]
    ContextLength {
        /// Tokens of the prompt.
        tokens: u64,
        /// Tokens of prompt and answer together.
        context: u64,
    },
    /// The policy does not let it be served.
    #[error("the routing policy refused: {reason}")]
    Refused {
        /// The policy's words.
        reason: String,
    },
    /// The policy failed, and the operator lets nothing through then.
    #[error("the routing policy failed, so the request is refused")]
    PolicyFailed,
    /// A budget would be exceeded.
    #[error("the budget of {scope} has {left} left and the call may cost {upper}")]
    Exhausted {
        /// Whose budget.
        scope: BudgetScope,
        /// What is left of it.
        left: Usd,
        /// What the call may cost.
        upper: Usd,
    },
    /// The call may cost more than whoever asks allows for it.
    #[error("the call may cost {upper}, and at most {most} is allowed for it")]
    Capped {
        /// The most that it may cost.
        most: Usd,
        /// What it may come to.
        upper: Usd,
    },
    /// A limit of the tenant or the key has no room for it.
    #[error("{0}")]
    LimitReached(Box<QuotaReached>),
    /// The money cannot be counted now.
    #[error("the ledger does not answer, and nothing is spent uncounted")]
    LedgerUnavailable,
    /// Everything that could answer is down.
    #[error("nothing that serves this model answers now")]
    Down,
    /// Everything that could answer has too much to do.
    #[error("what serves this model has too much to do: try again in {} s", retry_after.as_secs())]
    Limited {
        /// How long to wait.
        retry_after: Duration,
    },
    /// It took longer than it may.
    #[error("`{upstream}` took longer than it may")]
    TimedOut {
        /// The provider or worker.
        upstream: String,
    },
    /// It failed, or answered what is no answer.
    #[error("`{upstream}` failed: {what}")]
    Failed {
        /// The provider or worker.
        upstream: String,
        /// How, in this node's words.
        what: String,
    },
    /// This node may not or cannot send there.
    #[error("`{upstream}` cannot be used as it is configured")]
    Misconfigured {
        /// The provider or worker.
        upstream: String,
    },
}

/// An error as OpenAI's API writes it, for its clients.
///
/// Source: <https://platform.openai.com/docs/guides/error-codes>, and the classes of the Python
/// client, which go by status and `code`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenAiError {
    /// The HTTP status.
    pub status: u16,
    /// Seconds for `Retry-After`.
    pub retry_after: Option<u64>,
    message: String,
    kind: &'static str,
    param: Option<String>,
    code: Cow<'static, str>,
}

#[derive(Serialize)]
struct Written<'a> {
    error: WrittenError<'a>,
}

#[derive(Serialize)]
struct WrittenError<'a> {
    message: &'a str,
    #[serde(rename = "type")]
    kind: &'a str,
    param: Option<&'a str>,
    code: &'a str,
}

impl ModelError {
    /// A request that is not one.
    pub(crate) fn invalid(param: &str, message: impl Into<String>) -> Self {
        Self::Invalid { param: Some(param.to_owned()), message: message.into() }
    }

    pub(crate) fn too_dear() -> Self {
        Self::invalid("max_tokens", "the answer may cost more than any call may: ask for fewer tokens")
    }

    /// Whose fault it is.
    pub fn blame(&self) -> Blame {
        match self {
            Self::Invalid { .. }
            | Self::Unknown { .. }
            | Self::ContextLength { .. }
            | Self::Refused { .. }
            | Self::Exhausted { .. }
            | Self::LimitReached(_)
            | Self::Capped { .. } => Blame::Caller,
            Self::PolicyFailed => Blame::Plugin,
            Self::LedgerUnavailable | Self::Misconfigured { .. } => Blame::Host,
            Self::Down | Self::Limited { .. } | Self::TimedOut { .. } | Self::Failed { .. } => Blame::Upstream,
        }
    }

    /// The word for programs: `code` of the error as OpenAI's API would say it.
    pub fn code(&self) -> &'static str {
        self.kind().2
    }

    /// As OpenAI's API would say it.
    pub fn to_openai(&self) -> OpenAiError {
        let (status, kind, code) = self.kind();
        OpenAiError {
            status,
            retry_after: self.retry_after(),
            message: self.to_string(),
            kind,
            param: self.param(),
            code: code.into(),
        }
    }

    /// Status, type and code.
    fn kind(&self) -> (u16, &'static str, &'static str) {
        const INVALID: &str = "invalid_request_error";
        const SERVER: &str = "server_error";
        const RATE: &str = "rate_limit_exceeded";
        match self {
            Self::Invalid { .. } => (400, INVALID, "invalid_request"),
            Self::Unknown { .. } => (404, INVALID, "model_not_found"),
            Self::ContextLength { .. } => (400, INVALID, "context_length_exceeded"),
            Self::Refused { .. } => (403, INVALID, "refused_by_policy"),
            Self::PolicyFailed => (503, SERVER, "policy_failed"),
            Self::Exhausted { .. } | Self::Capped { .. } => (429, "insufficient_quota", "insufficient_quota"),
            Self::LimitReached(reached) if reached.limit.kind == QuotaKind::Tokens => (429, "tokens", RATE),
            Self::LimitReached(_) => (429, "requests", RATE),
            Self::LedgerUnavailable => (503, SERVER, "ledger_unavailable"),
            Self::Down => (503, SERVER, "upstream_down"),
            Self::Limited { .. } => (429, "requests", RATE),
            Self::TimedOut { .. } => (504, SERVER, "upstream_timed_out"),
            Self::Failed { .. } => (502, SERVER, "upstream_failed"),
            Self::Misconfigured { .. } => (503, SERVER, "upstream_misconfigured"),
        }
    }

    fn param(&self) -> Option<String> {
        match self {
            Self::Invalid { param, .. } => param.clone(),
            Self::Unknown { .. } => Some("model".to_owned()),
            Self::ContextLength { .. } => Some("messages".to_owned()),
            _ => None,
        }
    }

    fn retry_after(&self) -> Option<u64> {
        match self {
            Self::Limited { retry_after } => Some(retry_after.as_secs().max(1)),
            Self::LimitReached(reached) => reached.retry_after,
            // A worker that starts again is up in seconds, and is probed as often.
            Self::Down => Some(5),
            _ => None,
        }
    }

    /// What an upstream's failure is for whoever asked.
    pub(crate) fn from_upstream(upstream: &str, error: &UpstreamError) -> Self {
        let upstream = upstream.to_owned();
        match error {
            UpstreamError::Down => Self::Down,
            UpstreamError::TimedOut => Self::TimedOut { upstream },
            UpstreamError::Limited { retry_after } => Self::Limited { retry_after: *retry_after },
            UpstreamError::Unusable => Self::Misconfigured { upstream },
            UpstreamError::Status(_) | UpstreamError::Answer(_) => Self::Failed { upstream, what: error.to_string() },
        }
    }
}

impl From<HoldError> for ModelError {
    fn from(error: HoldError) -> Self {
        match error {
            HoldError::Exceeded { scope, left, upper } => Self::Exhausted { scope, left, upper },
            HoldError::TooLarge => Self::too_dear(),
            HoldError::Refused(Refused::Reached(reached)) => Self::LimitReached(reached),
            HoldError::Refused(_) | HoldError::Behind | HoldError::Lease(_) | HoldError::Closed => {
                Self::LedgerUnavailable
            }
        }
    }
}

impl OpenAiError {
    /// A refusal of the node's own, before a model was asked. `code` is a word for programs.
    pub fn refusal(status: u16, code: impl Into<Cow<'static, str>>, message: impl Into<String>) -> Self {
        let kind = match status {
            429 => "requests",
            500.. => "server_error",
            _ => "invalid_request_error",
        };
        Self { status, retry_after: None, message: message.into(), kind, param: None, code: code.into() }
    }

    /// Says when to try again.
    pub fn retry_after(mut self, seconds: u64) -> Self {
        self.retry_after = Some(seconds);
        self
    }

    /// The word for programs.
    pub fn code(&self) -> &str {
        &self.code
    }

    /// `{"error":{"message":…,"type":…,"param":…,"code":…}}`.
    pub fn to_json(&self) -> String {
        let Self { message, kind, param, code, .. } = self;
        let error = WrittenError { message, kind, param: param.as_deref(), code };
        serde_json::to_string(&Written { error }).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use sophia_domain::TenantId;

    use super::*;

    #[test]
    fn speaks_as_openai_does() {
        let error = ModelError::invalid("n", "only one answer is made: `n` is 1").to_openai();
        assert_eq!(
            error.to_json(),
            r#"{"error":{"message":"only one answer is made: `n` is 1","type":"invalid_request_error","param":"n","code":"invalid_request"}}"#
        );
        let scope = BudgetScope::Tenant(TenantId::main());
        let exhausted = ModelError::Exhausted { scope, left: Usd::ZERO, upper: Usd::dollars(1) }.to_openai();
        assert_eq!(exhausted.status, 429);
        assert_eq!(
            exhausted.to_json(),
            r#"{"error":{"message":"the budget of tenant `main` has $0.000000 left and the call may cost $1.000000","type":"insufficient_quota","param":null,"code":"insufficient_quota"}}"#
        );
        let limited = ModelError::Limited { retry_after: Duration::from_millis(20) }.to_openai();
        assert_eq!((limited.status, limited.retry_after), (429, Some(1)));
        let reached = QuotaReached {
            scope: "key".to_owned(),
            name: "ci".to_owned(),
            limit: "tokens=100k/h".parse().unwrap(),
            left: 11,
            asked: 4_000,
            retry_after: Some(70),
        };
        let reached = ModelError::LimitReached(Box::new(reached)).to_openai();
        assert_eq!((reached.status, reached.retry_after), (429, Some(70)));
        assert_eq!(
            reached.to_json(),
            r#"{"error":{"message":"the key `ci` is limited to tokens=100000/1h: 11 tokens are left, and the call may take 4000; try again in 70 s","type":"tokens","param":null,"code":"rate_limit_exceeded"}}"#
        );
    }
}
