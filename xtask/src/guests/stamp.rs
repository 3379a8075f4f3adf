use std::{fmt, fs, path::Path};

use clap::ValueEnum as _;

use super::toolchain::Kind;

/// What a guest was made of and by. Lies beside the tools, one file a guest; written when it is built.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Stamp {
    /// The fingerprint of its sources.
    pub(crate) sources: String,
    /// What built it, where that was Rust.
    pub(crate) toolchain: Option<Kind>,
}

impl Stamp {
    /// None where there is none; the guest is built then.
    pub(crate) fn read(path: &Path) -> Option<Self> {
        let text = fs::read_to_string(path).ok()?;
        let mut words = text.split_whitespace();
        let sources = words.next()?.to_owned();
        let toolchain = words.next().and_then(|word| Kind::from_str(word, false).ok());
        Some(Self { sources, toolchain })
    }

    /// Whether a guest with this stamp can stay: its sources are today's, and it was built by the
    /// toolchain that was asked for, where one was.
    pub(crate) fn serves(&self, today: &Self, wanted: Option<Kind>) -> bool {
        self.sources == today.sources && (wanted.is_none() || self.toolchain == wanted)
    }
}

impl fmt::Display for Stamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.sources)?;
        match self.toolchain.and_then(|kind| kind.to_possible_value()) {
            Some(kind) => write!(f, " {}", kind.get_name()),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stamp(toolchain: Option<Kind>) -> Stamp {
        Stamp { sources: "0123".to_owned(), toolchain }
    }

    #[test]
    fn is_read_as_it_was_written() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("hello");
        assert_eq!(Stamp::read(&path), None);
        for written in [stamp(None), stamp(Some(Kind::Rustup)), stamp(Some(Kind::Debian))] {
            fs::write(&path, written.to_string()).unwrap();
            assert_eq!(Stamp::read(&path), Some(written));
        }
    }

    #[test]
    fn a_guest_is_built_again_for_other_sources_or_another_toolchain() {
        let (today, built) = (stamp(None), stamp(Some(Kind::Rustup)));
        assert!(built.serves(&today, None));
        assert!(built.serves(&today, Some(Kind::Rustup)));
        assert!(!built.serves(&today, Some(Kind::Debian)));
        assert!(!stamp(None).serves(&today, Some(Kind::Rustup)));
        assert!(!built.serves(&Stamp { sources: "4567".to_owned(), toolchain: None }, None));
    }
}
