//! Where a finding stands: only a quote can say.

use serde::Serialize;

use crate::{
    chunk::Chunk,
    diff::{Line, Side},
    text::one_line,
};

/// What the critic sees around a line, on each side.
const CONTEXT_LINES: usize = 2;
const MAX_CONTEXT_CHARS: usize = 160;

/// A line of the diff.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub(crate) struct Place {
    pub(crate) file: String,
    /// Which of both files the line number counts in.
    pub(crate) side: FileSide,
    /// Counted from 1, computed from the diff.
    pub(crate) line: u32,
    /// The line as it stands in the diff, without its marker.
    pub(crate) quote: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum FileSide {
    /// The line was removed.
    Old,
    New,
}

/// Why a quote names no place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unfounded {
    /// The file is not among those that were shown.
    NoSuchFile,
    /// The line does not stand in the file's part of the diff that was shown.
    NotInDiff,
    /// A line without a letter or a digit: it stands everywhere and shows nothing.
    Empty,
}

/// The line that a quote means. It must be a whole line that was shown, exactly, but for one
/// leading marker. Where it stands more than once, the one with the quote's own marker is meant,
/// then an added one, a removed one, an unchanged one, and then the first.
pub(crate) fn find(chunk: &Chunk<'_>, file: &str, quote: &str) -> Result<Place, Unfounded> {
    if !chunk.pieces.iter().any(|piece| piece.path == file) {
        return Err(Unfounded::NoSuchFile);
    }
    if !quote.chars().any(char::is_alphanumeric) {
        return Err(Unfounded::Empty);
    }
    let quote = quote.trim_end_matches(['\r', '\n']);
    let lines = chunk.pieces.iter().filter(|piece| piece.path == file).flat_map(|piece| piece.lines);
    let nearest = lines.filter_map(|line| Some((rank(line, quote)?, line))).min_by_key(|(rank, _)| *rank);
    let (_, line) = nearest.ok_or(Unfounded::NotInDiff)?;
    Ok(Place {
        file: file.to_owned(),
        side: if line.side == Side::Removed { FileSide::Old } else { FileSide::New },
        line: line.number(),
        quote: line.text.strip_suffix('\r').unwrap_or(line.text).to_owned(),
    })
}

/// The lines around a place, as the models saw them, each cut at a length that no code needs.
pub(crate) fn around(chunk: &Chunk<'_>, place: &Place) -> String {
    let is_it = |line: &Line<'_>| place.is(line);
    let pieces = chunk.pieces.iter().filter(|piece| piece.path == place.file);
    let found = pieces.filter_map(|piece| Some((piece.lines, piece.lines.iter().position(is_it)?))).next();
    let Some((lines, at)) = found else { return String::new() };
    let shown = lines.iter().skip(at.saturating_sub(CONTEXT_LINES)).take(at.min(CONTEXT_LINES) + 1 + CONTEXT_LINES);
    let texts: Vec<String> =
        shown.map(|line| line.to_string().trim_end().chars().take(MAX_CONTEXT_CHARS).collect()).collect();
    texts.join("\n")
}

impl Place {
    fn is(&self, line: &Line<'_>) -> bool {
        (line.side == Side::Removed) == (self.side == FileSide::Old)
            && line.number() == self.line
            && line.text.strip_suffix('\r').unwrap_or(line.text) == self.quote
    }
}

/// How well a line fits a quote, less is better; none where it does not.
fn rank(line: &Line<'_>, quote: &str) -> Option<(u8, u8)> {
    let text = one_line(line.text);
    let unmarked = quote.strip_prefix(['+', '-', ' ']);
    let fit = if unmarked == Some(&text) && quote.starts_with(line.side.marker()) {
        0
    } else if quote == text {
        1
    } else if unmarked == Some(&text) {
        2
    } else {
        return None;
    };
    Some((
        fit,
        match line.side {
            Side::Added => 0,
            Side::Removed => 1,
            Side::Both => 2,
        },
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{chunk, diff};

    const DIFF: &str = "\
--- a/src/a.rs
+++ b/src/a.rs
@@ -10,3 +20,5 @@ fn f() {
 let a = 1;
-let b = 2;
+let b = 3;
+let a = 1;
+let w = \"\u{2028}\";\r
 }
--- a/b.txt
+++ b/b.txt
@@ -1,2 +1,3 @@
 - point
++ plus
-- minus
+let b = 3;
";

    fn check(file: &str, quote: &str, expected: Result<(FileSide, u32, &str), Unfounded>) {
        let files = diff::parse(DIFF).unwrap();
        let plan = chunk::split(&files, 1_000);
        let found = find(&plan.chunks[0], file, quote);
        let found = found.as_ref().map(|place| (place.side, place.line, place.quote.as_str())).map_err(|error| *error);
        assert_eq!(found, expected, "{file} {quote:?}");
    }

    #[test]
    fn a_quote_names_a_line_of_the_diff() {
        use FileSide::{New, Old};
        check("src/a.rs", "let b = 3;", Ok((New, 21, "let b = 3;")));
        check("src/a.rs", "+let b = 3;", Ok((New, 21, "let b = 3;")));
        check("src/a.rs", "let b = 2;", Ok((Old, 11, "let b = 2;")));
        check("src/a.rs", "-let b = 2;\n", Ok((Old, 11, "let b = 2;")));
        check("b.txt", "let b = 3;", Ok((New, 3, "let b = 3;")));
    }

    #[test]
    fn an_ambiguous_quote_means_what_was_added() {
        use FileSide::{New, Old};
        check("src/a.rs", "let a = 1;", Ok((New, 22, "let a = 1;")));
        check("src/a.rs", " let a = 1;", Ok((New, 20, "let a = 1;")));
        // What looks like a marker can be the line's own.
        check("b.txt", "- point", Ok((New, 1, "- point")));
        check("b.txt", "+ plus", Ok((New, 2, "+ plus")));
        check("b.txt", "-- minus", Ok((Old, 2, "- minus")));
        // The marker is another one, and the line is there.
        check("src/a.rs", "-let b = 3;", Ok((New, 21, "let b = 3;")));
    }

    #[test]
    fn a_line_is_quoted_as_it_was_shown_and_reported_as_it_stands() {
        check("src/a.rs", "let w = \"\u{fffd}\";", Ok((FileSide::New, 23, "let w = \"\u{2028}\";")));
    }

    #[test]
    fn what_does_not_stand_in_the_diff_is_refused() {
        use Unfounded::{Empty, NoSuchFile, NotInDiff};
        for quote in
            ["let b = 4;", "let b", "let b = 3", "  let b = 3;", "++let b = 3;", "let a = 1;\nlet b = 2;", "f() {"]
        {
            check("src/a.rs", quote, Err(NotInDiff));
        }
        check("a.rs", "let b = 3;", Err(NoSuchFile));
        check("b/src/a.rs", "let b = 3;", Err(NoSuchFile));
        check("b.txt", "let a = 1;", Err(NotInDiff));
        for quote in ["", "+", " }", "}", "\n"] {
            check("src/a.rs", quote, Err(Empty));
        }
    }
}
