use sophia_domain::Usd;

/// Where the money of one budget is. One per budget that is set; changed under its lock.
///
/// Money stands in one place at a time and is moved between them, so that no step can make any:
///
/// ```text
/// limit = unleased + free + held + spent + unreconciled
///                    ╰──── lease ────╯ less what is written
/// ```
///
/// A lease is what this node took out durably and may spend without asking the disk again.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Book {
    /// The most that may ever be spent.
    pub(crate) limit: Usd,
    /// The cost of all calls that ended, and the part of it that is written as charges.
    pub(crate) spent: Usd,
    pub(crate) written: Usd,
    /// What is held for calls under way.
    pub(crate) held: Usd,
    /// What is leased and can be held.
    pub(crate) free: Usd,
    /// What a node that died had leased and not written. Counts as spent until it is released.
    pub(crate) unreconciled: Usd,
}

/// Whether a hold can be taken from a budget.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fit {
    /// From the lease.
    Leased,
    /// Once the lease was extended.
    Unleased,
    /// Not at all; so much is left.
    Exceeded(Usd),
}

/// A lease is extended by a sixteenth of what is unleased, beyond what is asked for. A share, so
/// that writes grow with the logarithm of calls (110 of them spend $100 in holds of a cent) and a
/// death strands no more than that share of what was left.
const SLICES: u64 = 16;

/// And by no more than this, so that what a death strands in a large budget is still small.
const MAX_SLICE: Usd = Usd::dollars(10);

impl Book {
    /// What can still be held.
    pub(crate) fn left(&self) -> Usd {
        self.limit.saturating_sub(self.spent).saturating_sub(self.unreconciled).saturating_sub(self.held)
    }

    /// Whether `upper` can be held. What is left decides first: a limit that was lowered holds
    /// at once, though more may be leased.
    pub(crate) fn fit(&self, upper: Usd) -> Fit {
        match self.left() {
            left if left < upper => Fit::Exceeded(left),
            _ if self.free < upper => Fit::Unleased,
            _ => Fit::Leased,
        }
    }

    /// Holds what [`Self::fit`] found leased.
    pub(crate) fn hold(&mut self, upper: Usd) {
        transfer(&mut self.free, &mut self.held, upper);
    }

    /// Ends a hold of `upper` with a `cost` of no more: the rest is free again.
    pub(crate) fn settle(&mut self, upper: Usd, cost: Usd) {
        transfer(&mut self.held, &mut self.spent, cost);
        transfer(&mut self.held, &mut self.free, upper.saturating_sub(cost));
    }

    /// What to lease so that `wanted` can be held, and a slice beyond it.
    pub(crate) fn extension(&self, wanted: Usd) -> Usd {
        let target = wanted.checked_add(self.slice()).unwrap_or(Usd::MAX);
        target.saturating_sub(self.free).min(self.unleased())
    }

    /// Whether the lease runs out soon enough to extend it before somebody must wait for that.
    pub(crate) fn is_low(&self) -> bool {
        self.free.micros() < self.slice().micros() / 2
    }

    /// What is leased and not written as spent: what counts as spent if this node dies now.
    pub(crate) fn lease(&self) -> Usd {
        let unwritten = self.spent.saturating_sub(self.written);
        sum([self.free, self.held, unwritten])
    }

    /// Adds to the lease what was made durable.
    pub(crate) fn extend(&mut self, by: Usd) {
        self.free = sum([self.free, by]);
    }

    /// Notes that charges were written: those held from this budget, and those of calls that
    /// began before it was set, which it learns of here.
    pub(crate) fn write(&mut self, held_here: Usd, before: Usd) {
        self.spent = sum([self.spent, before]);
        self.written = sum([self.written, held_here, before]);
    }

    fn unleased(&self) -> Usd {
        self.left().saturating_sub(self.free)
    }

    fn slice(&self) -> Usd {
        Usd::from_micros(self.unleased().micros() / SLICES).unwrap_or(MAX_SLICE).min(MAX_SLICE)
    }
}

/// Moves an amount that is there. One that is not would be a fault of this crate; it stays where
/// it is, so that the sum holds.
fn transfer(from: &mut Usd, to: &mut Usd, amount: Usd) {
    if let (Some(rest), Some(more)) = (from.checked_sub(amount), to.checked_add(amount)) {
        (*from, *to) = (rest, more);
    }
}

