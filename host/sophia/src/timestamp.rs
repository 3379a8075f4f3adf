//! The time on log and access lines, `2026-01-31T12:00:00.123Z`.
//!
//! Every request writes one, so the seconds are formatted once a second and thread.

use std::{
    cell::Cell,
    time::{SystemTime, UNIX_EPOCH},
};

/// `2026-01-31T12:00:00.123Z`
pub(crate) type Text = [u8; 24];

/// Which second, and its text.
type Cached = (u64, [u8; 19]);

thread_local! {
    static SECOND: Cell<Cached> = const { Cell::new((u64::MAX, *b"1970-01-01T00:00:00")) };
}

/// The time now.
pub(crate) fn now() -> Text {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let seconds = seconds_text(since.as_secs());
    let mut text = *b"0000-00-00T00:00:00.000Z";
    for (place, byte) in text.iter_mut().zip(seconds) {
        *place = byte;
    }
    let mut rest = since.subsec_millis();
    for place in text.iter_mut().skip(20).take(3).rev() {
        *place = b'0' + u8::try_from(rest % 10).unwrap_or(0);
        rest /= 10;
    }
    text
}

fn seconds_text(seconds: u64) -> [u8; 19] {
    let (cached, text) = SECOND.get();
    if cached == seconds {
        return text;
    }
    let written = i64::try_from(seconds).ok().and_then(|s| jiff::Timestamp::from_second(s).ok());
    let written = written.map(|at| at.to_string()).unwrap_or_default();
    let text = written.as_bytes().first_chunk().copied().unwrap_or(text);
    SECOND.set((seconds, text));
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_the_time_that_jiff_writes() {
        let before = jiff::Timestamp::now();
        let text = String::from_utf8(now().to_vec()).unwrap();
        let read: jiff::Timestamp = text.parse().unwrap();
        assert!(read.duration_since(before).abs() < jiff::SignedDuration::from_secs(1), "{text}");
        assert_eq!(seconds_text(0), *b"1970-01-01T00:00:00");
        assert_eq!(seconds_text(1_769_860_800), *b"2026-01-31T12:00:00");
    }
}
