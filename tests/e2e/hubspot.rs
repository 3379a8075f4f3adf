//! The official HubSpot connector against the stand-in that refuses what HubSpot refuses.
//!
//! Completeness is compared id by id with what the portal holds. That this comparison can fail is
//! shown too: requests are altered on their way to what a client would send that pages or splits
//! wrongly.

use std::{collections::BTreeSet, time::Duration};

use reqwest::Method;
use serde_json::{Value, json};
use sophia_standins::{
    Clock,
    hubspot::{Batch, Fault, HubSpot, Kind, Options, Rates, Record, RetryAfter, Seed, signed_headers},
};
use sophia_tests::{Node, Setup, guest, page_items, with_manifest};

const TOKEN: &str = "pat-eu1-the-token-of-the-portal";
const APP_SECRET: &str = "the-secret-of-the-app";

/// 2025-06-15: after all that the seeds hold, and before the machine's time.
const NOON: u64 = 1_750_000_000_000;

/// A read that takes more pages than this does not end.
const MAX_PAGES: usize = 200;

const KINDS: [Kind; 3] = [Kind::Contacts, Kind::Companies, Kind::Deals];

fn options() -> Options {
    Options { clock: Clock::at(NOON), rates: Rates::unlimited(), ..Options::for_token(TOKEN) }
}

/// The shipped manifest up to its rate, and what follows that heading.
fn manifest() -> (&'static str, &'static str) {
    let manifest = include_str!("../../plugins/connectors/hubspot/plugin.toml");
    manifest.split_once("[rate.hubspot]").expect("the manifest has a rate")
}

/// The connector without the rate of its manifest, which the host would keep to in real time. The
/// vendor's limits then reach the plugin, as they do where other apps use up the same account.
fn unpaced() -> Vec<u8> {
    let (asks, rate) = manifest();
    assert!(rate.trim().starts_with("requests"), "nothing follows the rate");
    with_manifest(&guest("hubspot"), asks)
}

async fn start(options: Options) -> (HubSpot, Node) {
    start_with(&unpaced(), options).await
}

async fn start_with(wasm: &[u8], options: Options) -> (HubSpot, Node) {
    let portal = HubSpot::start(options).await.unwrap();
    let node = Setup::new().with_hubspot(&portal).start().await;
    node.deploy("hubspot", wasm).await;
    node.put_secret("hubspot", TOKEN, &["https://api.hubapi.com/crm/v3/*"]).await.expect(200);
    node.put_secret("app", APP_SECRET, &[]).await.expect(200);
    let bound = json!({"hubspot": "hubspot", "webhook": "app"});
    node.connect("hubspot", "main", json!({}), bound).await.expect(200);
    (portal, node)
}

/// What a read came to: the ids in the order in which they came, and where a later one goes on.
#[derive(Debug)]
struct Read {
    ids: Vec<u64>,
    cursor: Value,
}

/// Why a read did not come to an end.
#[derive(Debug)]
enum Stopped {
    Refused(Value),
    Endless,
}

/// Reads until the stream says that there is no more.
async fn read(node: &Node, stream: &str, mut cursor: Value) -> Result<Read, Stopped> {
    let mut ids = Vec::new();
    for _ in 0..MAX_PAGES {
        let reply = node.read("hubspot/main", stream, &cursor, 200).await;
        if reply.status != 200 {
            return Err(Stopped::Refused(reply.json()));
        }
        let page = reply.json();
        ids.extend(page_items(&page).iter().map(|item| item["id"].as_str().unwrap().parse::<u64>().unwrap()));
        cursor = page["next"].clone();
        if page["more"] == false {
            return Ok(Read { ids, cursor });
        }
    }
    Err(Stopped::Endless)
}

/// Whether what was read is each of these once.
fn is_complete(read: &Result<Read, Stopped>, expected: &BTreeSet<u64>) -> bool {
    read.as_ref().is_ok_and(|read| {
        read.ids.len() == expected.len() && read.ids.iter().copied().collect::<BTreeSet<_>>() == *expected
    })
}

