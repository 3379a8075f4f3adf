//! A git diff, read into files, hunks and lines.
//!
//! What is read: `diff --git` with its extended headers, renames, modes, binary files, quoted
//! paths, and plain `---`/`+++` pairs; prose before a diff and between the diffs of commits (`git
//! log -p`, `git format-patch`). A merge's combined diff has two old sides and is refused. The
//! format: <https://git-scm.com/docs/diff-format>.

mod file;
mod hunk;
mod path;
mod reader;

use std::fmt;

use reader::Reader;

/// What a diff touches. More files are a migration, which nobody reviews line by line.
const MAX_FILES: usize = 2_000;

/// What happened to one file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct FileDiff<'a> {
    /// None where the file is new.
    pub(crate) old_path: Option<String>,
    /// None where the file is gone.
    pub(crate) new_path: Option<String>,
    /// The file's mode before and after, where the diff names both.
    pub(crate) modes: Option<(&'a str, &'a str)>,
    pub(crate) is_binary: bool,
    pub(crate) hunks: Vec<Hunk<'a>>,
}

/// Lines that stand together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Hunk<'a> {
    /// What git writes behind the header: the function that the lines are in.
    pub(crate) section: &'a str,
    pub(crate) lines: Vec<Line<'a>>,
}

/// One line of a hunk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Line<'a> {
    pub(crate) side: Side,
    /// Without the marker and the line's end.
    pub(crate) text: &'a str,
    /// Where the old file stands at this line, counted from 1.
    pub(crate) old: u32,
    /// Where the new file stands at this line, counted from 1.
    pub(crate) new: u32,
    /// Whether the file ends here without a newline.
    pub(crate) is_unended: bool,
}

/// In which of both files a line is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Side {
    Both,
    Removed,
    Added,
}

/// Why text is no diff, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Malformed {
    /// Counted from 1.
    pub(crate) line: usize,
    pub(crate) why: &'static str,
}

/// Reads a diff. Text without a single file is malformed too.
pub(crate) fn parse(text: &str) -> Result<Vec<FileDiff<'_>>, Malformed> {
    let mut reader = Reader::new(text);
    let mut files = Vec::new();
    let mut is_prose = true;
    while let Some(line) = reader.peek() {
        if line.starts_with("diff --cc ") || line.starts_with("diff --combined ") {
            return Err(reader.malformed("a merge's combined diff: make it against one parent"));
        }
        if line.starts_with("diff --git ") {
            files.push(file::read(&mut reader)?);
            is_prose = false;
        } else if reader.is_at_plain_file() {
            files.push(file::read_plain(&mut reader)?);
            is_prose = false;
        } else if is_prose || line.trim_end().is_empty() {
            reader.skip();
        } else if begins_prose(line) {
            is_prose = true;
        } else {
            return Err(reader.malformed("neither a file nor a hunk begins here"));
        }
    }
    match files.len() {
        0 => Err(reader.malformed("there is no file in the diff")),
        n if n > MAX_FILES => Err(reader.malformed("the diff touches more than 2000 files")),
        _ => Ok(files),
    }
}

/// What stands between the diffs of two commits, or behind a mailed patch.
fn begins_prose(line: &str) -> bool {
    let is_commit = |rest: &str| rest.get(..40).is_some_and(|id| id.bytes().all(|b| b.is_ascii_hexdigit()));
    line.trim_end() == "--"
        || line.strip_prefix("commit ").is_some_and(is_commit)
        || line.strip_prefix("From ").is_some_and(is_commit)
}

impl FileDiff<'_> {
    /// What a person calls the file.
    pub(crate) fn path(&self) -> &str {
        self.new_path.as_deref().or(self.old_path.as_deref()).unwrap_or_default()
    }
}

impl Line<'_> {
    /// The line's number in the file that it is in: the new one, unless it was removed.
    pub(crate) fn number(&self) -> u32 {
        match self.side {
            Side::Removed => self.old,
            Side::Both | Side::Added => self.new,
        }
    }
}

impl Side {
    /// What the line begins with.
    pub(crate) const fn marker(self) -> char {
        match self {
            Self::Both => ' ',
            Self::Removed => '-',
            Self::Added => '+',
        }
    }
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {} of the diff: {}", self.line, self.why)
    }
}

#[cfg(test)]
mod tests;
