//! The parts of a diff that one prompt can hold.
//!
//! Files stay together where they can, then hunks. A hunk that is too large is split between
//! lines, and each part says of which function and from which line on it is. Every line of every
//! hunk is in exactly one chunk, or in the list of what was left out.

use std::fmt::{self, Write};

use crate::{
    diff::{FileDiff, Hunk, Line, Side},
    skip::{self, Reason, Skipped},
    text::one_line,
    weight::{tokens, weight},
};

/// What a hunk's header weighs at most, without its section: four numbers of ten digits.
const HEADER_WEIGHT: usize = "@@ -,+, @@ \n".len() + 4 * 10;

/// Git cuts sections at 80 bytes; other tools do not.
const MAX_SECTION_CHARS: usize = 80;

const UNENDED: &str = "\\ No newline at end of file\n";

/// One prompt's part of a diff.
#[derive(Debug, Default)]
pub(crate) struct Chunk<'a> {
    pub(crate) pieces: Vec<Piece<'a>>,
    weight: usize,
}

/// A hunk, or a part of one.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Piece<'a> {
    pub(crate) path: &'a str,
    pub(crate) section: &'a str,
    pub(crate) lines: &'a [Line<'a>],
}

/// What is reviewed, in which parts, and what is not.
#[derive(Debug, Default)]
pub(crate) struct Plan<'a> {
    pub(crate) chunks: Vec<Chunk<'a>>,
    pub(crate) skipped: Vec<Skipped>,
}

struct Splitter<'a> {
    /// The most that a chunk weighs.
    budget: usize,
    plan: Plan<'a>,
    open: Chunk<'a>,
}

/// Splits a diff into chunks of at most so many tokens.
pub(crate) fn split<'a>(files: &'a [FileDiff<'a>], token_budget: usize) -> Plan<'a> {
    let budget = token_budget.saturating_mul(2);
    let mut splitter = Splitter { budget, plan: Plan::default(), open: Chunk::default() };
    for file in files {
        match skip::reason(file) {
            Some(reason) => splitter.plan.skipped.push(Skipped::whole(file, reason)),
            None => splitter.add_file(file),
        }
    }
    splitter.close();
    splitter.plan
}

impl<'a> Splitter<'a> {
    fn add_file(&mut self, file: &'a FileDiff<'a>) {
        let path = file.path();
        let whole: usize = file.hunks.iter().map(|hunk| Piece::of(path, hunk).weight()).sum();
        if self.open.weight + path_weight(path) + whole > self.budget && path_weight(path) + whole <= self.budget {
            self.close();
        }
        for hunk in &file.hunks {
            self.add_hunk(Piece::of(path, hunk));
        }
    }

    fn add_hunk(&mut self, hunk: Piece<'a>) {
        if hunk.weight() > self.room(hunk.path) {
            self.close();
        }
        let mut rest = hunk.lines;
        while let Some((_, others)) = rest.split_first() {
            let n_fitting = fitting(self.room(hunk.path), &hunk, rest);
            if let Some((part, tail)) = rest.split_at_checked(n_fitting).filter(|(part, _)| !part.is_empty()) {
                self.push(Piece { lines: part, ..hunk });
                rest = tail;
            } else if self.open.pieces.is_empty() {
                self.plan.note(hunk.path, Reason::LineTooLong, 1);
                rest = others;
            } else {
                self.close();
            }
        }
    }

    /// What a piece of this file may still weigh.
    fn room(&self, path: &str) -> usize {
        self.budget.saturating_sub(self.open.weight + self.naming(path))
    }

    /// What it weighs to name the file, where it is not the one that the chunk ends with.
    fn naming(&self, path: &str) -> usize {
        let is_named = self.open.pieces.last().is_some_and(|piece| piece.path == path);
        if is_named { 0 } else { path_weight(path) }
    }

    fn push(&mut self, piece: Piece<'a>) {
        self.open.weight += self.naming(piece.path) + piece.weight();
        self.open.pieces.push(piece);
    }

    fn close(&mut self) {
        if !self.open.pieces.is_empty() {
            self.plan.chunks.push(std::mem::take(&mut self.open));
        }
    }
}

/// How many of the lines fit.
fn fitting(room: usize, hunk: &Piece<'_>, lines: &[Line<'_>]) -> usize {
    let mut left = room.saturating_sub(hunk.header_weight());
    let mut n_fitting = 0;
    for line in lines {
        let Some(rest) = left.checked_sub(line_weight(line)) else { break };
        left = rest;
        n_fitting += 1;
    }
    n_fitting
}

