//! One window as all nodes share it, and the arithmetic of handing out slices of it. Pure: whoever
//! keeps it (a process, Redis) applies [`Slices::lease`] to it one node at a time.

use std::{collections::BTreeMap, time::Duration};

use serde::{Deserialize, Serialize};

use super::log::{Log, Micros};

/// A window of a quota, as all nodes share it.
///
/// A node uses what it was leased without asking; what it was leased and did not report counts as
/// used, from when the lease ends. So at any time
///
/// ```text
/// used within the window + slices of all nodes ≤ the limit
/// ```
///
/// and the nodes together never use more than the limit in any time of the window's length: a use
/// is noted when it is reported, which is after it was made, and until then it is in a slice. The
/// slack is nothing, with two exceptions: a limit that is lowered holds everywhere once the leases
/// have ended, [`TERM`] later; and a quota that fails open is used up to once by each node while
/// this cannot be reached. The price is on the other side: what was used comes back up to a term
/// later than on a node alone, and what idle nodes have leased is not there for others for a term.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Slices {
    used: Log,
    nodes: BTreeMap<String, Slice>,
}

/// What a node has.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Slice {
    /// All that it ever reported as used.
    used: u64,
    /// What it may use beyond.
    share: u64,
    until: Micros,
}

/// What a node asks for, and reports.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SliceAsk {
    /// Which node: another one after each start.
    pub node: String,
    /// The quota's amount, and its window; none for calls at once.
    pub limit: (u64, Option<Duration>),
    /// All that the node ever used of it, so that asking twice reports once.
    pub used: u64,
    /// What it holds for calls that are under way.
    pub held: u64,
    /// What it wants to hold beside it; with nothing it only reports and keeps what it holds.
    pub wants: u64,
}

/// A slice of a window.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Leased {
    /// What the node may use beyond what it reported: what it holds, and what it was given.
    pub share: u64,
    /// What is free beside it.
    pub left: u64,
    /// For how long, from when it asked.
    pub term: Duration,
    /// How long until what it wants may be there, where it was not given.
    pub retry_after: Option<Duration>,
}

/// How long a slice is good for. What a node that died had leased is lost to the others for as
/// long, and counts as used from then.
pub const TERM: Duration = Duration::from_secs(2);

/// A node is given what it wants, or this part of what is free if that is more, so that it asks
/// some hundred times for a whole window and not for each call.
const PARTS: u64 = 16;

/// A window for calls at once: nothing of it passes by time.
const NO_WINDOW: Micros = 0;

impl Slices {
    /// Gives a node a slice in place of the one it has, and takes down what it used. At `now` on
    /// the clock of whoever keeps this.
    pub fn lease(&mut self, ask: &SliceAsk, now: u64) -> Leased {
        let (amount, per) = (ask.limit.0, ask.limit.1.map_or(NO_WINDOW, micros));
        self.end_leases((amount, per), now);
        let own = self.nodes.remove(&ask.node).unwrap_or(Slice { used: ask.used, ..Slice::default() });
        if per != NO_WINDOW {
            self.used.add(now, ask.used.saturating_sub(own.used), (amount, per));
        }
        let others = self.nodes.values().fold(0_u64, |sum, slice| sum.saturating_add(slice.share));
        let used = if per == NO_WINDOW { 0 } else { self.used.sum(now, per) };
        let free = amount.saturating_sub(used).saturating_sub(others).saturating_sub(ask.held);
        let given = if free < ask.wants || ask.wants == 0 { 0 } else { ask.wants.max(free / PARTS) };
        let share = ask.held.saturating_add(given);
        let until = now.saturating_add(micros(TERM));
        self.nodes.insert(ask.node.clone(), Slice { used: ask.used.max(own.used), share, until });
        let missing = ask.wants.saturating_sub(free);
        let free_at = self.used.free_at(missing, per).filter(|_| per != NO_WINDOW);
        let wait = free_at.map_or(TERM, |at| Duration::from_micros(at.saturating_sub(now)));
        Leased { share, left: free.saturating_sub(given), term: TERM, retry_after: (missing > 0).then_some(wait) }
    }

    /// What stood in leases that ended counts as used; of calls at once, as ended.
    fn end_leases(&mut self, window: (u64, Micros), now: Micros) {
        let mut ended: Vec<Slice> = self.nodes.values().filter(|slice| slice.until <= now).copied().collect();
        ended.sort_by_key(|slice| slice.until);
        self.nodes.retain(|_, slice| slice.until > now);
        if window.1 != NO_WINDOW {
            ended.iter().for_each(|slice| self.used.add(slice.until, slice.share, window));
        }
    }
}

