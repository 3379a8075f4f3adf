use sophia_ledger::Used;

use super::Counter;

/// How an answer of a model can end: whole, broken off by the upstream, or left by the caller.
const OUTCOMES: [&str; 3] = ["ok", "failed", CANCELLED];

/// The word for an answer whose caller went away.
pub(crate) const CANCELLED: &str = "cancelled";

/// What is counted of one model of one upstream, over the callers' requests.
#[derive(Debug)]
pub(crate) struct ModelMeter {
    model: String,
    upstream: String,
    answers: [Counter; OUTCOMES.len()],
    input_tokens: Counter,
    output_tokens: Counter,
    cost_micros: Counter,
}

impl ModelMeter {
    /// With nothing counted.
    pub(crate) fn new(model: &str, upstream: &str) -> Self {
        Self {
            model: model.to_owned(),
            upstream: upstream.to_owned(),
            answers: Default::default(),
            input_tokens: Counter::default(),
            output_tokens: Counter::default(),
            cost_micros: Counter::default(),
        }
    }

    /// The model's name.
    pub(crate) fn model(&self) -> &str {
        &self.model
    }

    /// The provider's or worker's.
    pub(crate) fn upstream(&self) -> &str {
        &self.upstream
    }

    /// Counts an answer that ended.
    pub(crate) fn answered(&self, used: Used, failure: Option<&'static str>) {
        let [whole, failed, left] = &self.answers;
        match failure {
            None => whole.inc(),
            Some(CANCELLED) => left.inc(),
            Some(_) => failed.inc(),
        }
        self.input_tokens.add(used.tokens.input);
        self.output_tokens.add(used.tokens.output);
        self.cost_micros.add(used.cost.micros());
    }

    pub(super) fn outcomes(&self) -> impl Iterator<Item = (&'static str, u64)> {
        OUTCOMES.into_iter().zip(self.answers.iter().map(Counter::get))
    }

    pub(super) fn tokens(&self) -> [(&'static str, u64); 2] {
        [("input", self.input_tokens.get()), ("output", self.output_tokens.get())]
    }

    pub(super) fn cost_micros(&self) -> u64 {
        self.cost_micros.get()
    }
}
