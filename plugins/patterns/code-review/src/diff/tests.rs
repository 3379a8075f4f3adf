use super::*;

fn one(text: &str) -> FileDiff<'_> {
    let files = parse(text).unwrap_or_else(|error| panic!("{error}\n{text}"));
    let [file] = files.as_slice() else { panic!("{files:?}") };
    file.clone()
}

#[test]
fn reads_hunks_with_the_numbers_of_both_files() {
    let file = one("\
diff --git a/src/a.rs b/src/a.rs
index 1..2 100644
--- a/src/a.rs
+++ b/src/a.rs
@@ -3,3 +3,4 @@ fn f() {
 same
-gone
+here
+more
 last
@@ -40 +41 @@
-x
\\ No newline at end of file
+y
");
    let lines: Vec<_> = file.hunks[0].lines.iter().map(|l| (l.side.marker(), l.number(), l.text)).collect();
    assert_eq!(lines, [(' ', 3, "same"), ('-', 4, "gone"), ('+', 4, "here"), ('+', 5, "more"), (' ', 6, "last")]);
    assert_eq!(file.hunks[0].section, "fn f() {");
    let unended: Vec<_> = file.hunks[1].lines.iter().map(|l| (l.text, l.number(), l.is_unended)).collect();
    assert_eq!(unended, [("x", 40, true), ("y", 41, false)]);
}

#[test]
fn reads_what_happens_to_files() {
    for (why, text, old, new) in [
        (
            "new",
            "diff --git a/n b/n\nnew file mode 100644\nindex 0..1\n--- /dev/null\n+++ b/n\n@@ -0,0 +1 @@\n+x\n",
            None,
            Some("n"),
        ),
        (
            "gone",
            "diff --git a/n b/n\ndeleted file mode 100644\n--- a/n\n+++ /dev/null\n@@ -1 +0,0 @@\n-x\n",
            Some("n"),
            None,
        ),
        ("new and empty", "diff --git a/n b/n\nnew file mode 100644\nindex 0..0\n", None, Some("n")),
        ("mode", "diff --git a/run me b/run me\nold mode 100644\nnew mode 100755\n", Some("run me"), Some("run me")),
        (
            "rename",
            "diff --git a/x y b/z\nsimilarity index 100%\nrename from x y\nrename to z\n",
            Some("x y"),
            Some("z"),
        ),
        (
            "rename and change",
            "diff --git a/o b/n\nsimilarity index 90%\nrename from o\nrename to n\n--- a/o\n+++ b/n\n@@ -1 +1 @@\n-a\n+b\n",
            Some("o"),
            Some("n"),
        ),
        (
            "binary",
            "diff --git a/i.png b/i.png\nindex 1..2\nBinary files a/i.png and b/i.png differ\n",
            Some("i.png"),
            Some("i.png"),
        ),
        (
            "binary patch",
            "diff --git a/i b/i\nindex 1..2\nGIT binary patch\nliteral 3\nKcmZ=x\n\nliteral 2\nKcmZ\n\n",
            Some("i"),
            Some("i"),
        ),
        ("a space in the name", "--- a/x y\t\n+++ b/x y\t\n@@ -1 +1 @@\n-a\n+b\n", Some("x y"), Some("x y")),
        (
            "times",
            "--- x.c\t2024-01-01 00:00:00\n+++ x.c\t2024-01-02 00:00:00\n@@ -1 +1 @@\n-a\n+b\n",
            Some("x.c"),
            Some("x.c"),
        ),
        (
            "CRLF headers",
            "diff --git a/n b/n\r\n--- a/n\r\n+++ b/n\r\n@@ -1 +1 @@\r\n-a\r\n+b\r\n",
            Some("n"),
            Some("n"),
        ),
        ("other prefixes", "--- i/n\n+++ w/n\n@@ -1 +1 @@\n-a\n+b\n", Some("n"), Some("n")),
        (
            "quoted",
            "diff --git \"a/\\303\\244\\\"\\t.txt\" \"b/\\303\\244\\\"\\t.txt\"\nold mode 1\nnew mode 2\n",
            Some("ä\"\t.txt"),
            Some("ä\"\t.txt"),
        ),
        ("no UTF-8", "--- \"a/\\377\"\n+++ \"b/\\377\"\n@@ -1 +1 @@\n-a\n+b\n", Some("\\377"), Some("\\377")),
    ] {
        let file = one(text);
        assert_eq!((file.old_path.as_deref(), file.new_path.as_deref()), (old, new), "{why}");
        assert_eq!(file.is_binary, why.starts_with("binary"), "{why}");
    }
    assert_eq!(one("diff --git a/s b/s\nold mode 100644\nnew mode 100755\n").modes, Some(("100644", "100755")));
}

#[test]
fn lines_may_look_like_headers() {
    let file = one("--- a/n\n+++ b/n\n@@ -1,3 +1,3 @@\n--- a/n\n-diff --git a/x b/x\n+++ b/n\n+@@ -1 +1 @@\n \n");
    let texts: Vec<&str> = file.hunks[0].lines.iter().map(|line| line.text).collect();
    assert_eq!(texts, ["-- a/n", "diff --git a/x b/x", "++ b/n", "@@ -1 +1 @@", ""]);
}

#[test]
fn mail_may_have_lost_the_space_of_an_empty_line() {
    let file = one("--- a/n\n+++ b/n\n@@ -1,2 +1,3 @@\n a\n\n+b\n");
    assert_eq!(file.hunks[0].lines[1], Line { side: Side::Both, text: "", old: 2, new: 2, is_unended: false });
}

#[test]
fn prose_between_diffs_is_passed_over() {
    let id = "0123456789abcdef0123456789abcdef01234567";
    let change =
        |name: &str| format!("diff --git a/{name} b/{name}\n--- a/{name}\n+++ b/{name}\n@@ -1 +1 @@\n-a\n+b\n");
    let log = format!(
        "commit {id}\nAuthor: x\n\n    words\n\n{}\ncommit {id}\n\n    --- more\n\n{}",
        change("a"),
        change("b")
    );
    let mail = format!(
        "From {id} Mon\nSubject: x\n---\n a | 2 +-\n\n{}-- \n2.43.0\n\nFrom {id} Mon\n\n{}-- \n2.43.0\n\n",
        change("a"),
        change("b")
    );
    for text in [log, mail] {
        let files = parse(&text).unwrap();
        assert_eq!(files.iter().map(FileDiff::path).collect::<Vec<_>>(), ["a", "b"], "{text}");
    }
}

#[test]
fn says_where_a_diff_is_malformed() {
    let head = "--- a/n\n+++ b/n\n";
    for (text, line, why) in [
        (String::new(), 1, "there is no file"),
        ("words\nand more\n".into(), 2, "there is no file"),
        (format!("{head}@@ -1 +1 @@\n-a\n"), 4, "ends before its last line"),
        (format!("{head}@@ -1 +1 @@\n-a\n+b\n+c\n"), 6, "neither a file nor a hunk"),
        (format!("{head}@@ -1,2 +1 @@\n-a\n+b\n+c\n"), 6, "other lines than its header says"),
        (format!("{head}@@ -1,2 +1 @@\n-a\n*b\n"), 5, "begins with +, - or a space"),
        (format!("{head}@@ -1,2 +1 @@\n\\ No newline\n"), 4, "no line that could lack its end"),
        (format!("{head}@@ -0,0 +0,0 @@\n"), 3, "the hunk is empty"),
        (format!("{head}@@ -1,4294967295 +1 @@\n-a\n"), 3, "a hunk's header is"),
        (format!("{head}@@ -1 1 @@\n-a\n"), 3, "a hunk's header is"),
        (format!("{head}@@ -+1 +1 @@\n-a\n"), 3, "a hunk's header is"),
        ("diff --git a/n b/n\n--- a/n\n@@ -1 +1 @@\n".into(), 3, "must name the file"),
        ("diff --git a/n b/n\n--- a/n\n+++ b/n\n".into(), 3, "a hunk must follow"),
        ("--- /dev/null\n+++ /dev/null\n@@ -1 +1 @@\n-a\n+b\n".into(), 3, "on neither side"),
        ("diff --git a/x b/y\nindex 1..2\n".into(), 1, "names cannot be read"),
        ("diff --git \"a/x b/y\n".into(), 1, "names cannot be read"),
        ("diff --git a/i b/i\nGIT binary patch\nzip 3\n".into(), 3, "`literal` or `delta`"),
        ("diff --cc n\nindex 1,2..3\n".into(), 1, "combined diff"),
    ] {
        let error = parse(&text).unwrap_err();
        assert_eq!(error.line, line, "{text}{error}");
        assert!(error.why.contains(why), "{text}{error}");
    }
}

#[test]
fn no_text_makes_it_panic() {
    let text = "diff --git a/ä b/ä\nold mode 1\n--- \"a/\\303\\244\"\n+++ b/ä\n@@ -1,2 +1,2 @@ f\n a\n-b\n+ü\n\\ No\n";
    for end in (0..=text.len()).filter(|end| text.is_char_boundary(*end)) {
        let _ = parse(&text[..end]);
        let _ = parse(&text[end..]);
        let _ = parse(&format!("{}\"{}", &text[..end], &text[end..]));
    }
}

#[test]
fn touches_so_many_files_and_no_more() {
    let file = "--- a/n\n+++ b/n\n@@ -1 +1 @@\n-a\n+b\n";
    assert_eq!(parse(&file.repeat(MAX_FILES)).unwrap().len(), MAX_FILES);
    let why = parse(&file.repeat(MAX_FILES + 1)).map(|files| files.len()).map_err(|error| error.why);
    assert_eq!(why, Err("the diff touches more than 2000 files"));
}
