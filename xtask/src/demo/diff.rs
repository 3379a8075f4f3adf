use std::{path::Path, process::Command};

use anyhow::{Context, Result, ensure};

use crate::command::Run as _;

/// How a file's part of a diff begins.
const FILE: &str = "diff --git ";

/// Most bytes of a diff that are reviewed here: the demo is to end soon.
const MAX_BYTES: usize = 64 << 10;

/// The last commit of a checkout: what it says, and what it changed, whole files as far as they fit.
pub(super) fn last_commit(root: &Path) -> Result<(String, String)> {
    let git = |format: &str| {
        let mut command = Command::new("git");
        command.arg("-C").arg(root).args(["show", "--first-parent", "-m", "--no-color", "--no-ext-diff", format]);
        command
    };
    let title =
        git("--format=%s").arg("--no-patch").read().context("the demo reviews the last commit of a git checkout")?;
    let diff = git("--format=").read()?;
    ensure!(diff.contains(FILE), "the last commit changes no text");
    Ok((title.trim().to_owned(), bounded(&diff, MAX_BYTES).to_owned()))
}

/// As many whole files as fit; of a first one that does not, as many whole lines.
fn bounded(diff: &str, most: usize) -> &str {
    if diff.len() <= most {
        return diff;
    }
    let end = (0..=most).rev().find(|end| diff.is_char_boundary(*end)).unwrap_or_default();
    let head = diff.get(..end).unwrap_or_default();
    let files = head.rfind(&format!("\n{FILE}")).map(|at| at + 1);
    let lines = head.rfind('\n').map(|at| at + 1);
    files.or(lines).and_then(|end| head.get(..end)).unwrap_or(head)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cuts_between_files_and_else_between_lines() {
        let (one, two) = ("diff --git a/a b/a\n+a\n", "diff --git a/b b/b\n+b\n");
        let both = format!("{one}{two}");
        assert_eq!(bounded(&both, 1_000), both);
        assert_eq!(bounded(&both, both.len() - 1), one);
        assert_eq!(bounded(one, one.len() - 1), "diff --git a/a b/a\n");
        assert_eq!(bounded("ääää", 3), "ä");
    }
}
