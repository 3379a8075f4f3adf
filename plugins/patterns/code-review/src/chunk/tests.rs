use std::collections::BTreeMap;

use super::*;
use crate::diff;

/// A small generator of numbers that are always the same (Knuth's MMIX).
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % bound
    }
}

/// A diff of a few files with hunks of all sizes; every line's text is its own.
fn random_diff(numbers: &mut Numbers) -> String {
    let mut text = String::new();
    for file in 0..=numbers.below(6) {
        text.push_str(&format!("--- a/src/file-{file}.rs\n+++ b/src/file-{file}.rs\n"));
        let mut at = 1;
        for hunk in 0..=numbers.below(5) {
            let mut lines = String::new();
            let (mut n_old, mut n_new) = (0, 0);
            for line in 0..=numbers.below(60) {
                let (marker, old, new) = [(' ', 1, 1), ('+', 0, 1), ('-', 1, 0)][numbers.below(3)];
                (n_old, n_new) = (n_old + old, n_new + new);
                let longest = if numbers.below(40) == 0 { 900 } else { 90 };
                let filling = ["x", "ä", "\u{2028}"][numbers.below(3)].repeat(numbers.below(longest));
                lines.push_str(&format!("{marker}{file}.{hunk}.{line} {filling}\n"));
                if numbers.below(30) == 0 {
                    lines.push_str("\\ No newline at end of file\n");
                }
            }
            text.push_str(&format!("@@ -{at},{n_old} +{at},{n_new} @@ fn f{hunk}()\n{lines}"));
            at += 100;
        }
    }
    text
}

#[test]
fn every_line_is_in_one_chunk_or_left_out() {
    let mut numbers = Numbers(7);
    for round in 0..300 {
        let text = random_diff(&mut numbers);
        let budget = 200 + numbers.below(1_500);
        let files = diff::parse(&text).unwrap();
        let plan = split(&files, budget);
        let mut seen: BTreeMap<(&str, u32, u32, &str), usize> = BTreeMap::new();
        for chunk in &plan.chunks {
            assert!(chunk.tokens() <= budget, "round {round}: {} tokens of {budget}", chunk.tokens());
            assert!(weight(&chunk.to_string()) <= chunk.weight, "round {round}: the text weighs more than was counted");
            for piece in &chunk.pieces {
                assert!(!piece.lines.is_empty());
                piece
                    .lines
                    .iter()
                    .for_each(|line| *seen.entry((piece.path, line.old, line.new, line.text)).or_default() += 1);
            }
        }
        assert!(seen.values().all(|n| *n == 1), "round {round}: a line is in two chunks");
        let n_lines: usize = files.iter().flat_map(|file| &file.hunks).map(|hunk| hunk.lines.len()).sum();
        let n_left_out: usize = plan.skipped.iter().map(|skipped| skipped.lines).sum();
        assert_eq!(seen.len() + n_left_out, n_lines, "round {round}");
    }
}

#[test]
fn every_chunk_is_a_diff_with_true_line_numbers() {
    let mut numbers = Numbers(11);
    for round in 0..100 {
        let text = random_diff(&mut numbers).replace('\u{2028}', "y");
        let files = diff::parse(&text).unwrap();
        for chunk in split(&files, 400).chunks {
            // The names of files become those of a diff, and it is read again.
            let again: String = chunk
                .to_string()
                .lines()
                .map(|line| match line.strip_prefix("file: ") {
                    Some(path) => format!("--- a/{path}\n+++ b/{path}\n"),
                    None => format!("{line}\n"),
                })
                .collect();
            let again = diff::parse(&again).unwrap_or_else(|error| panic!("round {round}: {error}\n{again}"));
            let expected: Vec<_> = chunk.pieces.iter().flat_map(|piece| piece.lines).collect();
            let found: Vec<_> = again.iter().flat_map(|file| &file.hunks).flat_map(|hunk| &hunk.lines).collect();
            assert_eq!(found, expected, "round {round}");
        }
    }
}

#[test]
fn what_belongs_together_stays_together() {
    let file = |name: &str, n_lines: usize| {
        let lines: String = (0..n_lines).map(|n| format!("+{n:050}\n")).collect();
        format!("--- a/{name}\n+++ b/{name}\n@@ -0,0 +1,{n_lines} @@\n{lines}@@ -90,0 +191 @@\n+tail\n")
    };
    let text = file("a", 5) + &file("b", 5) + &file("c", 11) + &file("d", 1);
    let files = diff::parse(&text).unwrap();
    let shape = |budget| {
        let plan = split(&files, budget);
        let shape =
            |chunk: &Chunk<'_>| chunk.pieces.iter().map(|piece| (piece.path.to_owned(), piece.lines.len())).collect();
        plan.chunks.iter().map(shape).collect::<Vec<Vec<(String, usize)>>>()
    };
    let piece = |path: &str, n_lines| (path.to_owned(), n_lines);
    // 370 tokens hold a file, also the large one, but not two.
    let whole = [vec![piece("a", 5), piece("a", 1)], vec![piece("b", 5), piece("b", 1)]];
    let large = [vec![piece("c", 11), piece("c", 1)], vec![piece("d", 1), piece("d", 1)]];
    assert_eq!(shape(370), [whole.clone(), large].concat());
    // 300 tokens do not hold the large hunk: it is split.
    let split = [vec![piece("c", 10)], vec![piece("c", 1), piece("c", 1), piece("d", 1), piece("d", 1)]];
    assert_eq!(shape(300)[..2], whole);
    assert_eq!(shape(300)[2..], split);
    assert_eq!(shape(10_000).len(), 1);
}

#[test]
fn a_part_of_a_hunk_keeps_its_header() {
    let lines: String = (1..=40).map(|n| format!("-old {n:030}\n+new {n:030}\n")).collect();
    let text = format!("--- a/n\n+++ b/n\n@@ -101,40 +201,40 @@ impl Long\n{lines}");
    let files = diff::parse(&text).unwrap();
    let plan = split(&files, 500);
    assert!(plan.chunks.len() > 2);
    for chunk in &plan.chunks {
        let text = chunk.to_string();
        let mut lines = text.lines();
        assert_eq!(lines.next(), Some("file: n"));
        let header = lines.next().unwrap();
        let first = lines.next().unwrap();
        let n: u32 = first.rsplit(' ').next().unwrap().parse().unwrap();
        let expected = if first.starts_with('-') { format!("@@ -{},", 100 + n) } else { format!(" +{},", 200 + n) };
        assert!(header.contains(&expected), "{header} {first}");
        assert!(header.ends_with("@@ impl Long"), "{header}");
    }
}

#[test]
fn what_is_too_large_is_left_out_and_listed() {
    let long = "x".repeat(500);
    let text = format!("--- a/n\n+++ b/n\n@@ -1 +1,3 @@\n-a\n+b\n+{long}\n+c\n");
    let files = diff::parse(&text).unwrap();
    let plan = split(&files, 200);
    let texts: Vec<&str> =
        plan.chunks.iter().flat_map(|chunk| &chunk.pieces).flat_map(|p| p.lines).map(|l| l.text).collect();
    assert_eq!(texts, ["a", "b", "c"]);
    assert_eq!(plan.skipped, [Skipped { file: "n".into(), reason: Reason::LineTooLong, lines: 1 }]);
}
