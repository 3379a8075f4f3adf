use super::*;

const HUBSPOT: &str = r#"
[plugin]
name = "hubspot"
version = "0.1.0"
world = "connector"
description = "Reads and writes a HubSpot portal."
licence = "Apache-2.0 OR MIT"

[egress]
allow = ["GET https://api.hubapi.com/crm/*", "POST https://api.hubapi.com/crm/v3/objects/*/search"]

[credentials.hubspot]
scope = ["https://api.hubapi.com/*"]
inject = { header = "authorization", template = "Bearer {secret}" }
auto = true

[signatures.webhook]
algorithms = ["hmac-sha256"]

[config]
keys = ["sync.*"]

[models]
classes = ["fast", "embed"]

[memory]
read = ["shared/*"]
write = ["sales/*"]

[connectors]
call = ["linear"]

[limits]
memory = "64MiB"
cpu = "500ms"
wall = "30s"
response = "8MiB"
reuse = 0

[rate.hubspot]
requests = "190/10s"
"#;

#[test]
fn reads_every_section() {
    let manifest = Manifest::parse(HUBSPOT).unwrap();
    assert_eq!(manifest.plugin.name.as_str(), "hubspot");
    assert_eq!(manifest.egress.allow.patterns().len(), 2);
    assert!(manifest.credentials["hubspot"].auto);
    assert_eq!(manifest.rate["hubspot"].requests.count, 190);
    let json = serde_json::to_string(&manifest).unwrap();
    assert_eq!(serde_json::from_str::<Manifest>(&json).unwrap(), manifest);
}

#[test]
fn names_the_line_and_the_field_that_are_wrong() {
    let minimal = "[plugin]\nname = \"x\"\nversion = \"1.0.0\"\nworld = \"endpoint\"\n";
    assert!(Manifest::parse(minimal).is_ok());
    for (added, line, part) in [
        ("colour = 1\n", 5, "unknown field `colour`"),
        ("[egress]\nallow = []\nalow = []\n", 7, "unknown field `alow`"),
        ("[filesystem]\n", 5, "unknown field `filesystem`"),
        ("[egress]\nallow = [\"GET ftp://a.example/\"]\n", 6, "scheme"),
        ("[limits]\nmemory = \"64\"\n", 6, "size"),
        ("[rate.x]\nrequests = \"fast\"\n", 6, "rate"),
        ("[config]\nkeys = [\"a b\"]\n", 6, "configuration key"),
        ("[endpoint]\naccess = \"world\"\n", 6, "unknown variant"),
        ("[credentials.x]\nscope = [\"https://a.example/*\"]\ninject = { cookie = \"x\" }\n", 7, ""),
        ("= broken", 5, ""),
    ] {
        match Manifest::parse(&format!("{minimal}{added}")) {
            Err(ManifestError::Unreadable { line: at, message }) => {
                assert_eq!(at, line, "{added}: {message}");
                assert!(message.contains(part), "{added}: {message}");
            }
            other => panic!("{added}: {other:?}"),
        }
    }
}

#[test]
fn refuses_asks_that_make_no_sense() {
    let minimal = "[plugin]\nname = \"x\"\nversion = \"1.0.0\"\nworld = \"connector\"\n";
    let inject = "inject = { bearer = true }";
    let credential = format!("[credentials.a]\nscope = [\"https://a.example/*\"]\n{inject}\n");
    for (added, expected) in [
        (format!("[credentials.a]\nscope = []\n{inject}"), ManifestError::EmptyScope("a".into())),
        (format!("{credential}[signatures.a]\nalgorithms = [\"hmac-sha256\"]"), ManifestError::NamedTwice("a".into())),
        ("[signatures.a]\nalgorithms = []".into(), ManifestError::NoAlgorithms("a".into())),
        ("[rate.a]\nrequests = \"1/1s\"".into(), ManifestError::RateOfNothing("a".into())),
        ("[signatures.\"a b\"]\nalgorithms = []".into(), ManifestError::Key("a b".into())),
        ("[endpoint]\naccess = \"public\"".into(), ManifestError::NotAnEndpoint(World::Connector)),
    ] {
        assert_eq!(Manifest::parse(&format!("{minimal}{added}")), Err(expected), "{added}");
    }
    let many: String = (0..33).map(|n| format!("[signatures.s{n}]\nalgorithms = [\"hmac-sha256\"]\n")).collect();
    assert_eq!(Manifest::parse(&format!("{minimal}{many}")), Err(ManifestError::TooManyKeys(33)));
    assert_eq!(Manifest::parse(&"#".repeat(MAX_MANIFEST_BYTES + 1)), Err(ManifestError::TooLarge));
}
