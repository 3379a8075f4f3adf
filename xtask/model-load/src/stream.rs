//! How long each event of a stream was on its way.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, ensure};
use http_body_util::BodyExt as _;
use serde_json::{Value, json};

use crate::{client::Target, percentile};

/// Reads `n` streams one after the other, and prints the median way of an event.
pub(crate) async fn run(target: &Target, n: usize) -> Result<()> {
    let mut ways = Vec::new();
    for _ in 0..n {
        read(target, &mut ways).await?;
    }
    ensure!(!ways.is_empty(), "no event came");
    println!("{}", json!({"n": ways.len(), "p50_us": percentile::micros(&mut ways, 50)}));
    Ok(())
}

async fn read(target: &Target, ways: &mut Vec<Duration>) -> Result<()> {
    let mut body = target.ask(true).await?.into_body();
    let mut text = Vec::new();
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame?.into_data() else { continue };
        let now = SystemTime::now().duration_since(UNIX_EPOCH)?;
        text.extend_from_slice(&data);
        while let Some(end) = text.windows(2).position(|two| two == b"\n\n") {
            let event: Vec<u8> = text.drain(..end + 2).collect();
            ways.extend(sent_at(&event)?.map(|at| now.saturating_sub(at)));
        }
    }
    Ok(())
}

/// When the upstream sent it; none for events without a text.
fn sent_at(event: &[u8]) -> Result<Option<Duration>> {
    let data = event.trim_ascii().strip_prefix(b"data: ").context("no event")?;
    let Ok(chunk) = serde_json::from_slice::<Value>(data) else { return Ok(None) };
    ensure!(chunk.get("error").is_none(), "{chunk}");
    let text = chunk.pointer("/choices/0/delta/content").and_then(Value::as_str);
    let nanos = text.and_then(|text| text.trim().parse().ok());
    Ok(nanos.map(Duration::from_nanos))
}
