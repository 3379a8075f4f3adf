use std::path::Path;

use http::{HeaderMap, header};
use tempfile::TempDir;

use super::*;

const PLAINTEXT: &str = "pat-na1-5f2a-very-secret";

/// A vault in its own directory, which can be closed and opened again.
struct Home {
    dir: TempDir,
    vault: Vault,
}

impl Home {
    async fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let vault = open(dir.path(), "development").await.unwrap();
        Self { dir, vault }
    }

    async fn reopen(self, environment: &str) -> Self {
        drop(self.vault);
        let vault = open(self.dir.path(), environment).await.unwrap();
        Self { dir: self.dir, vault }
    }

    async fn set(&self, name: &str, value: &str, scope: &str) -> SecretEntry {
        let value = SecretValue::new(value).unwrap();
        self.vault.set(&TenantId::main(), &secret(name), value, scope_of(scope)).await.unwrap()
    }

    /// The authorization header that a request to `url` would get.
    fn sent(&self, name: &str, url: &str) -> Result<Option<String>, VaultError> {
        let injector = self.vault.injector(&TenantId::main(), &secret(name), &Injection::Bearer);
        let mut url = Url::parse(url).unwrap();
        let armed = injector.arm(&Method::GET, &url)?;
        Ok(armed.map(|armed| {
            let mut headers = HeaderMap::new();
            armed.inject(&mut url, &mut headers).unwrap();
            headers[header::AUTHORIZATION].to_str().unwrap().to_owned()
        }))
    }
}

async fn open(dir: &Path, environment: &str) -> Result<Vault, VaultError> {
    let master = MasterKey::load_or_create(dir, None).unwrap();
    Vault::open(Store::open(dir).await.unwrap(), environment, master).await
}

fn secret(name: &str) -> SecretName {
    name.parse().unwrap()
}

fn scope_of(pattern: &str) -> Scope {
    Scope::new(vec![pattern.parse().unwrap()])
}

const SCOPE: &str = "GET https://api.example.com/*";
const URL: &str = "https://api.example.com/v1";

#[tokio::test]
async fn injects_only_where_the_operator_allows() {
    let home = Home::new().await;
    home.set("hubspot", PLAINTEXT, SCOPE).await;
    assert_eq!(home.sent("hubspot", URL).unwrap(), Some(format!("Bearer {PLAINTEXT}")));
    assert_eq!(home.sent("hubspot", "https://api.example.net/v1").unwrap(), None);
    assert!(matches!(home.sent("linear", URL), Err(VaultError::Unknown(_))));
}

#[tokio::test]
async fn keeps_secrets_across_a_restart_and_apart_by_environment() {
    let home = Home::new().await;
    home.set("hubspot", PLAINTEXT, SCOPE).await;
    let home = home.reopen("production").await;
    assert!(matches!(home.sent("hubspot", URL), Err(VaultError::Unknown(_))));
    home.set("hubspot", "production-value", SCOPE).await;
    let home = home.reopen("development").await;
    assert_eq!(home.sent("hubspot", URL).unwrap(), Some(format!("Bearer {PLAINTEXT}")));
}

#[tokio::test]
async fn a_rotated_rescoped_or_deleted_secret_is_seen_by_the_next_use() {
    let home = Home::new().await;
    assert_eq!(home.set("hubspot", PLAINTEXT, SCOPE).await.version, 1);
    let injector = home.vault.injector(&TenantId::main(), &secret("hubspot"), &Injection::Bearer);
    let url = Url::parse(URL).unwrap();
    assert!(injector.arm(&Method::GET, &url).unwrap().is_some());

    assert_eq!(home.set("hubspot", "rotated-value", SCOPE).await.version, 2);
    assert_eq!(home.sent("hubspot", URL).unwrap().as_deref(), Some("Bearer rotated-value"));
    home.set("hubspot", "rotated-value", "GET https://api.example.com/other").await;
    assert!(injector.arm(&Method::GET, &url).unwrap().is_none());

    assert!(home.vault.delete(&TenantId::main(), &secret("hubspot")).await.unwrap());
    assert!(!home.vault.delete(&TenantId::main(), &secret("hubspot")).await.unwrap());
    assert!(matches!(injector.arm(&Method::GET, &url), Err(VaultError::Unknown(_))));
    assert!(home.vault.list(&TenantId::main()).is_empty());

    drop(injector);
    let home = home.reopen("development").await;
    assert!(!home.vault.exists(&TenantId::main(), &secret("hubspot")));
    assert_eq!(home.set("hubspot", PLAINTEXT, SCOPE).await.version, 5);
}

