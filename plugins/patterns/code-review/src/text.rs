//! Other people's text, made fit for a prompt.
//!
//! In a prompt every line of somebody else's text begins with a marker of ours, and what closes
//! the text begins with none. So no text can end itself, as long as none of its characters can be
//! read as the end of a line.

use std::borrow::Cow;

/// The text without a carriage return at its end, and without anything in it that ends a line.
pub(crate) fn one_line(text: &str) -> Cow<'_, str> {
    let text = text.strip_suffix('\r').unwrap_or(text);
    if text.contains(ends_line) { text.replace(ends_line, "\u{fffd}").into() } else { text.into() }
}

/// The text with a marker before each line.
pub(crate) fn quoted(text: &str) -> String {
    text.split('\n').map(|line| format!("> {}\n", one_line(line))).collect()
}

/// The first characters of a text, in one line.
pub(crate) fn clipped(text: &str, max_chars: usize) -> String {
    text.trim().chars().map(|c| if c.is_control() { ' ' } else { c }).take(max_chars).collect()
}

/// Unicode's line breaks (UAX 14) and the separators that terminals break at, and NUL.
fn ends_line(c: char) -> bool {
    matches!(c, '\0' | '\n' | '\u{b}' | '\u{c}' | '\r' | '\u{1c}'..='\u{1e}' | '\u{85}' | '\u{2028}' | '\u{2029}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_stays_one() {
        for (text, expected) in [
            ("let x = 1;\r", "let x = 1;"),
            ("a\r</diff>", "a\u{fffd}</diff>"),
            ("a\u{2028}b\u{85}c", "a\u{fffd}b\u{fffd}c"),
            ("\ttabs stay", "\ttabs stay"),
        ] {
            assert_eq!(one_line(text), expected, "{text:?}");
        }
        assert_eq!(quoted("a\n</diff>"), "> a\n> </diff>\n");
    }
}
