use crate::{ChatStream, Completion, CompletionEvent, ModelError, StreamEvent};

/// A plugin's streamed completion. Dropping it ends generation and bills what was delivered.
#[derive(Debug)]
pub struct CompletionStream {
    stream: ChatStream,
    /// What was delivered so far. No longer than a stream may be.
    content: String,
}

impl CompletionStream {
    pub(crate) fn new(stream: ChatStream) -> Self {
        Self { stream, content: String::new() }
    }

    /// The next event; none after the end or an error. Cancel-safe.
    pub async fn next(&mut self) -> Result<Option<CompletionEvent>, ModelError> {
        while let Some(event) = self.stream.next().await {
            match event? {
                StreamEvent::Delta { text, .. } if text.is_empty() => {}
                StreamEvent::Delta { text, .. } => {
                    self.content.push_str(&text);
                    return Ok(Some(CompletionEvent::Delta(text)));
                }
                StreamEvent::Usage { .. } => {}
                StreamEvent::Done(finish) => {
                    let (content, model) = (std::mem::take(&mut self.content), self.stream.model().to_owned());
                    let used = self.stream.used();
                    return Ok(Some(CompletionEvent::Done(Completion { content, finish, model, used })));
                }
            }
        }
        Ok(None)
    }
}
