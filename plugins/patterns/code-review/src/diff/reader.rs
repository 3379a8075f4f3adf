use super::Malformed;

/// The lines of a diff, and which of them is next.
pub(super) struct Reader<'a> {
    lines: Vec<&'a str>,
    at: usize,
}

impl<'a> Reader<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        let text = text.strip_suffix('\n').unwrap_or(text);
        Self { lines: text.split('\n').collect(), at: 0 }
    }

    /// The next line, without its end.
    pub(super) fn peek(&self) -> Option<&'a str> {
        self.lines.get(self.at).copied()
    }

    pub(super) fn skip(&mut self) {
        self.at += 1;
    }

    pub(super) fn take(&mut self) -> Option<&'a str> {
        let line = self.peek();
        self.skip();
        line
    }

    /// The rest of the next line, taken, if it begins so. A carriage return at its end is no part
    /// of a header.
    pub(super) fn take_after(&mut self, prefix: &str) -> Option<&'a str> {
        let rest = self.peek()?.strip_prefix(prefix)?;
        self.skip();
        Some(rest.strip_suffix('\r').unwrap_or(rest))
    }

    /// Whether a file begins here that has no `diff --git`.
    pub(super) fn is_at_plain_file(&self) -> bool {
        let begins = |at: usize, prefix| self.lines.get(at).is_some_and(|line| line.starts_with(prefix));
        begins(self.at, "--- ") && begins(self.at + 1, "+++ ") && begins(self.at + 2, "@@ ")
    }

    /// Something is wrong with the next line, or with the end where there is none.
    pub(super) fn malformed(&self, why: &'static str) -> Malformed {
        Malformed { line: self.at.min(self.lines.len().saturating_sub(1)) + 1, why }
    }
}