fn ids(portal: &HubSpot, kind: Kind) -> BTreeSet<u64> {
    portal.portal().records(kind).map(|record| record.id).collect()
}

/// Says what is wrong with a read rather than that it is.
#[track_caller]
fn assert_complete(read: Result<Read, Stopped>, expected: &BTreeSet<u64>) -> Value {
    let read = read.unwrap();
    let found: BTreeSet<u64> = read.ids.iter().copied().collect();
    let (missing, more) = (expected.difference(&found).count(), found.difference(expected).count());
    let twice = read.ids.len() - found.len();
    assert_eq!((missing, more, twice), (0, 0, 0), "of {}: missing, unexpected, twice", expected.len());
    read.cursor
}

#[tokio::test]
async fn reads_every_record_of_every_stream_once() {
    let (portal, node) = start(options()).await;
    node.check("hubspot/main").await.expect(200);
    for kind in KINDS {
        assert_complete(read(&node, kind.as_str(), Value::Null).await, &ids(&portal, kind));
    }
    let owners = portal.portal().owners().map(|owner| owner.id).collect();
    assert_complete(read(&node, "owners", Value::Null).await, &owners);
    let sent = portal.seen();
    assert!(sent.iter().all(|seen| seen.status == Some(200)), "the connector asked for what HubSpot refuses");
    let bearer = format!("Bearer {TOKEN}");
    assert!(sent.iter().all(|seen| seen.header("authorization") == Some(bearer.as_str())));
    node.stop().await;
}

#[tokio::test]
async fn a_later_read_brings_what_changed_since_and_nothing_else() {
    let (portal, node) = start(options()).await;
    let all = ids(&portal, Kind::Companies);
    let cursor = assert_complete(read(&node, "companies", Value::Null).await, &all);
    let cursor = assert_complete(read(&node, "companies", cursor).await, &BTreeSet::new());

    let touched: BTreeSet<u64> = all.iter().copied().step_by(40).collect();
    for id in &touched {
        portal.portal().touch(Kind::Companies, *id, ("city", "Bristol"), NOON);
    }
    let cursor = assert_complete(read(&node, "companies", cursor).await, &touched);
    let cursor = assert_complete(read(&node, "companies", cursor).await, &BTreeSet::new());

    let made = node.act("hubspot/main", "create-company", json!({"properties": {"name": "New"}})).await.expect(200);
    let made: u64 = made["id"].as_str().unwrap().parse().unwrap();
    portal.portal().touch(Kind::Companies, made, ("city", "Bath"), NOON + 1);
    assert_complete(read(&node, "companies", cursor).await, &BTreeSet::from([made]));
    node.stop().await;
}

/// A portal in which, after a first read, more changed than a search shows: most at one moment.
async fn imported() -> (HubSpot, Node, Value, BTreeSet<u64>) {
    let seed = Seed { contacts: vec![Batch::spread(50)], ..Seed::default() };
    let (portal, node) = start(Options { seed, ..options() }).await;
    let cursor = assert_complete(read(&node, "contacts", Value::Null).await, &ids(&portal, Kind::Contacts));
    let mut changed = BTreeSet::new();
    for place in 0..10_450_u64 {
        // 10,150 at one moment, as an import does it, and 150 before and after, one a second.
        let modified = NOON + place.min(150) * 1_000 + place.saturating_sub(10_300) * 1_000;
        let id = 1_000_000 + (place * 7_919) % 10_450;
        let record = Record { id, created: NOON, modified, properties: [].into() };
        portal.portal().insert(Kind::Contacts, record);
        changed.insert(id);
    }
    (portal, node, cursor, changed)
}

#[tokio::test]
async fn reads_more_than_10_000_changes_of_one_moment() {
    let (portal, node, cursor, changed) = imported().await;
    portal.forget();
    let cursor = assert_complete(read(&node, "contacts", cursor).await, &changed);
    assert_complete(read(&node, "contacts", cursor).await, &BTreeSet::new());
    assert!(portal.seen().iter().all(|seen| seen.status == Some(200)), "the connector paged beyond 10,000");
    node.stop().await;
}

