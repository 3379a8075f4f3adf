//! Counting a prompt where it will be read: vLLM's `POST /tokenize`.

use std::time::Duration;

use serde::{Deserialize, Serialize, Serializer, ser::SerializeMap};
use sophia_egress::Egress;

use crate::{
    Asker, ChatRequest,
    fleet::{PromptTokens, Served},
    wire::{self, Post},
};

/// Tokenizing takes milliseconds. What takes longer is a worker in trouble, and the bytes will do.
const TIMEOUT: Duration = Duration::from_secs(2);

/// The answer lists every token too, as a number of up to seven characters.
const MAX_RESPONSE: u64 = 16 << 20;

/// vLLM's `TokenizeChatRequest`; what is left out has the chat API's own default.
struct Body<'a> {
    model: &'a str,
    request: &'a ChatRequest,
}

#[derive(Deserialize)]
struct Answer {
    count: u64,
}

/// The prompt's tokens at this upstream: counted where it counts, and bounded by bytes where it
/// does not or cannot now.
pub(crate) async fn count(egress: &Egress, asker: &Asker, request: &ChatRequest, served: &Served) -> PromptTokens {
    let bound = request.prompt.tokens();
    let Some(url) = served.upstream.tokenizer_url() else { return PromptTokens::Bounded(bound) };
    match ask(egress, asker, request, served, url).await {
        // Nothing has more tokens than bytes, whatever is said.
        Some(count) if count <= bound => PromptTokens::Counted(count),
        _ => {
            tracing::warn!(candidate = served.id, "a tokenizer does not count: the prompt's bytes bound it");
            PromptTokens::Bounded(bound)
        }
    }
}

async fn ask(egress: &Egress, asker: &Asker, request: &ChatRequest, served: &Served, url: String) -> Option<u64> {
    let body = serde_json::to_vec(&Body { model: &served.model.id, request }).ok()?;
    let post = Post { url, body, timeout: TIMEOUT, max_response: MAX_RESPONSE };
    let answer = wire::send_whole(egress, asker, served, post).await.ok()?;
    serde_json::from_slice::<Answer>(&answer).ok().map(|answer| answer.count)
}

impl Serialize for Body<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("model", self.model)?;
        for (name, value) in self.request.prompt_fields() {
            map.serialize_entry(name, value)?;
        }
        map.end()
    }
}
