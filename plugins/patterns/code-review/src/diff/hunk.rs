//! One hunk: a header that says how many lines follow, and these lines.

use super::{Hunk, Line, Malformed, Side, reader::Reader};

/// Lines of one side: where they begin, and how many are still to come.
struct Span {
    at: u32,
    left: u32,
}

/// Reads on from `@@`.
pub(super) fn read<'a>(reader: &mut Reader<'a>) -> Result<Hunk<'a>, Malformed> {
    let wrong = reader.malformed("a hunk's header is `@@ -line,count +line,count @@`");
    let (mut old, mut new, section) = reader.take_after("@@ -").and_then(header).ok_or(wrong)?;
    let mut lines: Vec<Line<'a>> = Vec::new();
    while old.left > 0 || new.left > 0 {
        let line = reader.peek().ok_or_else(|| reader.malformed("the hunk ends before its last line"))?;
        if line.starts_with('\\') {
            mark_unended(reader, &mut lines)?;
            continue;
        }
        let (side, text) =
            split_marker(line).ok_or_else(|| reader.malformed("a hunk's line begins with +, - or a space"))?;
        let (in_old, in_new) = (side != Side::Added, side != Side::Removed);
        if (in_old && old.left == 0) || (in_new && new.left == 0) {
            return Err(reader.malformed("the hunk has other lines than its header says"));
        }
        lines.push(Line { side, text, old: old.at, new: new.at, is_unended: false });
        old.advance(in_old);
        new.advance(in_new);
        reader.skip();
    }
    while reader.peek().is_some_and(|line| line.starts_with('\\')) {
        mark_unended(reader, &mut lines)?;
    }
    if lines.is_empty() { Err(reader.malformed("the hunk is empty")) } else { Ok(Hunk { section, lines }) }
}

/// `\ No newline at end of file` speaks of the line before it.
fn mark_unended(reader: &mut Reader<'_>, lines: &mut [Line<'_>]) -> Result<(), Malformed> {
    let Some(last) = lines.last_mut() else { return Err(reader.malformed("there is no line that could lack its end")) };
    last.is_unended = true;
    reader.skip();
    Ok(())
}

/// Mail loses the space of an empty unchanged line, so that one is read too.
fn split_marker(line: &str) -> Option<(Side, &str)> {
    if line.is_empty() {
        return Some((Side::Both, line));
    }
    [Side::Both, Side::Removed, Side::Added]
        .into_iter()
        .find_map(|side| line.strip_prefix(side.marker()).map(|text| (side, text)))
}

/// `1,2 +3,4 @@ section`
fn header(text: &str) -> Option<(Span, Span, &str)> {
    let (spans, section) = text.split_once(" @@")?;
    let (old, new) = spans.split_once(" +")?;
    Some((span(old)?, span(new)?, section.trim()))
}

/// A count of one is left out.
fn span(text: &str) -> Option<Span> {
    let (at, left) = text.split_once(',').unwrap_or((text, "1"));
    let span = Span { at: number(at)?, left: number(left)? };
    span.at.checked_add(span.left)?;
    Some(span)
}

/// Digits only: `parse` would take a sign.
fn number(text: &str) -> Option<u32> {
    if text.bytes().all(|b| b.is_ascii_digit()) { text.parse().ok() } else { None }
}

impl Span {
    fn advance(&mut self, is_here: bool) {
        if is_here {
            self.at += 1;
            self.left -= 1;
        }
    }
}
