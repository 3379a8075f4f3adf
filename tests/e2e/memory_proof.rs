//! The memory proof: a connector uses a secret for a whole session, and at every crossing between
//! guest and host, and just before each store is dropped, every byte of its memory is searched
//! for that secret. A decoy that the guest does hold shows that the search finds what is there.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, Mutex},
};

use async_trait::async_trait;
use base64::{Engine, engine::general_purpose::STANDARD};
use sophia_domain::{ByteSize, Limits, RequestId, Scope, SecretName, TenantId};
use sophia_egress::{Credential, Egress, EgressConfig, Rights};
use sophia_ledger::Ledger;
use sophia_models::{
    Asker, Candidate, Config as ModelsConfig, Decision, Models, Parts, Routing, RoutingFault, RoutingRequest,
};
use sophia_sandbox::{
    Call, Done, Inspector, LogLine, LogSink, Moment, Ports, Program, Sandbox, SandboxConfig, SecretNames, inspect,
};
use sophia_standins::hubspot::{Fault, HOST, HubSpot, Options};
use sophia_store::Store;
use sophia_vault::{Injection, MasterKey, SecretValue, Vault};

const SECRET: &str = "pat-na1-3f9c51d2-memory-proof";

/// Searches guest memory for words, each as it is and in base64 at all three alignments.
struct Search {
    forms: Vec<(&'static str, Vec<u8>)>,
    found: Mutex<HashMap<&'static str, usize>>,
    looks: Mutex<HashMap<Moment, usize>>,
}

impl Search {
    fn for_words(words: &[&'static str]) -> Self {
        let forms = words.iter().flat_map(|word| forms(word).into_iter().map(move |form| (*word, form))).collect();
        Self { forms, found: Mutex::default(), looks: Mutex::default() }
    }

    fn times_found(&self, word: &str) -> usize {
        self.found.lock().unwrap().get(word).copied().unwrap_or(0)
    }

    fn times_looked(&self, moment: Moment) -> usize {
        self.looks.lock().unwrap().get(&moment).copied().unwrap_or(0)
    }
}

impl Inspector for Search {
    fn look(&self, moment: Moment, memory: &[u8]) {
        *self.looks.lock().unwrap().entry(moment).or_default() += 1;
        for (word, form) in &self.forms {
            if contains(memory, form) {
                *self.found.lock().unwrap().entry(word).or_default() += 1;
            }
        }
    }
}

/// A word, and the part of its base64 that does not depend on what stands around it, for each of
/// the three places that it can have within a group of three bytes.
fn forms(word: &str) -> Vec<Vec<u8>> {
    let encoded = (0..3).map(|shift| {
        let text = STANDARD.encode([&vec![0; shift], word.as_bytes()].concat());
        text.as_bytes()[4 * usize::from(shift > 0)..text.len() - 4].to_vec()
    });
    std::iter::once(word.as_bytes().to_vec()).chain(encoded).collect()
}

/// Most of memory is zero, so places are found by the needle's first byte.
fn contains(memory: &[u8], needle: &[u8]) -> bool {
    let first = needle[0];
    memory.iter().enumerate().filter(|(_, byte)| **byte == first).any(|(at, _)| memory[at..].starts_with(needle))
}

struct NoLog;

impl LogSink for NoLog {
    fn line(&self, _: LogLine) {}
}

struct NoPolicy;

#[async_trait]
impl Routing for NoPolicy {
    async fn route(&self, _: &Asker, _: &RoutingRequest, _: &[Candidate]) -> Result<Option<Decision>, RoutingFault> {
        Ok(None)
    }
}

/// A node's rooms without its listener, with an engine whose guests can be looked into.
struct Bench {
    sandbox: Sandbox,
    vault: Vault,
    _data: tempfile::TempDir,
}

impl Bench {
    async fn with(search: Arc<Search>, egress: EgressConfig) -> Self {
        let data = tempfile::tempdir().unwrap();
        let store = Store::open(data.path()).await.unwrap();
        let master = MasterKey::load_or_create(data.path(), None).unwrap();
        let vault = Vault::open(store.clone(), "development", master).await.unwrap();
        let egress = Egress::new(egress).unwrap();
        let ledger = Ledger::open(store).await.unwrap();
        let parts = Parts { egress: egress.clone(), vault: &vault, ledger, policy: Arc::new(NoPolicy) };
        let models = Models::new(ModelsConfig::default(), parts);
        let ports = Ports { egress, vault: vault.clone(), models, log: Arc::new(NoLog) };
        let sandbox = Sandbox::new(SandboxConfig {
            compiler: sophia_tests::sophia(),
            aot_key: vault.derive("aot"),
            max_calls: 4,
            max_memory: ByteSize::mib(128),
            ports,
            inspector: Some(search),
        })
        .unwrap();
        Self { sandbox, vault, _data: data }
    }