/// The sum, or the largest amount: only charges of a budget's past can reach it, and then no
/// limit is above it.
pub(crate) fn sum<const N: usize>(amounts: [Usd; N]) -> Usd {
    amounts.into_iter().try_fold(Usd::ZERO, Usd::checked_add).unwrap_or(Usd::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn usd(micros: u64) -> Usd {
        Usd::from_micros(micros).unwrap()
    }

    fn leased(limit: u64, free: u64) -> Book {
        Book { limit: usd(limit), free: usd(free), ..Book::default() }
    }

    #[test]
    fn holds_to_the_last_micro_dollar_and_not_one_more() {
        let mut book = leased(10, 10);
        assert_eq!(book.fit(usd(11)), Fit::Exceeded(usd(10)));
        for _ in 0..2 {
            assert_eq!(book.fit(usd(5)), Fit::Leased);
            book.hold(usd(5));
        }
        assert_eq!(book.fit(usd(1)), Fit::Exceeded(Usd::ZERO));
        assert_eq!(book.fit(Usd::ZERO), Fit::Leased, "what costs nothing needs nothing");
        book.settle(usd(5), usd(4));
        assert_eq!((book.spent, book.held, book.left()), (usd(4), usd(5), usd(1)));
    }

    #[test]
    fn a_lowered_limit_holds_at_once() {
        let mut book = leased(100, 50);
        book.hold(usd(20));
        book.limit = usd(25);
        assert_eq!(book.fit(usd(6)), Fit::Exceeded(usd(5)));
        book.limit = usd(10);
        assert_eq!((book.left(), book.extension(usd(1))), (Usd::ZERO, Usd::ZERO));
    }

    #[test]
    fn an_extension_covers_what_is_wanted_and_a_slice() {
        for (limit, free, wanted, expected) in [
            (1_600, 0, 0, 100),            // the first slice
            (1_600, 0, 40, 140),           // a call waits
            (1_600, 30, 40, 40 + 98 - 30), // 1,570 are unleased
            (1_600, 200, 40, 0),           // there is enough
            (1_600, 0, 1_600, 1_600),      // all of it
            (10, 0, 3, 3),                 // a slice below a micro-dollar is none
            (10, 8, 10, 2),
        ] {
            let book = leased(limit, free);
            assert_eq!(book.extension(usd(wanted)), usd(expected), "{limit} {free} {wanted}");
        }
        let large = Book { limit: Usd::dollars(1_000_000), ..Book::default() };
        assert_eq!(large.extension(Usd::ZERO), MAX_SLICE);
    }

    #[test]
    fn spending_a_budget_extends_its_lease_some_hundred_times() {
        let (mut book, hold) = (Book { limit: Usd::dollars(100), ..Book::default() }, usd(10_000));
        let (mut n_calls, mut n_extensions) = (0, 0);
        loop {
            match book.fit(hold) {
                Fit::Exceeded(left) => break assert_eq!(left, Usd::ZERO),
                Fit::Unleased => {
                    n_extensions += 1;
                    book.extend(book.extension(hold));
                }
                Fit::Leased => {
                    n_calls += 1;
                    book.hold(hold);
                    book.settle(hold, hold);
                }
            }
        }
        assert_eq!((n_calls, book.spent), (10_000, book.limit));
        assert_eq!(n_extensions, 110);
    }

    #[test]
    fn no_step_makes_or_loses_money() {
        let mut random = fastrand::Rng::with_seed(7);
        for _ in 0..200 {
            let (mut book, mut open) = (leased(random.u64(0..10_000), 0), Vec::new());
            for _ in 0..200 {
                step(&mut book, &mut open, &mut random);
                let all = sum([book.unleased(), book.free, book.held, book.spent, book.unreconciled]);
                assert_eq!(all, book.limit, "{book:?}");
                assert_eq!(book.held, open.iter().fold(Usd::ZERO, |all, upper| sum([all, *upper])));
                assert!(book.written <= book.spent);
                assert_eq!(sum([book.written, book.lease(), book.unleased(), book.unreconciled]), book.limit);
            }
        }
    }

    fn step(book: &mut Book, open: &mut Vec<Usd>, random: &mut fastrand::Rng) {
        let upper = usd(random.u64(0..300));
        match random.u8(0..4) {
            0 => book.extend(book.extension(upper)),
            1 if book.fit(upper) == Fit::Leased => {
                book.hold(upper);
                open.push(upper);
            }
            2 if !open.is_empty() => {
                let upper = open.swap_remove(random.usize(..open.len()));
                book.settle(upper, usd(random.u64(0..=upper.micros())));
            }
            _ => {
                let unwritten = book.spent.saturating_sub(book.written);
                book.write(usd(random.u64(0..=unwritten.micros())), Usd::ZERO);
            }
        }
    }
}
