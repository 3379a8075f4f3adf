use super::*;

fn manifest(sections: &str) -> Manifest {
    let about = "[plugin]\nname = \"x\"\nversion = \"1.0.0\"\nworld = \"endpoint\"\n";
    Manifest::parse(&format!("{about}{sections}")).unwrap()
}

fn egress(patterns: &[&str]) -> Manifest {
    manifest(&format!("[egress]\nallow = {patterns:?}"))
}

fn grants(granted: &[&str], declined: &[&str]) -> Grants {
    let row = |decision| move |ask: &&str| GrantRow { ask: (*ask).to_owned(), decision };
    let declined = declined.iter().map(row(Decision::Declined));
    Grants::from_rows(granted.iter().map(row(Decision::Granted)).chain(declined).collect())
}

fn texts(manifest: &Manifest) -> Vec<String> {
    manifest.asks().iter().map(Ask::to_string).collect()
}

#[test]
fn every_section_becomes_a_line() {
    let manifest = manifest(
        r#"
        [egress]
        allow = ["GET https://api.hubapi.com/crm/*"]
        [credentials.hubspot]
        scope = ["https://api.hubapi.com/*"]
        inject = { header = "authorization", template = "Bearer {secret}" }
        auto = true
        [credentials.key]
        scope = ["GET https://a.example/x", "https://b.example/*"]
        inject = { query = "api_key" }
        [signatures.webhook]
        algorithms = ["hmac-sha256"]
        [config]
        keys = ["sync.*"]
        [models]
        classes = ["fast"]
        [memory]
        read = ["shared/*"]
        write = ["sales/*"]
        [connectors]
        call = ["linear"]
        [limits]
        cpu = "1s"
        [endpoint]
        access = "public"
        "#,
    );
    assert_eq!(
        texts(&manifest),
        [
            "egress GET https://api.hubapi.com/crm/*",
            "credential hubspot https://api.hubapi.com/* header authorization auto",
            "credential key GET https://a.example/x, https://b.example/* query api_key",
            "verify webhook hmac-sha256",
            "config sync.*",
            "models fast",
            "memory read shared/*",
            "memory write sales/*",
            "connectors linear",
            "access public",
        ]
    );
}

#[test]
fn another_template_is_another_ask() {
    let with = |template: &str| {
        let inject = format!("inject = {{ header = \"authorization\", template = \"{template}\" }}");
        texts(&manifest(&format!("[credentials.a]\nscope = [\"https://a.example/*\"]\n{inject}")))
    };
    assert_ne!(with("Bearer {secret}"), with("Token {secret}"));
}

#[test]
fn asks_for_nothing_unless_told() {
    let silent = manifest("");
    assert!(texts(&silent).is_empty());
    assert!(Grants::default().settle(&silent));
}

#[test]
fn a_granted_pattern_decides_narrower_asks_and_no_others() {
    for (granted, declined, ask, expected) in [
        (&[][..], &[][..], "GET https://a.example/x", None),
        (&["egress GET https://a.example/x"], &[], "GET https://a.example/x", Some(Decision::Granted)),
        (&["egress https://a.example/*"], &[], "GET https://a.example/x/*", Some(Decision::Granted)),
        (&["egress GET https://a.example/*"], &[], "POST https://a.example/x", None),
        (&["egress GET https://a.example/x"], &[], "GET https://a.example/*", None),
        (&["egress https://a.example/*"], &[], "https://b.example/", None),
        (&["credential a https://a.example/* bearer"], &[], "https://a.example/", None),
        (&[], &["egress https://a.example/*"], "GET https://a.example/x", None),
        (
            &["egress https://a.example/*"],
            &["egress GET https://a.example/x"],
            "GET https://a.example/x",
            Some(Decision::Declined),
        ),
    ] {
        let manifest = egress(&[ask]);
        let asks = manifest.asks();
        assert_eq!(grants(granted, declined).decision(&asks[0]), expected, "{granted:?} {declined:?} {ask}");
    }
}

#[test]
fn a_version_is_pending_while_an_ask_is_undecided() {
    let (a, b) = ("GET https://a.example/", "GET https://b.example/");
    let (granted_a, granted_b) = (format!("egress {a}"), format!("egress {b}"));
    let version = egress(&[a, b]);
    for (grants, settled) in [
        (grants(&[], &[]), false),
        (grants(&[&granted_a], &[]), false),
        (grants(&[&granted_a], &[&granted_b]), true),
        (grants(&[], &[&granted_a, &granted_b]), true),
        (grants(&[&granted_a, &granted_b], &[]), true),
    ] {
        assert_eq!(grants.settle(&version), settled, "{grants:?}");
    }
}

#[test]
fn shows_what_changes() {
    let (a, b, c) = ("GET https://a.example/", "GET https://b.example/", "GET https://c.example/");
    let diff = grants(&[&format!("egress {b}")], &[&format!("egress {a}")])
        .diff(&egress(&[a, b, c]), Some(&egress(&[b, "GET https://old.example/"])));
    assert_eq!(diff.asks.len(), 3);
    assert_eq!(diff.ungranted, [format!("egress {a}"), format!("egress {c}")]);
    assert_eq!(diff.undecided, [format!("egress {c}")]);
    assert_eq!(diff.added, [format!("egress {a}"), format!("egress {c}")]);
    assert_eq!(diff.removed, ["egress GET https://old.example/"]);
    let first = Grants::default().diff(&egress(&[a]), None);
    assert_eq!((first.added, first.removed), (vec![format!("egress {a}")], vec![]));
}

#[test]
fn decides_all_or_only_what_is_named() {
    let (a, b) = ("GET https://a.example/", "GET https://b.example/");
    let version = egress(&[a, b]);
    let all = decide(&version, None).unwrap();
    assert!(all.iter().all(|row| row.decision == Decision::Granted) && all.len() == 2);
    let only = decide(&version, Some(&[format!("egress {b}")])).unwrap();
    assert_eq!(only.iter().map(|row| row.decision).collect::<Vec<_>>(), [Decision::Declined, Decision::Granted]);
    assert!(decide(&version, Some(&[])).unwrap().iter().all(|row| row.decision == Decision::Declined));
    assert_eq!(decide(&version, Some(&["egress x".into()])), Err("egress x".into()));
}
