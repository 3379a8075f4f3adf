use std::{path::Path, process::Command};

use anyhow::{Context, Result};

use crate::{command::Run as _, guests::apt};

/// How a file's part of a diff begins.
const FILE: &str = "diff --git ";

/// Most bytes of a diff that are reviewed here: the demo is to end soon.
const MAX_BYTES: usize = 64 << 10;

/// Commits that are looked at for one that changes text.
const MAX_COMMITS: u32 = 10;

/// The last commit of a checkout that changes text: what it says, and what it changed, whole files
/// as far as they fit. None where there is none.
pub(super) fn last_commit(root: &Path) -> Result<Option<(String, String)>> {
    if Command::new("git").arg("--version").run_quietly().is_err() {
        apt::install(&["git"]).context("there is no git, and the demo reviews the last commit")?;
    }
    for back in 0..MAX_COMMITS {
        // There is no such commit, or no repository.
        let Ok(title) = show(root, back, &["--format=%s", "--no-patch"]) else { break };
        let diff = show(root, back, &["--format="])?;
        if diff.contains(FILE) {
            return Ok(Some((title.trim().to_owned(), bounded(&diff, MAX_BYTES).to_owned())));
        }
    }
    Ok(None)
}

fn show(root: &Path, back: u32, args: &[&str]) -> Result<String> {
    let mut command = Command::new("git");
    // Whoever owns the checkout: nothing of it is executed here.
    command.args(["-c", "safe.directory=*", "-C"]).arg(root);
    command.args(["show", "--first-parent", "-m", "--no-color", "--no-ext-diff", "--no-textconv"]).args(args);
    command.arg(format!("HEAD~{back}")).read()
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