#[tokio::test]
async fn a_client_that_splits_or_pages_wrongly_would_be_noticed() {
    let (portal, node, cursor, changed) = imported().await;

    // Pages on by count within one moment, as if there were no 10,000.
    let mut pages = 0;
    portal.alter_requests(move |request| {
        if let Some(mut search) = without_filter_on_id(request) {
            search["after"] = json!((pages * 200).to_string());
            pages += 1;
            request.body = search.to_string().into();
        }
    });
    let stopped = read(&node, "contacts", cursor.clone()).await;
    assert!(matches!(&stopped, Err(Stopped::Refused(problem)) if problem["status"] == 422), "{stopped:?}");

    // Begins each page of a moment where the first began.
    portal.alter_requests(|request| {
        if let Some(search) = without_filter_on_id(request) {
            request.body = search.to_string().into();
        }
    });
    assert!(!is_complete(&read(&node, "contacts", cursor).await, &changed));

    // Asks for the first page of a list again and again.
    portal.alter_requests(|request| {
        let first = request.uri.to_string();
        if let Some((first, _)) = first.split_once("&after=") {
            request.uri = first.parse().unwrap();
        }
    });
    let read = read(&node, "contacts", Value::Null).await;
    assert!(!is_complete(&read, &ids(&portal, Kind::Contacts)));
    node.stop().await;
}

/// A search within one moment, without the filter that makes it go on by id.
fn without_filter_on_id(request: &sophia_standins::Seen) -> Option<Value> {
    let mut search: Value = serde_json::from_slice(&request.body).ok()?;
    let filters = search["filterGroups"][0]["filters"].as_array_mut()?;
    let n_filters = filters.len();
    filters.retain(|filter| filter["propertyName"] != "hs_object_id");
    (filters.len() < n_filters).then_some(search)
}

#[tokio::test]
async fn goes_on_after_the_101st_request_in_ten_seconds_with_nothing_lost() {
    for retry_after in [RetryAfter::Sent, RetryAfter::Omitted] {
        let seed = Seed { contacts: vec![Batch::spread(10_300)], ..Seed::default() };
        let rates = Rates { retry_after, ..Rates::default() };
        let (portal, node) = start(Options { seed, rates, ..options() }).await;
        let (mut found, mut cursor, mut refusals) = (Vec::new(), Value::Null, 0);
        for _ in 0..MAX_PAGES {
            let reply = node.read("hubspot/main", "contacts", &cursor, 100).await;
            if reply.status == 429 {
                let problem = reply.problem(429, "limited");
                assert_eq!((&problem["blame"], &problem["retry_after"]), (&json!("upstream"), &json!(10)));
                assert_eq!(reply.header("retry-after"), "10");
                portal.clock().advance(Duration::from_secs(10));
                refusals += 1;
                continue;
            }
            let page = reply.expect(200);
            found.extend(page_items(&page).iter().map(|item| item["id"].as_str().unwrap().parse::<u64>().unwrap()));
            cursor = page["next"].clone();
            if page["more"] == false {
                break;
            }
        }
        assert_eq!(refusals, 1, "103 pages of a list are one refusal in a clock that stands still");
        assert_complete(Ok(Read { ids: found, cursor }), &ids(&portal, Kind::Contacts));
        node.stop().await;
    }
}