fn micros(time: Duration) -> Micros {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Micros = 1_000_000;

    fn ask(node: &str, limit: (u64, Option<Duration>), used: u64, held: u64, wants: u64) -> SliceAsk {
        SliceAsk { node: node.to_owned(), limit, used, held, wants }
    }

    #[test]
    fn a_node_gets_what_it_wants_or_a_part_of_what_is_free() {
        let (mut slices, limit) = (Slices::default(), (160, Some(Duration::from_secs(60))));
        assert_eq!(slices.lease(&ask("a", limit, 0, 0, 1), SECOND).share, 10);
        assert_eq!(slices.lease(&ask("b", limit, 0, 0, 100), SECOND).share, 100);
        let refused = slices.lease(&ask("c", limit, 0, 0, 60), SECOND);
        assert_eq!((refused.share, refused.retry_after), (0, Some(TERM)), "others hold it");
        // It reports 7 of 10, holds 2, and is given more in place of what it had.
        let more = slices.lease(&ask("a", limit, 7, 2, 1), SECOND);
        assert_eq!((more.share, more.retry_after), (2 + 3, None));
        // Told twice, counted once.
        assert_eq!(slices.lease(&ask("a", limit, 7, 2, 1), SECOND), more);
    }

    #[test]
    fn what_a_dead_node_had_counts_as_used_and_comes_back_a_window_later() {
        let (mut slices, limit) = (Slices::default(), (10, Some(Duration::from_secs(60))));
        assert_eq!(slices.lease(&ask("dead", limit, 0, 0, 10), 0).share, 10);
        assert_eq!(slices.lease(&ask("b", limit, 0, 0, 1), SECOND).share, 0);
        let refused = slices.lease(&ask("b", limit, 0, 0, 1), 3 * SECOND);
        assert_eq!(refused.retry_after, Some(Duration::from_secs(59)), "used when the lease ended, at 2 s");
        assert_eq!(slices.lease(&ask("b", limit, 0, 0, 10), 62 * SECOND).share, 10);
    }

    #[test]
    fn places_for_calls_at_once_are_free_when_the_lease_of_a_dead_node_ends() {
        let (mut slices, limit) = (Slices::default(), (3, None));
        assert_eq!(slices.lease(&ask("dead", limit, 0, 0, 2), 0).share, 2);
        assert_eq!(slices.lease(&ask("b", limit, 0, 0, 1), SECOND).share, 1);
        assert_eq!(slices.lease(&ask("b", limit, 0, 1, 1), SECOND).retry_after, Some(TERM));
        assert_eq!(slices.lease(&ask("b", limit, 5, 1, 1), 2 * SECOND).share, 2);
    }

    /// Nodes that use their slices as a node does, some of which die or are not heard for a while.
    struct Fleet {
        slices: Slices,
        nodes: Vec<FleetNode>,
        uses: Vec<(Micros, u64)>,
        limit: (u64, Option<Duration>),
        names: u64,
    }

    #[derive(Default)]
    struct FleetNode {
        name: String,
        used: u64,
        ceiling: u64,
        until: Micros,
    }

    impl Fleet {
        fn step(&mut self, random: &mut fastrand::Rng, now: Micros) {
            let place = random.usize(..self.nodes.len());
            let node = &mut self.nodes[place];
            if random.u32(..200) == 0 {
                self.names += 1;
                *node = FleetNode { name: format!("n{}", self.names), ..FleetNode::default() };
            }
            let wants = random.u64(1..=self.limit.0 / 20 + 1);
            if node.until <= now || node.used + wants > node.ceiling {
                let leased = self.slices.lease(&ask(&node.name, self.limit, node.used, 0, wants), now);
                // One answer in ten is lost on its way.
                if random.u32(..10) > 0 {
                    (node.ceiling, node.until) = (node.used + leased.share, now + micros(leased.term));
                }
            }
            if now < node.until && node.used + wants <= node.ceiling {
                node.used += wants;
                self.uses.push((now, wants));
            }
        }
    }

    #[test]
    fn nodes_together_never_use_more_than_the_limit_in_any_window() {
        for (limit, per, seed) in [(10, 3, 1), (100, 10, 2), (100_000, 60, 3), (5_000_000, 30, 4)] {
            let mut random = fastrand::Rng::with_seed(seed);
            let nodes = (0..5).map(|i| FleetNode { name: format!("n{i}"), ..FleetNode::default() }).collect();
            let limit = (limit, Some(Duration::from_secs(per)));
            let mut fleet = Fleet { slices: Slices::default(), nodes, uses: Vec::new(), limit, names: 5 };
            let mut now = 0;
            for _ in 0..20_000 {
                now += random.u64(..per * SECOND / 400);
                fleet.step(&mut random, now);
            }
            let (mut most, mut sum, mut oldest) = (0, 0, 0);
            for (at, amount) in &fleet.uses {
                sum += amount;
                while fleet.uses[oldest].0 + per * SECOND <= *at {
                    sum -= fleet.uses[oldest].1;
                    oldest += 1;
                }
                most = most.max(sum);
            }
            assert!(most <= limit.0, "{most} of {}", limit.0);
            assert!(most > limit.0 / 2, "slices strand too much: {most} of {}", limit.0);
        }
    }

    #[test]
    fn survives_being_written_and_read() {
        let (mut slices, limit) = (Slices::default(), (160, Some(Duration::from_secs(60))));
        slices.lease(&ask("a", limit, 0, 0, 1), SECOND);
        slices.lease(&ask("a", limit, 5, 1, 1), 2 * SECOND);
        let written = serde_json::to_vec(&slices).unwrap();
        assert_eq!(serde_json::from_slice::<Slices>(&written).unwrap(), slices);
    }
}
