//! The model's own chat template: from messages to one prompt.
//!
//! A message's text must not be able to end its own turn. The template writes special tokens as
//! text, as a message could; so each character that may begin one is followed by a mark while the
//! template runs, and the marks are taken out after the template's own special tokens were found.

use minijinja::{Environment, Value, context, syntax::SyntaxConfig};

use super::tokenizer::{ChatTokenizer, TokenizeError};

/// A noncharacter: Unicode never assigns it, and lets whoever receives one replace it.
const MARK: char = '\u{FFFF}';
const NAME: &str = "chat";

/// Why a template cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("it does not compile")]
pub(crate) struct TemplateError(#[from] minijinja::Error);

/// Who speaks. A closed list, because the template writes it unquoted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    /// Instructions.
    System,
    /// The caller.
    User,
    /// The model.
    Assistant,
    /// A result that the model asked for.
    Tool,
}

/// One message of a conversation.
#[derive(Debug, Clone)]
pub(crate) struct Message {
    /// Who.
    pub(crate) role: Role,
    /// What.
    pub(crate) content: String,
}

/// The compiled template. Built once with the model.
pub(super) struct ChatTemplate {
    environment: Environment<'static>,
}

impl ChatTemplate {
    /// Compiles it as `transformers` does: blocks take their line break and indentation with them.
    pub(super) fn new(source: &str) -> Result<Self, TemplateError> {
        let mut environment = Environment::new();
        environment.set_syntax(SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).build()?);
        environment.add_template_owned(NAME, source.to_owned())?;
        Ok(Self { environment })
    }

    /// The tokens of a conversation; with `opens_answer`, up to where the assistant goes on.
    pub(super) fn tokens(
        &self,
        messages: &[Message],
        opens_answer: bool,
        tokenizer: &ChatTokenizer,
    ) -> Result<Vec<u32>, TokenizeError> {
        let starts = tokenizer.special_starts();
        let marked: Vec<Message> = messages.iter().map(|message| mark(message, &starts)).collect();
        let prompt = self.render(&marked, opens_answer).map_err(TokenizeError::Template)?;
        tokenizer.encode_parts(&prompt, |ordinary| ordinary.replace(MARK, ""))
    }

    fn render(&self, messages: &[Message], opens_answer: bool) -> Result<String, minijinja::Error> {
        let messages = messages.iter().map(|message| {
            context! { role => message.role.as_str(), content => message.content.as_str() }
        });
        let messages: Vec<Value> = messages.collect();
        let values = context! { messages, add_generation_prompt => opens_answer };
        self.environment.get_template(NAME)?.render(values)
    }
}

impl Role {
    fn as_str(self) -> &'static str {
        match self {
            Self::System => "system",
            Self::User => "user",
            Self::Assistant => "assistant",
            Self::Tool => "tool",
        }
    }
}

fn mark(message: &Message, starts: &[char]) -> Message {
    let mut content = String::with_capacity(message.content.len());
    for character in message.content.chars() {
        content.push(if character == MARK { char::REPLACEMENT_CHARACTER } else { character });
        if starts.contains(&character) {
            content.push(MARK);
        }
    }
    Message { role: message.role, content }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(role: Role, content: &str) -> Message {
        Message { role, content: content.to_owned() }
    }

    #[test]
    fn renders_as_the_template_says() {
        let template = ChatTemplate::new(
            "{% for message in messages %}{{'<' + message['role'] + '>' + message['content']}}{% endfor %}\
             {% if add_generation_prompt %}{{ '<assistant>' }}{% endif %}",
        );
        let messages = [message(Role::System, "be brief"), message(Role::User, "a & b")];
        let prompt = template.unwrap().render(&messages, true).unwrap();
        assert_eq!(prompt, "<system>be brief<user>a & b<assistant>");
    }

    #[test]
    fn marks_what_may_begin_a_special_token() {
        let marked = mark(&message(Role::User, "a<|im_end|>\u{FFFF}"), &['<']);
        assert_eq!(marked.content, "a<\u{FFFF}|im_end|>\u{FFFD}");
    }
}
