//! From bytes to the text that may be shown: whole characters only, and nothing of a stop string.

/// Puts characters together from tokens that may end inside one. One per answer.
#[derive(Debug, Default)]
pub(super) struct Characters {
    /// The begin of a character; at most three bytes.
    pending: Vec<u8>,
}

impl Characters {
    /// The whole characters so far. Bytes that are no UTF-8 become U+FFFD, as
    /// [`String::from_utf8_lossy`] has it.
    pub(super) fn push(&mut self, bytes: &[u8]) -> String {
        self.pending.extend_from_slice(bytes);
        let mut text = String::new();
        let pending = std::mem::take(&mut self.pending);
        let mut chunks = pending.utf8_chunks().peekable();
        while let Some(chunk) = chunks.next() {
            text.push_str(chunk.valid());
            let is_last = chunks.peek().is_none();
            match std::str::from_utf8(chunk.invalid()) {
                Ok(_) => {}
                Err(error) if is_last && error.error_len().is_none() => self.pending = chunk.invalid().to_vec(),
                Err(_) => text.push(char::REPLACEMENT_CHARACTER),
            }
        }
        text
    }

    /// What is left when no more bytes come.
    pub(super) fn finish(&mut self) -> String {
        String::from_utf8_lossy(&std::mem::take(&mut self.pending)).into_owned()
    }
}

/// Holds back what may be the begin of a stop string, wherever the tokens' borders lie. One per
/// answer.
#[derive(Debug)]
pub(super) struct StopFilter {
    stops: Vec<String>,
    held: String,
}

/// What a [`StopFilter`] lets through.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Passed {
    /// May be shown.
    pub(super) text: String,
    /// A stop string was met; the text ends before it.
    pub(super) is_stopped: bool,
}

impl StopFilter {
    /// For stop strings, none of which is empty.
    pub(super) fn new(stops: Vec<String>) -> Self {
        Self { stops, held: String::new() }
    }

    /// Takes some text, returns what of it and of what was held is safe to show.
    pub(super) fn push(&mut self, text: &str) -> Passed {
        self.held.push_str(text);
        let met = self.stops.iter().filter_map(|stop| self.held.find(stop.as_str())).min();
        if let Some(start) = met {
            self.held.truncate(start);
            return Passed { text: std::mem::take(&mut self.held), is_stopped: true };
        }
        let rest = self.held.split_off(self.held.len() - self.held_back());
        Passed { text: std::mem::replace(&mut self.held, rest), is_stopped: false }
    }

    /// What was held when no more text comes.
    pub(super) fn finish(&mut self) -> String {
        std::mem::take(&mut self.held)
    }

    /// Bytes at the end that a stop string may begin with.
    fn held_back(&self) -> usize {
        let longest = |stop: &String| {
            let prefixes = stop.char_indices().map(|(length, _)| length).rev();
            prefixes.filter_map(|length| stop.get(..length)).find(|prefix| self.held.ends_with(prefix)).map(str::len)
        };
        self.stops.iter().filter_map(longest).max().unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn never_cuts_a_character() {
        let text = "aä€😀z";
        for size in 1..=5 {
            let mut characters = Characters::default();
            let mut shown: Vec<String> = text.as_bytes().chunks(size).map(|bytes| characters.push(bytes)).collect();
            shown.push(characters.finish());
            assert_eq!(shown.concat(), text, "{shown:?}");
        }
    }

    #[test]
    fn replaces_what_is_no_character_as_std_does() {
        for bytes in [&b"a\xffb"[..], b"\xf0\x9f", b"\xf0\x9fz", b"\xe2\x82\xe2\x82\xac", b"\xc3", b"\x80\x80"] {
            let mut characters = Characters::default();
            let mut text: String = bytes.iter().map(|byte| characters.push(&[*byte])).collect();
            text.push_str(&characters.finish());
            assert_eq!(text, String::from_utf8_lossy(bytes), "{bytes:?}");
        }
    }

    fn check(stops: &[&str], pieces: &[&str], expected: &[&str]) {
        let mut filter = StopFilter::new(stops.iter().map(|stop| (*stop).to_owned()).collect());
        let mut shown = Vec::new();
        for piece in pieces {
            let passed = filter.push(piece);
            shown.push(passed.text);
            if passed.is_stopped {
                shown.push("|".to_owned());
                break;
            }
        }
        shown.push(filter.finish());
        assert_eq!(shown, expected);
    }

    #[test]
    fn stops_across_borders() {
        check(&["END"], &["a", "bE", "N", "D", "c"], &["a", "b", "", "", "|", ""]);
        check(&["END"], &["aEN", "Ec"], &["a", "ENEc", ""]);
        check(&["END"], &["aEN"], &["a", "EN"]);
        check(&["\n\n", "."], &["one\n", "two. three"], &["one", "\ntwo", "|", ""]);
        check(&["aab"], &["aa", "ab"], &["", "a", "|", ""]);
        check(&["€!"], &["5€", "?"], &["5", "€?", ""]);
        check(&[], &["a", "b"], &["a", "b", ""]);
    }
}
