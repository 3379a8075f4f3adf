//! Reading server-sent events (WHATWG HTML 9.2.6), as far as model APIs use them: the data of each
//! event. `event`, `id` and `retry` are skipped, since no model API says anything in them that it
//! does not say in the data.
//!
//! Own, because the kept crates (`eventsource-stream`, `sse-stream`) hold an event of any size.

use std::collections::VecDeque;

use memchr::memchr2;

/// Turns bytes into events, wherever they are cut. One per answer.
#[derive(Debug)]
pub(crate) struct Decoder {
    /// The line that has begun.
    line: Vec<u8>,
    /// The data lines of the event that has begun, each with a line feed.
    data: Vec<u8>,
    max_event: usize,
    /// A carriage return ended the last line; a line feed right after it belongs to it.
    is_after_return: bool,
    is_first_line: bool,
}

/// Why events cannot be read on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum SseError {
    #[error("an event is larger than it may be")]
    TooLarge,
    #[error("an event is no UTF-8")]
    NotText,
}

const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

impl Decoder {
    /// `max_event` bounds an event with all its lines, in bytes.
    pub(crate) fn new(max_event: usize) -> Self {
        Self { line: Vec::new(), data: Vec::new(), max_event, is_after_return: false, is_first_line: true }
    }

    /// Reads on, and appends the events that are whole. What is left at the end of the answer is
    /// half an event, and none.
    pub(crate) fn push(&mut self, mut bytes: &[u8], events: &mut VecDeque<String>) -> Result<(), SseError> {
        if !bytes.is_empty() && std::mem::take(&mut self.is_after_return) {
            bytes = bytes.strip_prefix(b"\n").unwrap_or(bytes);
        }
        while let Some(at) = memchr2(b'\n', b'\r', bytes) {
            let (line, rest) = bytes.split_at(at);
            self.extend_line(line)?;
            self.end_line(events)?;
            bytes = match rest {
                [b'\r', b'\n', rest @ ..] | [_, rest @ ..] => rest,
                [] => &[],
            };
            self.is_after_return = rest == b"\r";
        }
        self.extend_line(bytes)
    }

    fn extend_line(&mut self, bytes: &[u8]) -> Result<(), SseError> {
        if self.line.len() + self.data.len() + bytes.len() > self.max_event {
            return Err(SseError::TooLarge);
        }
        self.line.extend_from_slice(bytes);
        Ok(())
    }

    fn end_line(&mut self, events: &mut VecDeque<String>) -> Result<(), SseError> {
        let line =
            if self.is_first_line { self.line.strip_prefix(BYTE_ORDER_MARK).unwrap_or(&self.line) } else { &self.line };
        self.is_first_line = false;
        if line.is_empty() {
            // Without its last line feed; an event without data is none.
            if self.data.pop().is_some() {
                let data = std::mem::take(&mut self.data);
                events.push_back(String::from_utf8(data).map_err(|_| SseError::NotText)?);
            }
        } else if let Some(value) = data_of(line) {
            self.data.extend_from_slice(value);
            self.data.push(b'\n');
        }
        self.line.clear();
        Ok(())
    }
}

/// The value of a data line; none of any other.
fn data_of(line: &[u8]) -> Option<&[u8]> {
    match line.strip_prefix(b"data")? {
        [b':', b' ', value @ ..] | [b':', value @ ..] => Some(value),
        [] => Some(&[]),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read<'a>(pieces: impl IntoIterator<Item = &'a [u8]>, max: usize) -> Result<Vec<String>, SseError> {
        let (mut decoder, mut events) = (Decoder::new(max), VecDeque::new());
        for piece in pieces {
            decoder.push(piece, &mut events)?;
        }
        Ok(events.into())
    }

    const STREAM: &str = "\u{feff}data: {\"a\":1}\n\n: a comment\ndata:two\r\ndata: lines\r\n\r\nevent: x\nid: 1\n\ndata\n\n\
                          data: é\r\rdatabase: no\ndata:  [DONE]\n\ndata: half";

    #[test]
    fn reads_the_same_events_wherever_the_bytes_are_cut() {
        let expected = ["{\"a\":1}", "two\nlines", "", "é", " [DONE]"];
        let bytes = STREAM.as_bytes();
        assert_eq!(read([bytes], 100).unwrap(), expected);
        assert_eq!(read(bytes.chunks(1), 100).unwrap(), expected);
        for first in 0..=bytes.len() {
            for second in first..=bytes.len() {
                let pieces = [&bytes[..first], &bytes[first..second], &bytes[second..]];
                assert_eq!(read(pieces, 100).unwrap(), expected, "cut at {first} and {second}");
            }
        }
    }

    #[test]
    fn an_event_has_a_largest_size_however_it_comes() {
        let long = format!("data: {}\n\ndata: x\n\n", "y".repeat(94));
        let lines = format!("{}\n", "data: 12345\n".repeat(15));
        for size in [1, 7, 1000] {
            assert_eq!(read(long.as_bytes().chunks(size), 100).unwrap().len(), 2);
            assert_eq!(read(long.as_bytes().chunks(size), 99), Err(SseError::TooLarge));
            assert_eq!(read(lines.as_bytes().chunks(size), 90), Err(SseError::TooLarge));
        }
        let endless = [b'x'; 101];
        assert_eq!(read([endless.as_slice()], 100), Err(SseError::TooLarge));
    }

    #[test]
    fn an_event_is_text() {
        assert_eq!(read([b"data: \xff\n\n".as_slice()], 100), Err(SseError::NotText));
    }
}
