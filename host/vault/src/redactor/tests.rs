use base64::{
    Engine,
    engine::general_purpose::{STANDARD, URL_SAFE},
};

use super::*;

const SECRET: &[u8] = b"pat-na1/S3cr+t?key=";

fn redactor() -> Redactor {
    for_secret(SECRET, Some(b"user:pat-na1/S3cr+t?key="))
}

/// The reflection, whole and cut at every place, must not hold any run of the secret.
fn check(reflection: &[u8], kept: &str) {
    let whole = redactor().redact(reflection).into_owned();
    assert_eq!(whole.len(), reflection.len());
    let shown = String::from_utf8_lossy(&whole).replace('*', "");
    assert_eq!(shown, kept, "{}", String::from_utf8_lossy(reflection));
    for first in 0..=reflection.len() {
        for second in [first, (first + 3).min(reflection.len()), reflection.len()] {
            let pieces = [&reflection[..first], &reflection[first..second], &reflection[second..]];
            assert_eq!(streamed(&pieces), whole, "cut at {first} and {second}");
        }
    }
    let single: Vec<_> = reflection.chunks(1).collect();
    assert_eq!(streamed(&single), whole);
}

fn streamed(pieces: &[&[u8]]) -> Vec<u8> {
    let mut stream = redactor().stream();
    let mut out = Vec::new();
    for piece in pieces {
        out.extend(stream.push(piece).unwrap_or_else(|| piece.to_vec()));
    }
    out.extend(stream.finish());
    out
}

#[test]
fn removes_every_form_however_it_is_cut() {
    let text = std::str::from_utf8(SECRET).unwrap();
    check(format!("a {text} b {text}").as_bytes(), "a  b ");
    check(format!("{text}{text}").as_bytes(), "");
    check(b"x pat-na1%2FS3cr%2Bt%3Fkey%3D y", "x  y");
    check(b"x pat-na1%2fS3cr%2bt%3fkey%3d y", "x  y");
    check(b"x pat-na1\\/S3cr+t?key= y", "x  y");
    check(b"x pat-na1/S3cr\\u002bt?key= y", "x  y");
    check(format!("({})", STANDARD.encode(text)).as_bytes(), "(==)");
    check(format!("({})", URL_SAFE.encode(text)).as_bytes(), "(==)");
    check(format!("Basic {}", STANDARD.encode(format!("user:{text}"))).as_bytes(), "Basic ");
}

#[test]
fn removes_base64_at_every_offset() {
    for before in 0..7 {
        for after in 0..4 {
            let inside = [&b"zzzzzzz"[..before], SECRET, &b"yyyy"[..after]].concat();
            for encoded in [STANDARD.encode(&inside), URL_SAFE.encode(&inside)] {
                let redacted = redactor().redact(encoded.as_bytes()).into_owned();
                let hidden = redacted.iter().filter(|b| **b == MASK).count();
                assert!(hidden >= SECRET.len() * 8 / 6 - 1, "{encoded}: {hidden}");
                assert_eq!(streamed(&encoded.as_bytes().chunks(2).collect::<Vec<_>>()), redacted);
            }
        }
    }
}

#[test]
fn leaves_everything_else_alone_and_at_once() {
    let mut stream = redactor().stream();
    for text in ["data: one\n\n", "pat-na2", "pat", "", "key="] {
        assert!(matches!(redactor().redact(text.as_bytes()), Cow::Borrowed(_)));
    }
    assert_eq!(stream.push(b"data: one\n\n"), None);
    assert_eq!(stream.push(b"data: pat").as_deref(), Some(&b"data: "[..]));
    assert_eq!(stream.held_back(), 3);
    assert_eq!(stream.push(b"ent\n").as_deref(), Some(&b"patent\n"[..]));
    assert_eq!(stream.finish(), b"");
}

#[test]
fn hides_a_match_whose_end_could_begin_another() {
    let redactor = for_secret(b"abcabcabc", None);
    let mut stream = redactor.stream();
    let mut out = stream.push(b"xabcabcabc").unwrap();
    out.extend(stream.push(b"yz").unwrap_or_else(|| b"yz".to_vec()));
    out.extend(stream.finish());
    assert_eq!(out, b"x*********yz");
}

#[test]
fn hides_a_match_inside_what_was_held_back() {
    // The digits that the secret decides are whole, the pair's last one is missing.
    let encoded = STANDARD.encode(b"user:pat-na1-secret-1");
    let cut = &encoded.as_bytes()[..encoded.len() - 1];
    let mut stream = for_secret(b"pat-na1-secret-", Some(b"user:pat-na1-secret-1")).stream();
    let mut out = stream.push(cut).unwrap();
    assert_eq!(stream.held_back(), cut.len());
    out.extend(stream.finish());
    assert_eq!(out.iter().filter(|b| **b == MASK).count(), 15 * 8 / 6 - 1, "{}", String::from_utf8_lossy(&out));
}

#[test]
fn sees_header_names_that_hold_a_secret() {
    let redactor = for_secret(b"Pat-NA1-Secret", None);
    assert!(redactor.is_in_ignoring_case("x-pat-na1-secret"));
    assert!(!redactor.is_in_ignoring_case("x-pat-na1"));
}

#[test]
fn the_empty_one_changes_nothing() {
    let mut stream = Redactor::default().stream();
    assert_eq!(stream.push(b"anything"), None);
    assert_eq!(stream.finish(), b"");
    assert!(Redactor::default().is_empty());
}
