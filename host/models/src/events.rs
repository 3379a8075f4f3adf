use std::{collections::VecDeque, time::Duration};

use futures::FutureExt;
use sophia_egress::InboundBody;
use tokio::time::timeout;

use crate::{UpstreamError, chunk::Piece, sse::Decoder};

/// The events of a streamed answer, within their bounds of size and time. One per stream.
#[derive(Debug)]
pub(crate) struct Events {
    body: InboundBody,
    decoder: Decoder,
    ready: VecDeque<String>,
    idle: Duration,
}

/// With all that log probabilities of one token can hold.
const MAX_EVENT: usize = 256 << 10;

impl Events {
    pub(crate) fn new(body: InboundBody, idle: Duration) -> Self {
        Self { body, decoder: Decoder::new(MAX_EVENT), ready: VecDeque::new(), idle }
    }

    /// The next event; none at the end of the answer. Cancel-safe: what was read is kept.
    pub(crate) async fn next(&mut self) -> Result<Option<Piece>, UpstreamError> {
        loop {
            if let Some(data) = self.ready.pop_front() {
                return Piece::read(&data).map(Some);
            }
            let data = timeout(self.idle, self.body.next_data()).await.map_err(|_| UpstreamError::TimedOut)?;
            let Some(data) = data.map_err(|error| UpstreamError::from_egress(&error))? else { return Ok(None) };
            let pushed = self.decoder.push(&data, &mut self.ready);
            pushed.map_err(|_| UpstreamError::Answer("its stream is no stream of events"))?;
        }
    }

    /// Reads the end of the answer if it is already there, so that the connection is used again.
    pub(crate) fn read_end(&mut self) {
        let _ = self.body.next_data().now_or_never();
    }
}