fn path_weight(path: &str) -> usize {
    weight("file: \n") + weight(&one_line(path))
}

/// With its marker and its end.
fn line_weight(line: &Line<'_>) -> usize {
    weight(&one_line(line.text)) + 2 + if line.is_unended { weight(UNENDED) } else { 0 }
}

impl<'a> Plan<'a> {
    /// Keeps so many chunks. The lines of the others are not reviewed, for this reason.
    pub(crate) fn keep(&mut self, n_chunks: usize, reason: Reason) {
        for chunk in self.chunks.split_off(n_chunks.min(self.chunks.len())) {
            chunk.pieces.iter().for_each(|piece| self.note(piece.path, reason, piece.lines.len()));
        }
    }

    fn note(&mut self, file: &str, reason: Reason, lines: usize) {
        match self.skipped.iter_mut().rev().find(|skipped| skipped.file == file && skipped.reason == reason) {
            Some(skipped) => skipped.lines += lines,
            None => self.skipped.push(Skipped { file: file.to_owned(), reason, lines }),
        }
    }
}

impl<'a> Chunk<'a> {
    /// The most tokens that the text is.
    pub(crate) fn tokens(&self) -> usize {
        tokens(self.weight)
    }

    /// The files in it, each once, in order.
    pub(crate) fn files(&self) -> Vec<&'a str> {
        let mut files: Vec<&str> = Vec::new();
        for piece in &self.pieces {
            if !files.contains(&piece.path) {
                files.push(piece.path);
            }
        }
        files
    }
}

impl<'a> Piece<'a> {
    fn of(path: &'a str, hunk: &'a Hunk<'a>) -> Self {
        Self { path, section: hunk.section, lines: &hunk.lines }
    }

    fn weight(&self) -> usize {
        self.header_weight() + self.lines.iter().map(line_weight).sum::<usize>()
    }

    fn header_weight(&self) -> usize {
        HEADER_WEIGHT + weight(&self.shown_section())
    }

    fn shown_section(&self) -> String {
        one_line(self.section).chars().take(MAX_SECTION_CHARS).collect()
    }

    /// How many of the lines are in the old and in the new file.
    fn counts(&self) -> (usize, usize) {
        let count = |other| self.lines.iter().filter(|line| line.side != other).count();
        (count(Side::Added), count(Side::Removed))
    }
}

/// The prompt's text: files, hunks and lines as git writes them.
impl fmt::Display for Chunk<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut path = None;
        for piece in &self.pieces {
            if path.replace(piece.path) != Some(piece.path) {
                writeln!(f, "file: {}", one_line(piece.path))?;
            }
            write!(f, "{piece}")?;
        }
        Ok(())
    }
}

impl fmt::Display for Piece<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(first) = self.lines.first() else { return Ok(()) };
        let (n_old, n_new) = self.counts();
        writeln!(f, "@@ -{},{n_old} +{},{n_new} @@ {}", first.old, first.new, self.shown_section())?;
        self.lines.iter().try_for_each(|line| write!(f, "{line}"))
    }
}

/// A line as the models see it, with its marker and its end.
impl fmt::Display for Line<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_char(self.side.marker())?;
        writeln!(f, "{}", one_line(self.text))?;
        if self.is_unended { f.write_str(UNENDED) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests;
