//! A worker on the same machine, found by itself in development.
//!
//! The node asks every few seconds, from its start to its drain, so that it does not matter which
//! of the two was started first. Where `[models]` names upstreams, nothing is looked for.

use std::{sync::Arc, time::Duration};

use sophia_models::{NoWorker, WorkerUrl};

use crate::node::Node;

/// One small request on the loopback; a person who starts a worker does not wait longer.
const INTERVAL: Duration = Duration::from_secs(3);

/// Misses in a row before a worker counts as lost: one that computes on all cores may answer late.
const MAX_MISSES: u32 = 3;

/// Looks for the worker until the node drains.
pub(super) async fn look_out(node: Arc<Node>) {
    let Some(url) = &node.config.models.worker else { return };
    let mut misses = MAX_MISSES;
    loop {
        tokio::select! {
            () = node.drain.begun() => return,
            now = look(&node, url, misses) => misses = now,
        }
        tokio::select! {
            () = node.drain.begun() => return,
            () = tokio::time::sleep(INTERVAL) => {}
        }
    }
}

/// Asks once. Takes and gives how often in a row it was missed; a worker that was lost is served
/// again as it is now.
async fn look(node: &Node, url: &WorkerUrl, misses: u32) -> u32 {
    let found = node.models.look_for_worker(url).await;
    match found {
        Ok(config) if misses >= MAX_MISSES => {
            node.models.replace(config);
            let served: Vec<String> = node.models.list().into_iter().map(|entry| entry.id).collect();
            tracing::info!(address = url.address(), models = served.join(" "), "serves the models of a worker");
            0
        }
        Ok(_) => 0,
        Err(why) => missed(url, why, misses),
    }
}

fn missed(url: &WorkerUrl, why: NoWorker, misses: u32) -> u32 {
    let address = url.address();
    if misses + 1 == MAX_MISSES {
        tracing::warn!(address, %why, "the worker is lost: its models answer again when it is back");
    } else {
        tracing::debug!(address, %why, "there is no worker");
    }
    (misses + 1).min(MAX_MISSES)
}
