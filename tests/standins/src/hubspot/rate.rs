use std::collections::{HashMap, VecDeque};

use http::HeaderMap;

use super::refusal::Refusal;

/// How much one token may ask.
///
/// docs/developer-tooling/platform/usage-guidelines: 100 requests in 10 seconds for a private app
/// of a free account, counted over a rolling window. docs/api-reference/search/guide#limits:
/// five searches in a second. A search does not count towards the first: the contract of
/// `search` in HubSpot's public API specification exempts it from `ten-secondly`.
#[derive(Debug, Clone, Copy)]
pub struct Rates {
    /// Requests in 10 seconds.
    pub per_ten_seconds: usize,
    /// Searches in one second.
    pub searches_per_second: usize,
    /// What a 429 says of when to come back.
    pub retry_after: RetryAfter,
}

/// Whether a 429 carries `Retry-After`. HubSpot's does not always.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RetryAfter {
    /// In whole seconds, rounded up.
    Sent,
    /// Left out.
    Omitted,
}

/// Which window a request counts in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Quota {
    General,
    Search,
}

/// The moments of the requests that were let in, for each token and quota.
#[derive(Default)]
pub(super) struct Windows(HashMap<(String, Quota), VecDeque<u64>>);

impl Default for Rates {
    fn default() -> Self {
        Self { per_ten_seconds: 100, searches_per_second: 5, retry_after: RetryAfter::Sent }
    }
}

impl Rates {
    /// No limit at all, for a demo or a test that is about something else.
    pub fn unlimited() -> Self {
        Self { per_ten_seconds: usize::MAX, searches_per_second: usize::MAX, ..Self::default() }
    }

    fn of(&self, quota: Quota) -> (usize, u64, &'static str) {
        match quota {
            Quota::General => (self.per_ten_seconds, 10_000, "TEN_SECONDLY_ROLLING"),
            Quota::Search => (self.searches_per_second, 1_000, "SECONDLY"),
        }
    }
}

impl Windows {
    /// Lets a request in, or says that it is one too many.
    pub(super) fn take(&mut self, rates: &Rates, token: &str, quota: Quota, now: u64) -> Result<(), Refusal> {
        let (most, millis, policy) = rates.of(quota);
        let window = self.0.entry((token.to_owned(), quota)).or_default();
        while window.front().is_some_and(|at| at + millis <= now) {
            window.pop_front();
        }
        if window.len() < most {
            window.push_back(now);
            return Ok(());
        }
        let free_in = window.front().map_or(millis, |at| at + millis - now);
        let retry_after = (rates.retry_after == RetryAfter::Sent).then(|| free_in.div_ceil(1_000));
        Err(Refusal::limited(policy, retry_after))
    }

    /// The rate headers. A search's answer has none: "the rate limit headers are not included in
    /// the response" of search (docs/developer-tooling/platform/usage-guidelines).
    pub(super) fn stamp(&self, rates: &Rates, token: &str, quota: Quota, now: u64, headers: &mut HeaderMap) {
        if quota == Quota::Search {
            return;
        }
        let (most, millis, _) = rates.of(quota);
        let window = self.0.get(&(token.to_owned(), quota));
        let used = window.map_or(0, |w| w.iter().filter(|at| **at + millis > now).count());
        for (name, value) in [
            ("x-hubspot-ratelimit-max", most as u64),
            ("x-hubspot-ratelimit-remaining", most.saturating_sub(used) as u64),
            ("x-hubspot-ratelimit-interval-milliseconds", millis),
        ] {
            headers.insert(name, value.into());
        }
    }
}