/// The shipped rate is an account's. What the host does with it is shown with a window that no
/// machine is slow enough to see the end of.
#[tokio::test]
async fn it_keeps_to_the_rate_of_an_account_by_itself() {
    let (asks, rate) = manifest();
    assert_eq!(rate.trim(), r#"requests = "100/10s""#);
    let hourly = with_manifest(&guest("hubspot"), &format!("{asks}[rate.hubspot]\nrequests = \"100/1h\"\n"));
    let (portal, node) = start_with(&hourly, options()).await;
    for _ in 0..100 {
        node.check("hubspot/main").await.expect(200);
    }
    node.check("hubspot/main").await.problem(429, "limited");
    assert_eq!(portal.seen().len(), 100, "the 101st request did not leave the node");
    node.stop().await;
}

#[tokio::test]
async fn waits_a_second_where_searches_come_too_fast() {
    let (portal, node) = start(Options { rates: Rates::default(), ..options() }).await;
    let cursor = read(&node, "deals", Value::Null).await.unwrap().cursor;
    portal.clock().advance(Duration::from_secs(1));
    for _ in 0..5 {
        node.read("hubspot/main", "deals", &cursor, 100).await.expect(200);
    }
    let problem = node.read("hubspot/main", "deals", &cursor, 100).await.problem(429, "limited");
    assert_eq!(problem["retry_after"], 1);
    node.stop().await;
}

#[tokio::test]
async fn creates_and_updates_and_passes_on_what_hubspot_refuses() {
    let (portal, node) = start(options()).await;
    let new = json!({"properties": {"email": "new@example.com", "firstname": "New"}});
    let made = node.act("hubspot/main", "create-contact", new.clone()).await.expect(200);
    let id = made["id"].as_str().unwrap();
    let update = json!({"id": id, "properties": {"firstname": "Newer"}});
    node.act("hubspot/main", "update-contact", update).await.expect(200);
    let record = portal.portal().record(Kind::Contacts, id.parse().unwrap()).unwrap().clone();
    assert_eq!(record.properties["firstname"], "Newer");

    let again = node.act("hubspot/main", "create-contact", new).await.problem(422, "plugin-invalid");
    assert!(again["detail"].as_str().unwrap().contains(&format!("Existing ID: {id}")), "{again}");
    let unknown = json!({"id": id, "properties": {"nose": "long"}});
    let unknown = node.act("hubspot/main", "update-contact", unknown).await.problem(422, "plugin-invalid");
    assert!(unknown["detail"].as_str().unwrap().contains("PROPERTY_DOESNT_EXIST"), "{unknown}");
    let gone = json!({"id": "999999999", "properties": {}});
    node.act("hubspot/main", "update-deal", gone).await.problem(404, "plugin-not-found");
    let path = json!({"id": "1/../2", "properties": {}});
    node.act("hubspot/main", "update-deal", path).await.problem(422, "plugin-invalid");
    node.stop().await;
}

#[tokio::test]
async fn a_wrong_token_or_a_failing_vendor_is_said_to_be_that() {
    let (portal, node) = start(options()).await;
    portal.fail_next(Fault::Status(401));
    node.check("hubspot/main").await.problem(403, "plugin-denied");
    for fault in [Fault::Status(500), Fault::Status(503), Fault::Reset, Fault::HalfBody, Fault::NotJson] {
        portal.fail_always(fault.clone());
        let reply = node.read("hubspot/main", "contacts", &Value::Null, 10).await;
        assert_eq!(reply.problem(502, "upstream")["blame"], "upstream", "{fault:?}");
    }
    portal.recover();
    node.put_secret("hubspot", "pat-expired", &["https://api.hubapi.com/crm/v3/*"]).await.expect(200);
    node.check("hubspot/main").await.problem(403, "plugin-denied");
    node.stop().await;
}

#[tokio::test]
async fn takes_webhooks_that_hubspot_signed_lately() {
    let (_portal, node) = start(options()).await;
    let path = "/v1/connectors/hubspot/main/webhook";
    let uri = format!("{}{path}", node.base());
    let body = br#"[{"eventId":1,"subscriptionType":"contact.creation","objectId":101}]"#;
    let now = Clock::System.now();
    let vendor = node.with_key(None);
    let send = async |headers: [(&'static str, String); 2]| {
        let mut request = vendor.request(Method::POST, path).body(body.to_vec());
        for (name, value) in headers {
            request = request.header(name, value);
        }
        vendor.send(request).await
    };
    assert_eq!(send(signed_headers(APP_SECRET, "POST", &uri, body, now)).await.status, 200);
    for wrong in [
        signed_headers("another-secret", "POST", &uri, body, now),
        signed_headers(APP_SECRET, "POST", &uri, b"[]", now),
        signed_headers(APP_SECRET, "PUT", &uri, body, now),
        signed_headers(APP_SECRET, "POST", &uri, body, now - 10 * 60_000),
    ] {
        send(wrong).await.problem(401, "webhook-denied");
    }
    node.stop().await;
}
