//! Which token comes next.

use std::{
    cmp::Ordering,
    collections::{BinaryHeap, HashMap},
};

use fastrand::Rng;
use toktrie::SimpleVob;

/// How strongly what was said already is avoided. 0 changes nothing.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct Penalties {
    /// Taken off once for a token that was said.
    pub(crate) presence: f32,
    /// Taken off for each time that it was said.
    pub(crate) frequency: f32,
}

/// Chooses the tokens of one answer. The same seed and the same logits give the same choices.
#[derive(Debug)]
pub(super) struct Sampler {
    rng: Rng,
    temperature: f32,
    top_p: f32,
    penalties: Penalties,
    said: HashMap<u32, f32>,
}

/// A token and its weight, ordered by weight; of equals, the lower id is greater.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Candidate {
    weight: f32,
    token: u32,
}

impl Sampler {
    /// Temperature 0 is greedy; `top_p` is over 0 and at most 1.
    pub(super) fn new(seed: u64, temperature: f32, top_p: f32, penalties: Penalties) -> Self {
        Self { rng: Rng::with_seed(seed), temperature, top_p, penalties, said: HashMap::new() }
    }

    /// The next token among those allowed; none if the model or the mask leaves none.
    pub(super) fn pick(&mut self, mut logits: Vec<f32>, allowed: Option<&SimpleVob>) -> Option<u32> {
        self.penalise(&mut logits);
        let is_allowed = |candidate: &Candidate| allowed.is_none_or(|mask| mask.is_allowed(candidate.token));
        let candidates = (0..).zip(logits).map(|(token, weight)| Candidate { weight, token });
        let candidates: Vec<Candidate> =
            candidates.filter(|candidate| candidate.weight.is_finite()).filter(is_allowed).collect();
        let best = *candidates.iter().max()?;
        let token = if self.temperature == 0.0 { best.token } else { self.draw(candidates, best.weight) };
        *self.said.entry(token).or_default() += 1.0;
        Some(token)
    }

    /// `logit -= presence × (said at all) + frequency × (times said)`, the formula of OpenAI's
    /// documentation ("frequency and presence penalties").
    fn penalise(&self, logits: &mut [f32]) {
        if self.penalties == Penalties::default() {
            return;
        }
        for (token, times) in &self.said {
            if let Some(logit) = usize::try_from(*token).ok().and_then(|token| logits.get_mut(token)) {
                *logit -= self.penalties.presence + self.penalties.frequency * times;
            }
        }
    }

    /// From the softmax at this temperature, cut to the most likely tokens that together reach
    /// `top_p` (nucleus sampling, Holtzman et al. 2019).
    fn draw(&mut self, mut candidates: Vec<Candidate>, highest: f32) -> u32 {
        for candidate in &mut candidates {
            candidate.weight = ((candidate.weight - highest) / self.temperature).exp();
        }
        let total: f32 = candidates.iter().map(|candidate| candidate.weight).sum();
        let nucleus = if self.top_p < 1.0 { nucleus(candidates, total * self.top_p) } else { candidates };
        let mut left = self.rng.f32() * nucleus.iter().map(|candidate| candidate.weight).sum::<f32>();
        for candidate in &nucleus {
            left -= candidate.weight;
            if left < 0.0 {
                return candidate.token;
            }
        }
        // Rounding may leave a little: then it is the most likely one.
        nucleus.iter().max().map_or(0, |candidate| candidate.token)
    }
}

/// The fewest candidates whose weights reach `weight`, greatest first. A heap, because a few of
/// 49,152 are needed and sorting them all would take longer than the rest.
fn nucleus(candidates: Vec<Candidate>, weight: f32) -> Vec<Candidate> {
    let mut heap = BinaryHeap::from(candidates);
    let mut taken = Vec::new();
    let mut sum = 0.0;
    while sum < weight
        && let Some(candidate) = heap.pop()
    {
        sum += candidate.weight;
        taken.push(candidate);
    }
    taken
}

impl Eq for Candidate {}

impl Ord for Candidate {
    fn cmp(&self, other: &Self) -> Ordering {
        self.weight.total_cmp(&other.weight).then_with(|| other.token.cmp(&self.token))
    }
}

impl PartialOrd for Candidate {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sampler(temperature: f32, top_p: f32) -> Sampler {
        Sampler::new(7, temperature, top_p, Penalties::default())
    }

    fn draws(sampler: &mut Sampler, logits: &[f32]) -> Vec<u32> {
        (0..200).filter_map(|_| sampler.pick(logits.to_vec(), None)).collect()
    }

    #[test]
    fn is_greedy_at_temperature_zero() {
        assert_eq!(draws(&mut sampler(0.0, 1.0), &[1.0, 3.0, 3.0, 2.0]), [1; 200]);
    }

    #[test]
    fn repeats_itself_with_the_same_seed() {
        let logits = [1.0, 1.5, 0.5, 1.2];
        let drawn = draws(&mut sampler(1.0, 0.9), &logits);
        assert_eq!(drawn, draws(&mut sampler(1.0, 0.9), &logits));
        assert!(drawn.contains(&0) && drawn.contains(&1) && drawn.contains(&3));
    }

    #[test]
    fn draws_from_the_nucleus_only() {
        // Softmax: 0.64, 0.24, 0.09, 0.03.
        let logits = [4.0, 3.0, 2.0, 1.0];
        assert_eq!(draws(&mut sampler(1.0, 0.6), &logits), [0; 200]);
        let two = draws(&mut sampler(1.0, 0.8), &logits);
        assert!(two.contains(&1) && two.iter().all(|token| *token < 2));
    }

    #[test]
    fn takes_only_what_is_allowed_and_finite() {
        let mut mask = SimpleVob::alloc(4);
        mask.allow_token(2);
        mask.allow_token(3);
        let mut greedy = sampler(0.0, 1.0);
        assert_eq!(greedy.pick(vec![9.0, 9.0, 1.0, 2.0], Some(&mask)), Some(3));
        assert_eq!(greedy.pick(vec![9.0, 9.0, 1.0, f32::NAN], Some(&mask)), Some(2));
        assert_eq!(greedy.pick(vec![9.0, 9.0, f32::NEG_INFINITY, f32::NAN], Some(&mask)), None);
        assert_eq!(greedy.pick(vec![], None), None);
    }

    #[test]
    fn penalises_what_was_said() {
        let mut sampler = Sampler::new(7, 0.0, 1.0, Penalties { presence: 0.5, frequency: 1.0 });
        let said: Vec<u32> = (0..4).filter_map(|_| sampler.pick(vec![3.0, 2.2, 0.0], None)).collect();
        assert_eq!(said, [0, 1, 0, 1]);
    }
}
