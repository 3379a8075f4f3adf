//! What a call used: what the upstream reports where it can be true, and what was seen otherwise.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use sophia_domain::Tokens;

/// What a call can use at most, and what its prompt is thought to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Bounds {
    /// Tokens of the prompt, at most.
    pub(crate) input: u64,
    /// Tokens of the prompt, as far as is known; no more than `input`.
    pub(crate) prompt: u64,
    /// Tokens that may be generated.
    pub(crate) output: u64,
}

/// A report as it came. A number that is no count of tokens is none here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Report {
    input: Option<u64>,
    cached: Option<u64>,
    output: Option<u64>,
}

/// The `usage` object of an answer, for what is billed.
#[derive(Debug, Serialize)]
pub(crate) struct Shown {
    prompt_tokens: u64,
    completion_tokens: u64,
    total_tokens: u64,
}

#[derive(Deserialize)]
struct Written<'a> {
    #[serde(borrow, default)]
    prompt_tokens: Option<&'a RawValue>,
    #[serde(borrow, default)]
    completion_tokens: Option<&'a RawValue>,
    #[serde(borrow, default)]
    prompt_tokens_details: Option<WrittenDetails<'a>>,
}

#[derive(Deserialize)]
struct WrittenDetails<'a> {
    #[serde(borrow, default)]
    cached_tokens: Option<&'a RawValue>,
}

impl Report {
    /// Reads OpenAI's `usage` object; none where it is not one.
    pub(crate) fn read(json: &str) -> Option<Self> {
        let written: Written<'_> = serde_json::from_str(json).ok()?;
        Some(Self {
            input: written.prompt_tokens.and_then(count),
            output: written.completion_tokens.and_then(count),
            cached: written.prompt_tokens_details.and_then(|d| d.cached_tokens).map_or(Some(0), count),
        })
    }
}

/// The tokens to bill, and whether they are estimated. With a report that can be true it is the
/// report. A part of it that cannot (no count at all, or above its bound) is replaced by its bound
/// or by what was seen, and the whole is marked. Without a report it is the prompt and what was
/// `delivered`.
pub(crate) fn tokens(bounds: Bounds, delivered: u64, report: Option<Report>) -> (Tokens, bool) {
    let seen = Tokens { input: bounds.prompt, cached: 0, output: delivered.min(bounds.output) };
    report.map_or((seen, true), |report| believable(bounds, seen, report))
}

impl From<Tokens> for Shown {
    fn from(tokens: Tokens) -> Self {
        let total_tokens = tokens.input.saturating_add(tokens.output);
        Self { prompt_tokens: tokens.input, completion_tokens: tokens.output, total_tokens }
    }
}

fn believable(bounds: Bounds, seen: Tokens, report: Report) -> (Tokens, bool) {
    let (input, input_is_sound) = within(report.input, bounds.input, seen.input);
    // An embedding generates nothing, and its usage does not say so.
    let reported = if bounds.output == 0 { report.output.or(Some(0)) } else { report.output };
    let (output, output_is_sound) = within(reported, bounds.output, seen.output);
    let (cached, cached_is_sound) = within(report.cached, input, 0);
    (Tokens { input, cached, output }, !(input_is_sound && output_is_sound && cached_is_sound))
}

/// A reported number if it can be true; else the bound that it passed, or what was seen.
fn within(reported: Option<u64>, bound: u64, seen: u64) -> (u64, bool) {
    match reported {
        Some(n) if n <= bound => (n, true),
        Some(_) => (bound, false),
        None => (seen, false),
    }
}

/// A number of tokens. What is above 64 bits counts as the largest, so that its bound is seen to
/// be passed; a negative or broken number is none.
fn count(json: &RawValue) -> Option<u64> {
    let text = json.get();
    let is_digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    is_digits.then(|| text.parse().unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOUNDS: Bounds = Bounds { input: 100, prompt: 95, output: 50 };

    fn check(json: &str, input: u64, cached: u64, output: u64, is_estimated: bool) {
        let (tokens, marked) = tokens(BOUNDS, 7, Report::read(json));
        assert_eq!((tokens, marked), (Tokens { input, cached, output }, is_estimated), "{json}");
    }

    #[test]
    fn a_report_that_can_be_true_is_exact() {
        check(r#"{"prompt_tokens":100,"completion_tokens":7,"total_tokens":107}"#, 100, 0, 7, false);
        let cached = r#"{"prompt_tokens":90,"completion_tokens":3,"prompt_tokens_details":{"cached_tokens":64}}"#;
        check(cached, 90, 64, 3, false);
        let embedded = Report::read(r#"{"prompt_tokens":12,"total_tokens":12,"prompt_tokens_details":null}"#);
        let bounds = Bounds { output: 0, ..BOUNDS };
        assert_eq!(tokens(bounds, 0, embedded), (Tokens { input: 12, cached: 0, output: 0 }, false));
    }

    #[test]
    fn one_that_cannot_is_brought_within_its_bounds_and_marked() {
        check(r#"{"prompt_tokens":90,"completion_tokens":51}"#, 90, 0, 50, true);
        check(r#"{"prompt_tokens":-1,"completion_tokens":7}"#, 95, 0, 7, true);
        check(r#"{"prompt_tokens":90,"completion_tokens":-7}"#, 90, 0, 7, true);
        check(r#"{"prompt_tokens":90}"#, 90, 0, 7, true);
        check(r#"{"prompt_tokens":99999999999999999999999,"completion_tokens":1}"#, 100, 0, 1, true);
        check(r#"{"prompt_tokens":9e9,"completion_tokens":"many"}"#, 95, 0, 7, true);
        let cached = r#"{"prompt_tokens":9,"completion_tokens":1,"prompt_tokens_details":{"cached_tokens":10}}"#;
        check(cached, 9, 9, 1, true);
    }

    #[test]
    fn without_one_the_prompt_and_what_was_delivered_are_billed() {
        for json in ["null", "[]", "7", r#""much""#] {
            check(json, 95, 0, 7, true);
        }
        assert_eq!(tokens(BOUNDS, 51, None).0.output, 50, "never more than was held");
    }
}