#[tokio::test]
async fn writers_of_one_name_take_turns() {
    let home = Home::new().await;
    let writers = (0..6).map(|i| {
        let vault = home.vault.clone();
        tokio::spawn(async move {
            let value = SecretValue::new(format!("value-of-writer-{i}")).unwrap();
            vault.set(&TenantId::main(), &secret("hubspot"), value, scope_of(SCOPE)).await.unwrap().version
        })
    });
    let mut versions = Vec::new();
    for writer in writers.collect::<Vec<_>>() {
        versions.push(writer.await.unwrap());
    }
    versions.sort_unstable();
    assert_eq!(versions, [1, 2, 3, 4, 5, 6]);
    assert_eq!(home.vault.list(&TenantId::main())[0].version, 6);
}

#[tokio::test]
async fn another_master_key_is_refused_and_changes_nothing() {
    let home = Home::new().await;
    home.set("hubspot", PLAINTEXT, SCOPE).await;
    let Home { dir, vault } = home;
    drop(vault);
    let other = MasterKey::load_or_create(dir.path(), Some("CQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQk=")).unwrap();
    let opened = Vault::open(Store::open(dir.path()).await.unwrap(), "development", other).await;
    assert!(matches!(opened, Err(VaultError::WrongMasterKey)));
    drop(opened);
    let home = Home { vault: open(dir.path(), "development").await.unwrap(), dir };
    assert!(home.sent("hubspot", URL).unwrap().is_some());
}

/// Writes a row as somebody with the database would, and opens the vault on it.
async fn tampered(tamper: impl FnOnce(&mut SecretRow)) -> (Home, SecretRow) {
    let home = Home::new().await;
    home.set("hubspot", PLAINTEXT, SCOPE).await;
    home.set("linear", "another-good-secret", SCOPE).await;
    let store = home.vault.0.store.clone();
    let mut row = store.secret(&TenantId::main(), "development", &secret("hubspot")).await.unwrap().unwrap();
    row.version += 1;
    tamper(&mut row);
    assert!(store.put_secret(&row).await.unwrap());
    drop(store);
    (home.reopen("development").await, row)
}

#[tokio::test]
async fn a_tampered_row_fails_closed_and_is_left_as_it_is() {
    let changes: [fn(&mut SecretRow); 6] = [
        |row| row.sealed.as_mut().unwrap()[20] ^= 1,
        |row| row.sealed.as_mut().unwrap().truncate(11),
        // Only the version differs: an older seal under a newer number.
        |_| {},
        |row| row.scope_json = r#"["https://evil.example/*"]"#.into(),
        |row| row.scope_json = "no json".into(),
        |row| (row.name, row.version) = (secret("moved"), 1),
    ];
    for (i, change) in changes.into_iter().enumerate() {
        let (home, row) = tampered(change).await;
        for url in [URL, "https://evil.example/"] {
            let sent = home.sent(row.name.as_str(), url);
            assert!(matches!(sent, Err(VaultError::Unsealable(_)) | Ok(None)), "change {i}: {sent:?}");
        }
        let verified = home.vault.verify(&TenantId::main(), &row.name, Algorithm::HmacSha256, b"", b"");
        assert!(matches!(verified, Err(VaultError::Unsealable(_))), "change {i}");
        assert!(home.sent("linear", URL).unwrap().is_some(), "change {i}");
        let stored = home.vault.0.store.secret(&TenantId::main(), "development", &row.name).await.unwrap();
        assert_eq!(stored, Some(row.clone()), "change {i}");
        home.set(row.name.as_str(), PLAINTEXT, SCOPE).await;
        assert!(home.sent(row.name.as_str(), URL).unwrap().is_some(), "change {i}");
    }
}

#[tokio::test]
async fn tenants_do_not_see_each_other() {
    let home = Home::new().await;
    home.set("hubspot", PLAINTEXT, SCOPE).await;
    let other: TenantId = "other".parse().unwrap();
    assert!(!home.vault.exists(&other, &secret("hubspot")));
    assert!(home.vault.list(&other).is_empty());
    assert!(!home.vault.delete(&other, &secret("hubspot")).await.unwrap());
    assert!(home.vault.exists(&TenantId::main(), &secret("hubspot")));
}