    async fn load(&self, guest: &str) -> Program {
        let bytes = sophia_tests::guest(guest);
        let surface = inspect(&bytes).unwrap();
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), &bytes).unwrap();
        let aot = self.sandbox.compile(file.path(), surface.engine()).await.unwrap();
        self.sandbox.load(aot, &surface).await.unwrap()
    }
}

fn call(rights: Rights, config: &[(&str, &str)]) -> Call {
    let config: BTreeMap<String, String> = config.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
    Call {
        tenant: TenantId::main(),
        key: "proof".into(),
        plugin: "hubspot".parse().unwrap(),
        connection: Some("proof".parse().unwrap()),
        request_id: RequestId::from_bits(1),
        traceparent: None,
        // Looking at everything at every crossing takes the time that the limits would.
        limits: Limits { cpu: "5m".parse().unwrap(), wall: "10m".parse().unwrap(), ..Limits::default() },
        rights: Arc::new(rights),
        config: Arc::new(config),
        secrets: Arc::new(SecretNames::default()),
        classes: Arc::default(),
        run: None,
    }
}

fn scope(pattern: &str) -> Scope {
    Scope::new(vec![pattern.parse().unwrap()])
}

async fn rights(vault: &Vault) -> Rights {
    let (tenant, name) = (TenantId::main(), "hubspot-token".parse::<SecretName>().unwrap());
    let anywhere = || scope("https://api.hubapi.com/*");
    vault.set(&tenant, &name, SecretValue::new(SECRET).unwrap(), anywhere()).await.unwrap();
    let injector = vault.injector(&tenant, &name, &Injection::Bearer);
    let credential = Credential { name: "hubspot".into(), scope: anywhere(), auto: true, injector, rate: None };
    Rights { asked: anywhere(), granted: anywhere(), credentials: vec![credential] }
}

fn succeeded<T>(done: Done<T>) -> T {
    done.outcome.expect("no fault").expect("no error")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connector_never_holds_its_secret() {
    let portal = HubSpot::start(Options::for_token(SECRET)).await.unwrap();
    let search = Arc::new(Search::for_words(&[SECRET]));
    let egress = EgressConfig {
        connect_to: vec![(format!("{HOST}:443"), portal.address())],
        ca_pem: portal.authority_pem().as_bytes().to_vec(),
        named: Vec::new(),
    };
    let bench = Bench::with(search.clone(), egress).await;
    let hubspot = bench.load("hubspot").await;
    let rights = rights(&bench.vault).await;

    succeeded(hubspot.check(call(rights.clone(), &[])).await);
    let page = succeeded(hubspot.read(call(rights.clone(), &[]), "contacts", None, 100).await);
    assert!(!page.items.is_empty(), "the secret was used: the vendor answered");
    // A careless server sends the token back, in a header and in the body.
    portal.fail_next(Fault::ReflectAuthorization);
    let reflected = hubspot.read(call(rights, &[]), "contacts", None, 100).await;
    assert!(reflected.outcome.is_ok(), "{:?}", reflected.outcome);

    assert!(portal.seen().iter().all(|seen| seen.headers["authorization"] == format!("Bearer {SECRET}")));
    for moment in [Moment::HostCall, Moment::HostReturn, Moment::BeforeDrop] {
        assert!(search.times_looked(moment) >= 3, "{moment:?}: {}", search.times_looked(moment));
    }
    assert_eq!(search.times_found(SECRET), 0, "the secret was in guest memory");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_search_finds_what_a_guest_does_hold() {
    const PLAIN: &str = "decoy-plain-7f41c09e-in-memory";
    const ENCODED: &str = "decoy-base64-55aa10fe-in-memory";
    const ABSENT: &str = "decoy-absent-90c2b7d3-in-memory";
    for prefix in ["", "x", "xy"] {
        let search = Arc::new(Search::for_words(&[PLAIN, ENCODED, ABSENT]));
        let bench = Bench::with(search.clone(), EgressConfig::default()).await;
        let echo = bench.load("echo").await;
        let arguments = serde_json::json!({
            "plain": format!("{prefix}{PLAIN}"),
            "encoded": STANDARD.encode(format!("{prefix}{ENCODED} and more")),
        });
        succeeded(echo.act(call(Rights::default(), &[]), "echo", &arguments.to_string()).await);
        assert!(search.times_found(PLAIN) > 0, "plain after {prefix:?}");
        assert!(search.times_found(ENCODED) > 0, "base64 after {prefix:?}");
        assert_eq!(search.times_found(ABSENT), 0);
    }
}
