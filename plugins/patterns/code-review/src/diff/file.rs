//! One file's part of a diff.

use super::{FileDiff, Malformed, hunk, path, reader::Reader};

/// Extended headers that say nothing which a review needs.
const UNREAD: [&str; 3] = ["similarity index ", "dissimilarity index ", "index "];

/// What extended headers say.
#[derive(Default)]
struct Headers<'a> {
    old_mode: Option<&'a str>,
    new_mode: Option<&'a str>,
    is_new: bool,
    is_gone: bool,
    renamed_from: Option<String>,
    renamed_to: Option<String>,
    is_binary: bool,
}

/// Reads on from `diff --git`.
pub(super) fn read<'a>(reader: &mut Reader<'a>) -> Result<FileDiff<'a>, Malformed> {
    let unnamed = reader.malformed("the file's names cannot be read");
    let both = reader.take_after("diff --git ").unwrap_or_default();
    let headers = headers(reader)?;
    if reader.peek().is_some_and(|line| line.starts_with("--- ")) {
        let file = read_plain(reader)?;
        return Ok(FileDiff { modes: headers.modes(), is_binary: headers.is_binary, ..file });
    }
    // Nothing but the headers: a mode, a rename, a binary or an empty file.
    let names = match (&headers.renamed_from, &headers.renamed_to) {
        (Some(from), Some(to)) => Some((from.clone(), to.clone())),
        _ => path::both(both),
    };
    let (old, new) = names.ok_or(unnamed)?;
    Ok(FileDiff {
        old_path: (!headers.is_new).then_some(old),
        new_path: (!headers.is_gone).then_some(new),
        modes: headers.modes(),
        is_binary: headers.is_binary,
        hunks: Vec::new(),
    })
}

/// Reads on from `---`.
pub(super) fn read_plain<'a>(reader: &mut Reader<'a>) -> Result<FileDiff<'a>, Malformed> {
    let old_path = read_side(reader, "--- ")?;
    let new_path = read_side(reader, "+++ ")?;
    if old_path.is_none() && new_path.is_none() {
        return Err(reader.malformed("a file is on neither side"));
    }
    let mut hunks = Vec::new();
    while reader.peek().is_some_and(|line| line.starts_with("@@")) {
        hunks.push(hunk::read(reader)?);
    }
    if hunks.is_empty() {
        return Err(reader.malformed("a hunk must follow the file's names"));
    }
    Ok(FileDiff { old_path, new_path, hunks, ..FileDiff::default() })
}

/// A name, or none for `/dev/null`.
fn read_side(reader: &mut Reader<'_>, prefix: &str) -> Result<Option<String>, Malformed> {
    let wrong = reader.malformed("`--- ` and `+++ ` must name the file");
    let Some(text) = reader.take_after(prefix) else { return Err(wrong) };
    match path::side(text).ok_or(wrong)? {
        name if name == "/dev/null" => Ok(None),
        name => Ok(Some(path::without_side(&name).to_owned())),
    }
}

fn headers<'a>(reader: &mut Reader<'a>) -> Result<Headers<'a>, Malformed> {
    let mut headers = Headers::default();
    while reader.peek().is_some() {
        if let Some(mode) = reader.take_after("old mode ") {
            headers.old_mode = Some(mode);
        } else if let Some(mode) = reader.take_after("new mode ") {
            headers.new_mode = Some(mode);
        } else if reader.take_after("new file mode ").is_some() {
            headers.is_new = true;
        } else if reader.take_after("deleted file mode ").is_some() {
            headers.is_gone = true;
        } else if let Some(name) = reader.take_after("rename from ").or_else(|| reader.take_after("copy from ")) {
            headers.renamed_from = path::side(name);
        } else if let Some(name) = reader.take_after("rename to ").or_else(|| reader.take_after("copy to ")) {
            headers.renamed_to = path::side(name);
        } else if reader.take_after("Binary files ").is_some() {
            headers.is_binary = true;
        } else if reader.take_after("GIT binary patch").is_some() {
            headers.is_binary = true;
            skip_binary(reader)?;
        } else if UNREAD.iter().all(|prefix| reader.take_after(prefix).is_none()) {
            break;
        }
    }
    Ok(headers)
}

/// Base85, in one block or two, each up to an empty line.
fn skip_binary(reader: &mut Reader<'_>) -> Result<(), Malformed> {
    let is_block = |line: &str| line.starts_with("literal ") || line.starts_with("delta ");
    if !reader.peek().is_some_and(is_block) {
        return Err(reader.malformed("a binary patch begins with `literal` or `delta`"));
    }
    while reader.peek().is_some_and(is_block) {
        while reader.take().is_some_and(|line| !line.trim_end().is_empty()) {}
    }
    Ok(())
}

impl<'a> Headers<'a> {
    fn modes(&self) -> Option<(&'a str, &'a str)> {
        self.old_mode.zip(self.new_mode)
    }
}
