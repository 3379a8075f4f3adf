//! Figures of the shipped binary at its default configuration, through the public routes: key
//! check, admission, metrics and access line included. The server has one core, the load another.
//!
//! A peer returns the same bytes under the same load in the same minute; rounds of both alternate,
//! so that a machine that slows down slows both.

mod limits;
mod load;
mod models;
mod subject;

use std::{cell::OnceCell, thread, time::Duration};

use anyhow::{Result, ensure};
use serde::Serialize;
use tempfile::TempDir;

use crate::{
    checkout::Checkout,
    command::Run as _,
    guests::Guests,
    process::Processes,
    step::{quiet_step, step},
};
use load::Load;
use subject::Subject;

/// Measure: one JSON line a figure.
#[derive(Debug, Default, clap::Args)]
#[command(after_help = "Figures:
  bare.hyper      requests/s of hyper with nothing on top: the yardstick, same bytes as call.fresh
  call.fresh      requests/s of a connector's action, JSON in and out   baseline: bare.hyper
  endpoint.fresh  requests/s of an endpoint                             baseline: bare hyper, same bytes
  rate.check      us that a call takes more whose tenant and key have limits   baseline: at most 5
  deploy.60k      ms from upload to the first 200 at the route, p50     baseline: at most 60
  start.ready     ms from start to the first 200 of /ready              baseline: at most 300
  idle.rss        MB resident when ready and quiet                      baseline: at most 64
  model.overhead.p50, model.overhead.p99
                  us that a chat takes more than straight to its upstream, at 1,000/s with key,
                  ledger and policy                                     baseline: at most 300, 2000
  model.stream    us that an event of a streamed chat takes more        baseline: at most 100
  policy.route    us that the policy takes of a chat at full load, p50  baseline: at most 25

Examples:
  cargo xtask bench                      all of them, median of five runs of 4 s each
  cargo xtask bench call.fresh --json
  cargo xtask bench --quick              one short run each: that it works, not how fast")]
pub(crate) struct Args {
    /// Only these.
    names: Vec<String>,
    /// One JSON object a line on stdout.
    #[arg(long)]
    json: bool,
    /// One short run each. Its figures mean nothing; a failure does.
    #[arg(long)]
    quick: bool,
}

/// One line of the answer.
#[derive(Debug, Serialize)]
struct Figure {
    name: &'static str,
    value: f64,
    unit: &'static str,
    /// What it is compared with, in the same unit.
    baseline: Option<f64>,
    /// `value / baseline`.
    ratio: Option<f64>,
}

/// Everything the figures share. Made once per run.
struct Bench {
    checkout: Checkout,
    guests: Guests,
    processes: Processes,
    scratch: TempDir,
    rounds: usize,
    each: Duration,
    n_deploys: usize,
    subject: OnceCell<Subject>,
    /// Bare hyper and a fresh call, measured in turns.
    call: OnceCell<[f64; 2]>,
    /// What is added to a chat, measured once for both figures.
    chats: OnceCell<models::Chats>,
}

type Measure = fn(&Bench) -> Result<Figure>;

const FIGURES: [(&str, Measure); 11] = [
    ("bare.hyper", bare_hyper),
    ("call.fresh", call_fresh),
    ("endpoint.fresh", endpoint_fresh),
    ("rate.check", limits::check),
    ("deploy.60k", deploy),
    ("start.ready", start_ready),
    ("idle.rss", idle_rss),
    ("model.overhead.p50", models::overhead_p50),
    ("model.overhead.p99", models::overhead_p99),
    ("model.stream", models::stream),
    ("policy.route", models::policy),
];

/// That every figure can be measured. A step of CI.
pub(crate) fn quick(checkout: &Checkout) -> Result<()> {
    run(checkout, &Args { quick: true, ..Args::default() })
}

pub(crate) fn run(checkout: &Checkout, args: &Args) -> Result<()> {
    for name in &args.names {
        ensure!(
            FIGURES.iter().any(|(known, _)| known == name),
            "there is no figure `{name}`: see `cargo xtask bench --help`"
        );
    }
    let bench = Bench::new(checkout, args.quick)?;
    for (name, measure) in FIGURES {
        if !args.names.is_empty() && !args.names.iter().any(|wanted| wanted == name) {
            continue;
        }
        bench.processes.go_on()?;
        let figure = quiet_step(name, |_| measure(&bench))?;
        if args.json { println!("{}", serde_json::to_string(&figure)?) } else { println!("{}", figure.in_words()) }
    }
    Ok(())
}

impl Bench {
    fn new(checkout: &Checkout, is_quick: bool) -> Result<Self> {
        let n_cores = thread::available_parallelism()?.get();
        ensure!(n_cores >= 2, "the server and the load need a core each; here is {n_cores}");
        load::ensure_wrk()?;
        step("build the host and the yardstick", || {
            checkout.cargo().args(["build", "--release", "--locked", "--workspace", "--bins"]).run()
        })?;
        let guests = Guests::new(checkout, ["hello", "echo", "cost-aware"].map(str::to_owned).to_vec());
        guests.build_all()?;
        let (rounds, each, n_deploys) = match is_quick {
            true => (1, Duration::from_secs(1), 3),
            false => (5, Duration::from_secs(4), 51),
        };
        Ok(Self {
            checkout: checkout.clone(),
            guests,
            processes: Processes::watched()?,
            scratch: tempfile::tempdir()?,
            rounds,
            each,
            n_deploys,
            subject: OnceCell::new(),
            call: OnceCell::new(),
            chats: OnceCell::new(),
        })
    }

