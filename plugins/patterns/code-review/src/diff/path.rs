//! How git writes the names of files: as they are, or quoted as in C.

/// A name from `---`, `+++` or a rename. Behind a tab stands a time, or nothing where the name
/// has a space.
pub(super) fn side(text: &str) -> Option<String> {
    let name = match text.strip_prefix('"') {
        Some(quoted) => unquote(quoted)?.0,
        None => text.split_once('\t').map_or(text, |(name, _)| name).to_owned(),
    };
    (!name.is_empty()).then_some(name)
}

/// Both names of `diff --git`. Where they are not quoted, only equal ones can be told apart, and
/// git writes unequal ones elsewhere too.
pub(super) fn both(text: &str) -> Option<(String, String)> {
    let (old, new) = match text.strip_prefix('"') {
        Some(quoted) => {
            let (old, rest) = unquote(quoted)?;
            (old, side(rest.strip_prefix(' ')?)?)
        }
        None => match text.strip_suffix('"').and_then(|_| text.split_once(" \"")) {
            Some((old, quoted)) => (old.to_owned(), unquote(quoted)?.0),
            None => {
                let (old, new) = text.split_at_checked(text.len() / 2)?;
                (old.to_owned(), new.strip_prefix(' ')?.to_owned())
            }
        },
    };
    let (old, new) = (without_side(&old), without_side(&new));
    (!old.is_empty() && (old == new || text.contains('"'))).then(|| (old.to_owned(), new.to_owned()))
}

/// The name without git's `a/` or `b/`, or what `diff.mnemonicPrefix` writes in their place.
pub(super) fn without_side(name: &str) -> &str {
    match name.split_once('/') {
        Some(("a" | "b" | "c" | "i" | "o" | "w", rest)) if !rest.is_empty() => rest,
        _ => name,
    }
}

/// A quoted name, whose opening quote is taken already, and what stands behind it. Bytes that are
/// no UTF-8 stay quoted, so that different names stay different.
fn unquote(text: &str) -> Option<(String, &str)> {
    let mut bytes = Vec::new();
    let mut rest = text;
    loop {
        let end = rest.find(['"', '\\'])?;
        let (plain, tail) = rest.split_at_checked(end)?;
        bytes.extend_from_slice(plain.as_bytes());
        if let Some(tail) = tail.strip_prefix('"') {
            let quoted = text.get(..text.len() - tail.len() - 1)?;
            return Some((String::from_utf8(bytes).unwrap_or_else(|_| quoted.to_owned()), tail));
        }
        let (byte, tail) = escaped(tail.strip_prefix('\\')?)?;
        bytes.push(byte);
        rest = tail;
    }
}

/// The byte that is meant behind a backslash, and what follows it.
fn escaped(text: &str) -> Option<(u8, &str)> {
    let first = text.chars().next()?;
    let byte = match first {
        'a' => 7,
        'b' => 8,
        't' => b'\t',
        'n' => b'\n',
        'v' => 11,
        'f' => 12,
        'r' => b'\r',
        '"' | '\\' => u8::try_from(first).ok()?,
        '0'..='3' => {
            let octal = text.get(..3).filter(|octal| octal.bytes().all(|b| (b'0'..=b'7').contains(&b)))?;
            return Some((u8::from_str_radix(octal, 8).ok()?, text.get(3..)?));
        }
        _ => return None,
    };
    Some((byte, text.get(1..)?))
}
