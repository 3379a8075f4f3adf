//! How limits of tenants and keys are told: in headers of every answer that one counts, and in
//! what a caller is told that one refused.

use http::{HeaderMap, HeaderName, HeaderValue};
use sophia_domain::{Problem, ProblemDocument, Quota, QuotaKind, QuotaReached, RouteClass, Step, World};
use sophia_ledger::{Refused, Standing};

const LIMIT: HeaderName = HeaderName::from_static("x-ratelimit-limit");
const REMAINING: HeaderName = HeaderName::from_static("x-ratelimit-remaining");
const RESET: HeaderName = HeaderName::from_static("x-ratelimit-reset");
const POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");
const STATE: HeaderName = HeaderName::from_static("ratelimit");

/// When to try again what could not be counted. The node asks what it lost once a second.
const LOST_RETRY_SECONDS: u64 = 1;

/// One limit, as headers tell it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Shown<'a> {
    scope: &'a str,
    quota: Quota,
    left: u64,
    /// Seconds.
    reset: u64,
}

impl From<Standing> for Shown<'static> {
    fn from(Standing { scope, quota, left, reset }: Standing) -> Self {
        Self { scope, quota, left, reset }
    }
}

impl<'a> From<&'a QuotaReached> for Shown<'a> {
    fn from(reached: &'a QuotaReached) -> Self {
        let reset = reached.retry_after.unwrap_or_default();
        Self { scope: &reached.scope, quota: reached.limit, left: reached.left, reset }
    }
}

impl Shown<'_> {
    /// Writes the three headers that are usual, and the two of the IETF's draft
    /// (draft-ietf-httpapi-ratelimit-headers-10, sections 3 and 4). Money is in micro-dollars.
    pub(crate) fn stamp(&self, headers: &mut HeaderMap) {
        headers.insert(LIMIT, self.quota.amount.into());
        headers.insert(REMAINING, self.left.into());
        headers.insert(RESET, self.reset.into());
        let (name, amount) = (self.name(), self.quota.amount);
        let window = self.quota.per.map(|per| format!(";w={}", per.0.as_secs())).unwrap_or_default();
        insert(headers, POLICY, &format!("\"{name}\";q={amount}{window}"));
        insert(headers, STATE, &format!("\"{name}\";r={};t={}", self.left, self.reset));
    }

    /// Such as `key-models-requests`.
    fn name(&self) -> String {
        let class = self.quota.class.map(|class| format!("{}-", class.as_str())).unwrap_or_default();
        let unit = if self.quota.kind == QuotaKind::Cost { "-micro-usd" } else { "" };
        format!("{}-{class}{}{unit}", self.scope, self.quota.kind.as_str())
    }
}

/// What a caller is told whose call a limit refused.
pub(crate) fn problem(refused: Refused) -> ProblemDocument {
    let problem = match refused {
        Refused::Reached(reached) => Problem::quota(*reached),
        Refused::Lost(_) | Refused::Contended => {
            let detail = format!("{refused}; try again in a moment");
            Problem::host(503, "limits-unavailable", "The limits cannot be counted", detail)
                .retry_after(LOST_RETRY_SECONDS)
        }
    };
    problem.at(Step::Admission)
}

/// What calls of a plugin are counted as.
pub(crate) fn class(world: World) -> RouteClass {
    match world {
        World::Connector => RouteClass::Connectors,
        World::Pattern => RouteClass::Runs,
        World::Endpoint | World::Policy => RouteClass::Plugins,
    }
}

fn insert(headers: &mut HeaderMap, name: HeaderName, text: &str) {
    if let Ok(value) = HeaderValue::from_str(text) {
        headers.insert(name, value);
    }
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};

    use super::*;

    fn check(quota: &str, expected: Expect) {
        let shown = Shown { scope: "key", quota: quota.parse().unwrap(), left: 7, reset: 41 };
        let mut headers = HeaderMap::new();
        shown.stamp(&mut headers);
        let lines: Vec<String> =
            headers.iter().map(|(name, value)| format!("{name}: {}", value.to_str().unwrap())).collect();
        expected.assert_eq(&lines.join("\n"));
    }

    #[test]
    fn names_the_limit_what_is_left_and_when_it_is_whole() {
        check(
            "models.requests=60/min",
            expect![[r#"
                x-ratelimit-limit: 60
                x-ratelimit-remaining: 7
                x-ratelimit-reset: 41
                ratelimit-policy: "key-models-requests";q=60;w=60
                ratelimit: "key-models-requests";r=7;t=41"#]],
        );
        check(
            "cost=$5/day",
            expect![[r#"
                x-ratelimit-limit: 5000000
                x-ratelimit-remaining: 7
                x-ratelimit-reset: 41
                ratelimit-policy: "key-cost-micro-usd";q=5000000;w=86400
                ratelimit: "key-cost-micro-usd";r=7;t=41"#]],
        );
        check(
            "concurrent=10",
            expect![[r#"
                x-ratelimit-limit: 10
                x-ratelimit-remaining: 7
                x-ratelimit-reset: 41
                ratelimit-policy: "key-concurrent";q=10
                ratelimit: "key-concurrent";r=7;t=41"#]],
        );
    }

    #[test]
    fn says_whose_fault_it_is() {
        let limit = "requests=60/min".parse().unwrap();
        let reached = QuotaReached {
            scope: "key".to_owned(),
            name: "ci".to_owned(),
            limit,
            left: 0,
            asked: 1,
            retry_after: Some(7),
        };
        let told = serde_json::to_string_pretty(&problem(Refused::Reached(Box::new(reached)))).unwrap();
        expect![[r#"
            {
              "type": "/problems/limit-reached",
              "title": "A limit is reached",
              "status": 429,
              "detail": "the key `ci` is limited to requests=60/1m; try again in 7 s",
              "blame": "caller",
              "retry_after": 7,
              "limit": {
                "scope": "key",
                "name": "ci",
                "limit": "requests=60/1m",
                "left": 0,
                "asked": 1,
                "retry_after": 7
              },
              "step": "admission"
            }"#]]
        .assert_eq(&told);
        let lost = problem(Refused::Lost(limit)).problem;
        assert_eq!((lost.status, lost.blame.as_str(), lost.retry_after), (503, "host", Some(1)));
    }
}
