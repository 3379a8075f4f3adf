//! The open loop.

use std::{
    sync::{Arc, Mutex, PoisonError},
    thread,
    time::{Duration, Instant},
};

use anyhow::Result;
use http_body_util::BodyExt as _;
use serde_json::json;
use tokio::{sync::mpsc, task::JoinSet};

use crate::{client::Target, percentile};

/// Chats that may be under way before more are dropped, and counted as such.
const MAX_IN_FLIGHT: usize = 1_000;

/// At the beginning connections are opened and caches filled: not counted.
const WARM_UP: Duration = Duration::from_millis(500);

#[derive(Default)]
struct Tally {
    latencies: Vec<Duration>,
    lateness: Vec<Duration>,
    failed: u64,
}

/// Sends `rate` chats a second for some seconds, and prints what came of them.
pub(crate) async fn run(target: Target, rate: u32, seconds: u64) -> Result<()> {
    let tally = Arc::new(Mutex::new(Tally::default()));
    let start = Instant::now() + Duration::from_millis(50);
    let mut due = clock(start, rate, WARM_UP + Duration::from_secs(seconds));
    let (mut running, mut dropped) = (JoinSet::new(), 0_u64);
    while let Some(at) = due.recv().await {
        while running.try_join_next().is_some() {}
        if running.len() >= MAX_IN_FLIGHT {
            dropped += 1;
            continue;
        }
        let (target, tally, is_counted) = (target.clone(), tally.clone(), at >= start + WARM_UP);
        running.spawn(async move {
            let late = at.elapsed();
            let answered = chat(&target).await;
            let latency = at.elapsed();
            let mut tally = tally.lock().unwrap_or_else(PoisonError::into_inner);
            match answered {
                Err(_) => tally.failed += 1,
                Ok(()) if is_counted => {
                    tally.latencies.push(latency);
                    tally.lateness.push(late);
                }
                Ok(()) => {}
            }
        });
    }
    while running.join_next().await.is_some() {}
    let mut tally = tally.lock().unwrap_or_else(PoisonError::into_inner);
    let Tally { latencies, lateness, failed } = &mut *tally;
    let line = json!({
        "n": latencies.len(), "p50_us": percentile::micros(latencies, 50), "p99_us": percentile::micros(latencies, 99),
        "late_p99_us": percentile::micros(lateness, 99), "dropped": dropped, "failed": *failed,
    });
    println!("{line}");
    Ok(())
}

async fn chat(target: &Target) -> Result<()> {
    target.ask(false).await?.into_body().collect().await?;
    Ok(())
}

/// The times at which to send. A thread of its own: the runtime's timers know milliseconds only.
/// It ends with the last one, or when nobody listens any more.
fn clock(start: Instant, rate: u32, during: Duration) -> mpsc::UnboundedReceiver<Instant> {
    let (sender, receiver) = mpsc::unbounded_channel();
    let n = (during.as_secs_f64() * f64::from(rate)) as u32;
    thread::spawn(move || {
        for i in 0..n {
            let at = start + Duration::from_secs_f64(f64::from(i) / f64::from(rate));
            thread::sleep(at.saturating_duration_since(Instant::now()));
            if sender.send(at).is_err() {
                break;
            }
        }
    });
    receiver
}