    /// The node under load, started when the first figure needs it.
    fn subject(&self) -> Result<&Subject> {
        if self.subject.get().is_none() {
            let _ = self.subject.set(Subject::start(self)?);
        }
        self.subject.get().ok_or_else(|| anyhow::anyhow!("the node did not start"))
    }

    /// Requests/s of hyper with the same bytes and of the load, each the median of its rounds.
    fn in_turns(&self, load: &Load) -> Result<[f64; 2]> {
        let (peer, running) = load.of_bare_hyper(&self.checkout, &self.processes, self.scratch.path())?;
        let (mut bare, mut own) = (Vec::new(), Vec::new());
        for _ in 0..self.rounds {
            self.processes.go_on()?;
            bare.push(peer.requests_per_second(self.each, self.scratch.path())?);
            own.push(load.requests_per_second(self.each, self.scratch.path())?);
        }
        drop(running);
        Ok([median(bare), median(own)])
    }

    fn call(&self) -> Result<[f64; 2]> {
        if let Some(call) = self.call.get() {
            return Ok(*call);
        }
        let call = self.in_turns(&self.subject()?.call()?)?;
        Ok(*self.call.get_or_init(|| call))
    }
}

fn bare_hyper(bench: &Bench) -> Result<Figure> {
    let [bare, _] = bench.call()?;
    Ok(Figure { name: "bare.hyper", value: bare, unit: "requests/s", baseline: None, ratio: None })
}

fn call_fresh(bench: &Bench) -> Result<Figure> {
    let [bare, call] = bench.call()?;
    Ok(Figure::against("call.fresh", call, "requests/s", bare))
}

fn endpoint_fresh(bench: &Bench) -> Result<Figure> {
    let [bare, endpoint] = bench.in_turns(&bench.subject()?.endpoint()?)?;
    Ok(Figure::against("endpoint.fresh", endpoint, "requests/s", bare))
}

fn deploy(bench: &Bench) -> Result<Figure> {
    let took = bench.subject()?.deploys(bench.n_deploys)?;
    Ok(Figure::against("deploy.60k", median(took), "ms", 60.0))
}

fn start_ready(bench: &Bench) -> Result<Figure> {
    let mut took = Vec::new();
    for _ in 0..bench.rounds {
        let subject = Subject::start_empty(bench)?;
        took.push(subject.ready_after().as_secs_f64() * 1e3);
        subject.stop()?;
    }
    Ok(Figure::against("start.ready", median(took), "ms", 300.0))
}

fn idle_rss(bench: &Bench) -> Result<Figure> {
    let mut resident = Vec::new();
    for _ in 0..bench.rounds {
        let subject = Subject::start_empty(bench)?;
        // Quiet: whatever the start left to do in the background is done by then.
        thread::sleep(bench.each / 4);
        resident.push(subject.resident_mb()?);
        subject.stop()?;
    }
    Ok(Figure::against("idle.rss", median(resident), "MB", 64.0))
}

impl Figure {
    fn against(name: &'static str, value: f64, unit: &'static str, baseline: f64) -> Self {
        Self { name, value, unit, baseline: Some(baseline), ratio: Some(value / baseline) }
    }

    fn in_words(&self) -> String {
        let Self { name, value, unit, .. } = self;
        match self.baseline.zip(self.ratio) {
            Some((baseline, ratio)) => format!("{name:<18} {value:>10.1} {unit:<11} {ratio:.3} × {baseline:.1}"),
            None => format!("{name:<18} {value:>10.1} {unit}"),
        }
    }
}

/// The middle one, or of an even number the mean of the two in the middle.
fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    let middle = |at: usize| values.get(at).copied().unwrap_or(f64::NAN);
    let half = values.len() / 2;
    if values.len() % 2 == 1 { middle(half) } else { f64::midpoint(middle(half.wrapping_sub(1)), middle(half)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_the_median() {
        assert!((median(vec![3.0, 1.0, 2.0]) - 2.0).abs() < f64::EPSILON);
        assert!((median(vec![4.0, 1.0, 2.0, 3.0]) - 2.5).abs() < f64::EPSILON);
        assert!(median(Vec::new()).is_nan());
    }

    #[test]
    fn a_figure_is_one_line_of_json_with_the_fixed_names() {
        let line = serde_json::to_string(&Figure::against("deploy.60k", 30.0, "ms", 60.0)).unwrap();
        assert_eq!(line, r#"{"name":"deploy.60k","value":30.0,"unit":"ms","baseline":60.0,"ratio":0.5}"#);
    }
}
