use std::fmt;

use serde::{Deserialize, Serialize};

use super::{Quota, QuotaKind};

/// A quota that refused a call, as it is told: whose, which, and when it may succeed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct QuotaReached {
    /// `tenant` or `key`.
    pub scope: String,
    /// The tenant's or the key's name.
    pub name: String,
    /// The quota, as it is written: `requests=60/1m`.
    pub limit: Quota,
    /// What can still be used of it, in its unit.
    pub left: u64,
    /// What was asked for.
    pub asked: u64,
    /// Seconds until the same would succeed, if nobody takes the place before. None where it asks
    /// for more than the quota ever allows.
    pub retry_after: Option<u64>,
}

impl fmt::Display for QuotaReached {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { scope, name, limit, left, asked, .. } = self;
        write!(f, "the {scope} `{name}` is limited to {limit}")?;
        let amount = |amount: &u64| Quota { amount: *amount, ..*limit }.shown_amount();
        match limit.kind {
            QuotaKind::Requests => {}
            QuotaKind::Concurrent => write!(f, ", and as many calls are under way")?,
            QuotaKind::Tokens => write!(f, ": {left} tokens are left, and the call may take {asked}")?,
            QuotaKind::Cost => write!(f, ": {} is left, and the call may cost {}", amount(left), amount(asked))?,
        }
        match self.retry_after {
            Some(seconds) => write!(f, "; try again in {seconds} s"),
            None => write!(f, "; it is never that much: ask for less"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(limit: &str, left: u64, asked: u64, retry_after: Option<u64>, expected: &str) {
        let limit = limit.parse().unwrap();
        let reached = QuotaReached { scope: "key".into(), name: "ci".into(), limit, left, asked, retry_after };
        assert_eq!(reached.to_string(), expected);
        let json = serde_json::to_string(&reached).unwrap();
        assert_eq!(serde_json::from_str::<QuotaReached>(&json).unwrap(), reached);
    }

    #[test]
    fn says_whose_which_and_when() {
        let requests = "the key `ci` is limited to models.requests=60/1m; try again in 7 s";
        check("models.requests=60/min", 0, 1, Some(7), requests);
        let concurrent = "the key `ci` is limited to concurrent=2, and as many calls are under way; try again in 1 s";
        check("concurrent=2", 0, 1, Some(1), concurrent);
        let tokens = "the key `ci` is limited to tokens=100/1h: 4 tokens are left, and the call may take 111; it is \
                      never that much: ask for less";
        check("tokens=100/h", 4, 111, None, tokens);
        let cost = "the key `ci` is limited to cost=$5.000000/24h: $0.000004 is left, and the call may cost \
                    $1.000000; try again in 3 s";
        check("cost=$5/day", 4, 1_000_000, Some(3), cost);
    }
}
