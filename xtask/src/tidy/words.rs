use super::{Complaint, File};

/// A text that may not stand in a file, and what to do instead. Written in two parts, so that
/// this file does not hold what it looks for.
struct Banned {
    parts: [&'static str; 2],
    instead: &'static str,
    is_in_code_only: bool,
}

const fn code(parts: [&'static str; 2], instead: &'static str) -> Banned {
    Banned { parts, instead, is_in_code_only: true }
}

const fn anywhere(parts: [&'static str; 2], instead: &'static str) -> Banned {
    Banned { parts, instead, is_in_code_only: false }
}

const REGISTRY: &str = "no registry is named: take it from the machine's own settings";
const HOME: &str = "no path of somebody's machine: derive it";

const BANNED: [Banned; 15] = [
    code(["TO", "DO"], "do it, or open an issue"),
    code(["FIX", "ME"], "do it, or open an issue"),
    code(["dbg", "!("], "take it out"),
    code(["#[ig", "nore"], "a test runs or is deleted; what is slow belongs in `cargo xtask soak`"),
    anywhere(["index.crates", ".io"], REGISTRY),
    anywhere(["static.crates", ".io"], REGISTRY),
    anywhere(["registry.npm", "js.org"], "no registry is named: `npm install --omit-lockfile-registry-resolved`"),
    anywhere(["py", "pi.org"], REGISTRY),
    anywhere(["python", "hosted.org"], REGISTRY),
    anywhere(["deb.deb", "ian.org"], REGISTRY),
    anywhere(["static.rust", "-lang.org"], REGISTRY),
    anywhere(["proxy.gol", "ang.org"], REGISTRY),
    anywhere(["/ho", "me/"], HOME),
    anywhere(["/Us", "ers/"], HOME),
    anywhere(["/ro", "ot/"], HOME),
];

const CODE: [&str; 10] = [".rs", ".wit", ".toml", ".js", ".mjs", ".ts", ".py", ".sql", "Dockerfile", ".ci/run"];

/// Words that are never checked in.
pub(super) fn check(file: &File) -> Vec<Complaint> {
    let is_code = CODE.iter().any(|end| file.path.ends_with(end));
    let mut complaints = Vec::new();
    for banned in BANNED.iter().filter(|banned| is_code || !banned.is_in_code_only) {
        let word = banned.parts.concat();
        for (at, _) in file.text.lines().enumerate().filter(|(_, line)| line.contains(&word)) {
            complaints.push(Complaint::new(file, at + 1, format!("`{word}`: {}", banned.instead)));
        }
    }
    complaints
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_banned_word_turns_red_on_its_line() {
        for banned in &BANNED {
            let text = format!("fine\nx {} y\n", banned.parts.concat());
            let lines: Vec<_> = check(&File::new("host/a/src/b.rs", &text)).iter().map(|c| c.line).collect();
            assert_eq!(lines, [2], "{:?}", banned.parts);
        }
    }

    #[test]
    fn a_document_may_name_what_code_may_not_hold() {
        let [rule, ..] = &BANNED;
        assert!(check(&File::new("STYLE.md", &rule.parts.concat())).is_empty());
        let home = BANNED.iter().find(|banned| !banned.is_in_code_only).unwrap();
        assert_eq!(check(&File::new("README.md", &home.parts.concat())).len(), 1);
    }
}
