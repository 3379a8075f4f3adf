//! What a call takes more that limits count: the same load under a key without limits and under
//! one with, on the same node, in turns.

use anyhow::Result;

use super::{Bench, Figure, median};

/// Of the tenant and of the key: what a call is compared with and counted in.
pub(super) const OF_TENANT: [&str; 1] = ["requests=1000000000/h"];
pub(super) const OF_KEY: [&str; 2] = ["requests=1000000000/h", "concurrent=1000000"];

pub(super) fn check(bench: &Bench) -> Result<Figure> {
    let subject = bench.subject()?;
    let (free, limited) = (subject.call()?, subject.limited_call()?);
    let mut added = Vec::new();
    for _ in 0..bench.rounds {
        bench.processes.go_on()?;
        // One core serves: what a request takes of it is the inverse of how many it serves.
        subject.limit(&[], &[])?;
        let without = free.requests_per_second(bench.each, bench.scratch.path())?;
        subject.limit(&OF_TENANT, &OF_KEY)?;
        let with = limited.requests_per_second(bench.each, bench.scratch.path())?;
        added.push(1e6 / with - 1e6 / without);
    }
    subject.limit(&[], &[])?;
    Ok(Figure::against("rate.check", median(added), "us", 5.0))
}
