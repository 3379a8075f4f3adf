use super::{Complaint, File};

/// Above this a file is split, or says why not.
const MAX_LINES: usize = 400;
/// A whole crate of so few lines says by itself what it is; the smallest plugin is one.
const SPEAKS_FOR_ITSELF: usize = 20;
const REASON: &str = "//! Long because: ";

/// What a file looks like from outside: its name, its header, its length.
pub(super) fn check(file: &File) -> Vec<Complaint> {
    let mut complaints = Vec::new();
    if file.path.ends_with(".wasm") || file.path.ends_with(".cwasm") {
        complaints.push(Complaint::new(file, 0, "nothing built is checked in: build it in `cargo xtask guests`"));
    }
    if !file.path.ends_with(".rs") {
        return complaints;
    }
    if file.path.ends_with("/mod.rs") {
        complaints.push(Complaint::new(file, 0, "use `name.rs` beside `name/`, never `mod.rs`"));
    }
    let n_lines = file.text.lines().count();
    if n_lines > MAX_LINES && !header(&file.text).any(|line| line.starts_with(REASON)) {
        let what = format!("{n_lines} lines: split above {MAX_LINES}, or say `{REASON}…` in the header");
        complaints.push(Complaint::new(file, n_lines, what));
    }
    let speaks_for_itself = is_crate_root(file) && n_lines <= SPEAKS_FOR_ITSELF;
    if header(&file.text).next().is_none() && !speaks_for_itself {
        complaints.extend(check_without_header(file));
    }
    complaints
}

/// A module root needs a header; any other file may let its first type or function speak.
fn check_without_header(file: &File) -> Option<Complaint> {
    if let Some(line) = module_line(file) {
        return Some(Complaint::new(file, line, "a module root starts with `//!`: what it is and what it does not do"));
    }
    if file.path.ends_with("/tests.rs") || file.path.contains("/tests/") {
        return None;
    }
    let line = undocumented_first_item(&file.text)?;
    Some(Complaint::new(file, line, "the first item of a file has a doc comment, or the file starts with `//!`"))
}

fn header(text: &str) -> impl Iterator<Item = &str> {
    text.lines().take_while(|line| line.starts_with("//!"))
}

fn is_crate_root(file: &File) -> bool {
    file.path.ends_with("src/lib.rs") || file.path.ends_with("src/main.rs")
}

/// Where a file declares modules beside its tests, or the line 1 of a crate's root.
fn module_line(file: &File) -> Option<usize> {
    if is_crate_root(file) {
        return Some(1);
    }
    let declares = |line: &str| {
        let line = line.strip_prefix("pub(crate) ").or_else(|| line.strip_prefix("pub ")).unwrap_or(line);
        line.strip_prefix("mod ").and_then(|name| name.strip_suffix(';')).is_some_and(|name| name != "tests")
    };
    file.text.lines().position(declares).map(|at| at + 1)
}

/// The line of the first type, trait or function, if nothing above it says what it is. Constants
/// stand before the types and are named for what they are; an impl's methods speak for it.
fn undocumented_first_item(text: &str) -> Option<usize> {
    const ITEMS: [&str; 7] = ["fn", "async", "struct", "enum", "trait", "type", "macro_rules!"];
    let mut is_documented = false;
    for (at, line) in text.lines().enumerate() {
        let mut words = line.split_ascii_whitespace().skip_while(|word| word.starts_with("pub"));
        if line.starts_with("///") || line.starts_with("#[test]") || line.starts_with("#[cfg(test)]") {
            is_documented = true;
        } else if words.next().is_some_and(|word| ITEMS.contains(&word)) && !line.starts_with(' ') {
            return (!is_documented).then_some(at + 1);
        } else if line.is_empty() {
            is_documented = false;
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn complaint(path: &str, text: &str) -> Option<(usize, String)> {
        check(&File::new(path, text)).pop().map(|c| (c.line, c.what))
    }

    #[test]
    fn accepts_what_the_style_asks_for() {
        for (path, text) in [
            ("host/a/src/lib.rs", "//! A room.\n\nmod b;\n"),
            (
                "host/a/src/b.rs",
                "use x::{\n    y,\n};\n\nconst N: u32 = 1;\n\n/// A thing.\n#[derive(Debug)]\npub struct B;\n",
            ),
            ("host/a/src/b.rs", "//! Two things.\n\nfn c() {}\n"),
            ("host/a/src/b.rs", "/// A thing.\nfn c() {}\n\n#[cfg(test)]\nmod tests;\n"),
            ("host/a/src/b/tests.rs", "use super::*;\n\nfn helper() {}\n"),
            ("host/a/src/b.rs", "impl A {\n    /// B.\n    fn b() {}\n}\n"),
            ("tests/guests/rust/smallest/src/lib.rs", "struct Smallest;\n"),
            ("README.md", "# Sophia\n"),
        ] {
            assert_eq!(complaint(path, text), None, "{path}: {text}");
        }
    }

    #[test]
    fn asks_for_headers() {
        let large_root = "pub fn a() {}\n".repeat(21);
        for (path, text, line) in [
            ("host/a/src/lib.rs", large_root.as_str(), 1),
            ("host/a/src/b.rs", "use x;\n\nmod c;\n", 3),
            ("host/a/src/b.rs", "pub(crate) mod c;\n", 1),
            ("host/a/src/b.rs", "use x;\n\npub struct B;\n", 3),
            ("host/a/src/b.rs", "/// Of the constant.\nconst N: u32 = 1;\n\nfn b() {}\n", 4),
        ] {
            assert_eq!(complaint(path, text).map(|c| c.0), Some(line), "{path}: {text}");
        }
    }

    #[test]
    fn asks_for_a_reason_to_be_long() {
        let long = |header: &str| format!("{header}\n{}", "\n".repeat(MAX_LINES));
        let path = "host/a/src/b.rs";
        assert!(complaint(path, &long("//! All of it.")).unwrap().1.contains("401 lines"));
        assert_eq!(complaint(path, &long("//! All.\n//!\n//! Long because: one table.")), None);
    }

    #[test]
    fn refuses_mod_rs_and_built_files() {
        assert!(complaint("host/a/src/b/mod.rs", "//! B.\n").unwrap().1.contains("mod.rs"));
        assert!(complaint("plugins/a/a.wasm", "").unwrap().1.contains("checked in"));
    }
}