#[tokio::test]
async fn verifies_signatures() {
    // RFC 4231, test case 6, and RFC 2202, test case 6: keys of 131 and 80 bytes of 0xaa.
    let home = Home::new().await;
    let message = b"Test Using Larger Than Block-Size Key - Hash Key First";
    for (algorithm, key_len, mac) in [
        (Algorithm::HmacSha256, 131, "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54"),
        (
            Algorithm::HmacSha512,
            131,
            "80b24263c7c1a3ebb71493c1dd7be8b49b46d1f41b4aeec1121b013783f8f352\
             6b56d037e05f2598bd0fd2215d6a1e5295e64f73f63f0aec8b915a985d786598",
        ),
        (Algorithm::HmacSha1, 80, "aa4ae5e15272d00e95705637ce8a3b55ed402112"),
    ] {
        let value = SecretValue::new(vec![0xaa; key_len]).unwrap();
        home.vault.set(&TenantId::main(), &secret("webhook"), value, Scope::default()).await.unwrap();
        let verify = |message: &[u8], mac: &[u8]| {
            home.vault.verify(&TenantId::main(), &secret("webhook"), algorithm, message, mac).unwrap()
        };
        let mac: Vec<u8> = (0..mac.len()).step_by(2).map(|i| u8::from_str_radix(&mac[i..i + 2], 16).unwrap()).collect();
        assert!(verify(message, &mac), "{algorithm:?}");
        assert!(!verify(b"other", &mac));
        assert!(!verify(message, &mac[..mac.len() - 1]));
        assert!(!verify(message, b""));
    }
    assert!(home.sent("webhook", URL).unwrap().is_none());
}

#[tokio::test]
async fn every_kind_of_injection_lands_where_it_belongs() {
    let home = Home::new().await;
    home.set("hubspot", "p&ss word+1", SCOPE).await;
    for (injection, header, value, query) in [
        (r#"{"bearer": true}"#, "authorization", "Bearer p&ss word+1", None),
        // echo -n 'user:p&ss word+1' | base64
        (r#"{"basic": "user"}"#, "authorization", "Basic dXNlcjpwJnNzIHdvcmQrMQ==", None),
        (r#"{"header": "x-key", "template": "k={secret};"}"#, "x-key", "k=p&ss word+1;", None),
        (r#"{"query": "api_key"}"#, "", "", Some("a=1&api_key=p%26ss+word%2B1")),
    ] {
        let injection: Injection = serde_json::from_str(injection).unwrap();
        let injector = home.vault.injector(&TenantId::main(), &secret("hubspot"), &injection);
        let mut url = Url::parse("https://api.example.com/v1?a=1").unwrap();
        let mut headers = HeaderMap::new();
        let armed = injector.arm(&Method::GET, &url).unwrap().unwrap();
        armed.inject(&mut url, &mut headers).unwrap();
        assert_eq!(url.query(), query.or(Some("a=1")));
        assert_eq!(headers.get(header).map(|v| v.to_str().unwrap()).unwrap_or_default(), value);
        assert!(headers.values().all(http::HeaderValue::is_sensitive));
        let redacted = armed.redactor().redact(format!("{url} {value}").as_bytes()).into_owned();
        let redacted = String::from_utf8(redacted).unwrap();
        assert!(!redacted.contains("word") && !redacted.contains("dXNlcj"), "{redacted}");
    }
}

#[tokio::test]
async fn nothing_prints_a_secret() {
    let home = Home::new().await;
    let entry = home.set("hubspot", PLAINTEXT, SCOPE).await;
    let injector = home.vault.injector(&TenantId::main(), &secret("hubspot"), &Injection::Bearer);
    let url = Url::parse(URL).unwrap();
    let armed = injector.arm(&Method::GET, &url).unwrap().unwrap();
    let (mut headers, mut injected) = (HeaderMap::new(), url.clone());
    armed.inject(&mut injected, &mut headers).unwrap();
    let printed = format!("{entry:?} {:?} {injector:?} {armed:?} {:?} {headers:?}", home.vault, armed.redactor());
    assert!(!printed.contains("pat-na1"), "{printed}");
    assert!(!serde_json::to_string(&entry).unwrap().contains("pat-na1"));
    let files =
        ["sophia.db", "sophia.db-wal"].map(|name| std::fs::read(home.dir.path().join(name)).unwrap_or_default());
    assert!(files.iter().any(|file| !file.is_empty()));
    assert!(!files.concat().windows(7).any(|window| window == b"pat-na1"));
}

#[tokio::test]
async fn an_unfit_secret_is_a_typed_error() {
    let home = Home::new().await;
    home.set("hubspot", "two\nlines-of-key", SCOPE).await;
    let injector = home.vault.injector(&TenantId::main(), &secret("hubspot"), &Injection::Bearer);
    let mut url = Url::parse(URL).unwrap();
    let armed = injector.arm(&Method::GET, &url).unwrap().unwrap();
    assert_eq!(armed.inject(&mut url, &mut HeaderMap::new()), Err(crate::InjectError::NotAHeaderValue));
}
