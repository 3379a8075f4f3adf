//! What of a diff is not put to the reviewers, and why. Everything that is left out is listed.
//!
//! Only a file's name decides. What a diff says of itself (`@generated`) is not believed: whoever
//! wants to hide a line would write it there.

use serde::Serialize;

use crate::diff::FileDiff;

/// Files that tools write from others that are reviewed.
const LOCK_FILES: [&str; 16] = [
    "Cargo.lock",
    "Gemfile.lock",
    "Pipfile.lock",
    "bun.lock",
    "bun.lockb",
    "composer.lock",
    "flake.lock",
    "go.sum",
    "go.work.sum",
    "mix.lock",
    "npm-shrinkwrap.json",
    "package-lock.json",
    "pnpm-lock.yaml",
    "poetry.lock",
    "uv.lock",
    "yarn.lock",
];

const GENERATED_SUFFIXES: [&str; 10] = [
    ".min.js",
    ".min.css",
    ".js.map",
    ".css.map",
    ".pb.go",
    "_pb2.py",
    "_pb2_grpc.py",
    ".g.dart",
    ".designer.cs",
    ".snap",
];

/// Folders whose content is somebody else's, or made by a tool.
const FOREIGN_FOLDERS: [&str; 3] = ["node_modules", "vendor", "third_party"];

/// A file, or a part of one, that nobody reviewed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Skipped {
    pub(crate) file: String,
    pub(crate) reason: Reason,
    /// Lines of the diff that were left out.
    pub(crate) lines: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Reason {
    Binary,
    LockFile,
    Generated,
    Foreign,
    /// Only its name or its mode changed, or it is empty.
    NoLines,
    /// A line alone is more than the token budget.
    LineTooLong,
    /// The review has as many chunks as it may have.
    TooManyChunks,
    /// The budget was used up before.
    NotReached,
}

/// Why a file is not reviewed at all, if so.
pub(crate) fn reason(file: &FileDiff<'_>) -> Option<Reason> {
    let path = file.path();
    let name = path.rsplit('/').next().unwrap_or(path);
    if file.is_binary {
        Some(Reason::Binary)
    } else if file.hunks.is_empty() {
        Some(Reason::NoLines)
    } else if LOCK_FILES.contains(&name) {
        Some(Reason::LockFile)
    } else if GENERATED_SUFFIXES.iter().any(|suffix| name.ends_with(suffix)) {
        Some(Reason::Generated)
    } else if path.split('/').rev().skip(1).any(|folder| FOREIGN_FOLDERS.contains(&folder)) {
        Some(Reason::Foreign)
    } else {
        None
    }
}

impl Skipped {
    /// A file of which nothing is reviewed.
    pub(crate) fn whole(file: &FileDiff<'_>, reason: Reason) -> Self {
        let lines = file.hunks.iter().map(|hunk| hunk.lines.len()).sum();
        Self { file: file.path().to_owned(), reason, lines }
    }
}

impl Reason {
    /// Whether a review should have seen it: then the review is not whole.
    pub(crate) const fn is_gap(self) -> bool {
        matches!(self, Self::LineTooLong | Self::TooManyChunks | Self::NotReached)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diff;

    #[test]
    fn a_name_decides_what_is_reviewed() {
        for (path, expected) in [
            ("src/lib.rs", None),
            ("Cargo.lock", Some(Reason::LockFile)),
            ("web/package-lock.json", Some(Reason::LockFile)),
            ("src/lock.rs", None),
            ("docs/Cargo.lock.md", None),
            ("dist/app.min.js", Some(Reason::Generated)),
            ("api/v1.pb.go", Some(Reason::Generated)),
            ("vendor/x/y.go", Some(Reason::Foreign)),
            ("a/node_modules/b/c.js", Some(Reason::Foreign)),
            // A folder's name, not a file's.
            ("src/vendor", None),
        ] {
            let text = format!("--- a/{path}\n+++ b/{path}\n@@ -1 +1 @@\n-a // @generated\n+b\n");
            let files = diff::parse(&text).unwrap();
            assert_eq!(reason(&files[0]), expected, "{path}");
        }
    }

    #[test]
    fn what_has_no_lines_is_skipped() {
        let mode = "diff --git a/x.sh b/x.sh\nold mode 100644\nnew mode 100755\n";
        let binary = "diff --git a/x.png b/x.png\nindex 1..2 100644\nBinary files a/x.png and b/x.png differ\n";
        for (text, expected) in [(mode, Reason::NoLines), (binary, Reason::Binary)] {
            let files = diff::parse(text).unwrap();
            let reason = reason(&files[0]).unwrap();
            assert_eq!(
                Skipped::whole(&files[0], reason),
                Skipped { file: files[0].path().into(), reason: expected, lines: 0 }
            );
        }
    }
}
