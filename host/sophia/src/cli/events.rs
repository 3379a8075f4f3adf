//! Events of a run as they come, over server-sent events, gone on with where a connection breaks.

use std::time::Duration;

use anyhow::Context;
use reqwest::Response;
use serde_json::Value;

use super::{Failure, client::Client, run_view::Event};

/// How often a connection that brought nothing is tried again.
const MAX_TRIES: u32 = 5;

/// Between two tries.
const PAUSE: Duration = Duration::from_millis(500);

/// A reader of one run's events.
pub(crate) struct Events<'a> {
    client: &'a Client,
    path: String,
    response: Option<Response>,
    /// What came and is no whole event yet.
    rest: Vec<u8>,
    last: u64,
    n_tries: u32,
    is_over: bool,
}

impl<'a> Events<'a> {
    /// From the first event on.
    pub(crate) fn of(client: &'a Client, run: &str) -> Self {
        let path = format!("/v1/runs/{}/events", super::client::segment(run));
        Self { client, path, response: None, rest: Vec::new(), last: 0, n_tries: 0, is_over: false }
    }

    /// The next event, as it was sent and as it is read; none after the run's end. Cancel-safe.
    pub(crate) async fn next(&mut self) -> Result<Option<(Value, Event)>, Failure> {
        while !self.is_over {
            if let Some(data) = self.whole() {
                let value: Value = serde_json::from_str(&data).context("an event is no JSON")?;
                let event: Event = serde_json::from_value(value.clone())
                    .context("the event is of another version than this client")?;
                (self.last, self.n_tries, self.is_over) = (event.seq, 0, event.is_last());
                return Ok(Some((value, event)));
            }
            self.receive().await?;
        }
        Ok(None)
    }

    async fn receive(&mut self) -> Result<(), Failure> {
        let response = match &mut self.response {
            Some(response) => response,
            None => {
                let response = self.client.stream(&self.path, self.last).await?;
                self.response.insert(response)
            }
        };
        match response.chunk().await {
            Ok(Some(bytes)) => self.rest.extend_from_slice(&bytes),
            Ok(None) | Err(_) if self.n_tries >= MAX_TRIES => {
                return Err(anyhow::anyhow!("the events broke off; see what there is: sophia debug timeline").into());
            }
            Ok(None) | Err(_) => {
                self.n_tries += 1;
                self.response = None;
                self.rest.clear();
                tokio::time::sleep(PAUSE).await;
            }
        }
        Ok(())
    }

    /// The data of the first whole event; comments that keep the connection alive are left out.
    fn whole(&mut self) -> Option<String> {
        loop {
            let end = self.rest.windows(2).position(|pair| pair == b"\n\n")?;
            let block: Vec<u8> = self.rest.drain(..end + 2).collect();
            let text = String::from_utf8_lossy(&block);
            let data: Vec<&str> = text.lines().filter_map(|line| line.strip_prefix("data: ")).collect();
            if !data.is_empty() {
                return Some(data.join("\n"));
            }
        }
    }
}
