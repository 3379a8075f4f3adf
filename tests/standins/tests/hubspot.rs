//! The HubSpot stand-in refuses what HubSpot refuses.

#![expect(clippy::indexing_slicing, clippy::unwrap_used, reason = "a test stops where it fails")]

use std::{collections::BTreeSet, time::Duration};

use reqwest::{Response, StatusCode};
use serde_json::{Value, json};
use sophia_standins::{
    Clock,
    hubspot::{Batch, Fault, Gate, HOST, HubSpot, Kind, Options, Rates, RetryAfter, Seed},
};

const TOKEN: &str = "pat-standin";
const NOON: u64 = 1_750_000_000_000;

struct Client {
    http: reqwest::Client,
    base: String,
}

impl Client {
    fn of(portal: &HubSpot) -> Self {
        // The second installation in a process is refused, and the first is as good.
        let _installed = rustls::crypto::ring::default_provider().install_default().is_ok();
        let http = reqwest::Client::builder().no_proxy().build().unwrap();
        Self { http, base: format!("http://{}", portal.address()) }
    }

    async fn get(&self, path: &str) -> Response {
        self.http.get(format!("{}{path}", self.base)).bearer_auth(TOKEN).send().await.unwrap()
    }

    async fn post(&self, path: &str, body: Value) -> Response {
        self.http.post(format!("{}{path}", self.base)).bearer_auth(TOKEN).json(&body).send().await.unwrap()
    }

    async fn patch(&self, path: &str, body: Value) -> Response {
        self.http.patch(format!("{}{path}", self.base)).bearer_auth(TOKEN).json(&body).send().await.unwrap()
    }
}

fn options() -> Options {
    Options { tls: false, clock: Clock::at(NOON), rates: Rates::unlimited(), ..Options::for_token(TOKEN) }
}

async fn start(options: Options) -> (HubSpot, Client) {
    let portal = HubSpot::start(options).await.unwrap();
    let client = Client::of(&portal);
    (portal, client)
}

fn ids(page: &Value) -> Vec<u64> {
    page["results"].as_array().unwrap().iter().map(|r| r["id"].as_str().unwrap().parse().unwrap()).collect()
}

fn all_ids(portal: &HubSpot, kind: Kind) -> BTreeSet<u64> {
    portal.portal().records(kind).map(|record| record.id).collect()
}

async fn refused(response: Response, status: StatusCode, category: &str) -> Value {
    assert_eq!(response.status(), status);
    let body: Value = response.json().await.unwrap();
    assert_eq!(body["status"], "error");
    assert_eq!(body["category"], category, "{body}");
    assert!(body["correlationId"].is_string());
    body
}

#[tokio::test]
async fn lists_every_record_once_in_pages_of_at_most_100() {
    let (portal, client) = start(options()).await;
    let mut found = Vec::new();
    let mut path = "/crm/v3/objects/contacts?limit=100&properties=email,phone".to_owned();
    loop {
        let page: Value = client.get(&path).await.json().await.unwrap();
        assert!(page["results"][0]["properties"]["email"].is_string());
        assert!(page["results"][0]["properties"]["phone"].is_null());
        found.extend(ids(&page));
        let Some(after) = page["paging"]["next"]["after"].as_str() else { break };
        path = format!("/crm/v3/objects/contacts?limit=100&after={after}");
    }
    assert_eq!(found.len(), 350);
    assert_eq!(found.into_iter().collect::<BTreeSet<_>>(), all_ids(&portal, Kind::Contacts));
    refused(client.get("/crm/v3/objects/contacts?limit=101").await, StatusCode::BAD_REQUEST, "VALIDATION_ERROR").await;
}

#[tokio::test]
async fn takes_bearer_tokens_and_no_other_authentication() {
    let (portal, client) = start(options()).await;
    let url = format!("{}/crm/v3/owners", client.base);
    let plain = client.http.get(&url);
    for request in [
        plain.try_clone().unwrap(),
        plain.try_clone().unwrap().bearer_auth("pat-another"),
        plain.try_clone().unwrap().basic_auth("hubspot", Some(TOKEN)),
        plain.try_clone().unwrap().header("authorization", TOKEN),
        client.http.get(format!("{url}?hapikey={TOKEN}")),
    ] {
        refused(request.send().await.unwrap(), StatusCode::UNAUTHORIZED, "INVALID_AUTHENTICATION").await;
    }
    assert_eq!(client.get("/crm/v3/owners").await.status(), StatusCode::OK);
    assert_eq!(portal.seen().len(), 6);
}

#[tokio::test]
async fn searches_by_filter_and_sort_and_refuses_what_is_over_the_limits() {
    let (portal, client) = start(options()).await;
    let search = "/crm/v3/objects/companies/search";
    let moments: Vec<u64> = portal.portal().records(Kind::Companies).map(|r| r.modified).collect();
    let from = moments.iter().min().unwrap() + 100_000;
    let filter = json!({"propertyName": "hs_lastmodifieddate", "operator": "GTE", "value": from.to_string()});
    let sorts = json!([{"propertyName": "hs_lastmodifieddate", "direction": "DESCENDING"}]);
    let body = json!({"filterGroups": [{"filters": [filter]}], "sorts": sorts, "limit": 200});
    let page: Value = client.post(search, body).await.json().await.unwrap();
    assert_eq!(page["total"], 30);
    let found: Vec<&str> =
        page["results"].as_array().unwrap().iter().map(|r| r["updatedAt"].as_str().unwrap()).collect();
    assert!(found.is_sorted_by(|a, b| a >= b));

    let group = |n: usize| json!({"filters": vec![&filter; n]});
    for body in [
        json!({"limit": 201}),
        json!({"filterGroups": vec![group(1); 6]}),
        json!({"filterGroups": [group(7)]}),
        json!({"filterGroups": vec![group(5); 4]}),
        json!({"sorts": ["createdate", "email"]}),
        json!({"after": "ten"}),
        json!({"query": "x".repeat(3_000)}),
        json!({"filterGroups": [{"filters": [{"propertyName": "name", "operator": "LIKE", "value": "x"}]}]}),
    ] {
        refused(client.post(search, body).await, StatusCode::BAD_REQUEST, "VALIDATION_ERROR").await;
    }
}

#[tokio::test]
async fn refuses_to_page_beyond_10_000_results_though_it_offers_the_next_page() {
    let seed = Seed { contacts: vec![Batch::at_once(10_150)], ..Seed::default() };
    let (_portal, client) = start(Options { seed, ..options() }).await;
    let page = |after: u64| json!({"limit": 100, "after": after.to_string()});
    let last = client.post("/crm/v3/objects/contacts/search", page(9_900)).await;
    let last: Value = last.json().await.unwrap();
    assert_eq!(last["total"], 10_150);
    assert_eq!(last["paging"]["next"]["after"], "10000");
    let beyond = client.post("/crm/v3/objects/contacts/search", page(10_000)).await;
    refused(beyond, StatusCode::BAD_REQUEST, "VALIDATION_ERROR").await;
}

#[tokio::test]
async fn creates_and_updates_and_refuses_duplicates_and_unknown_properties() {
    let (portal, client) = start(options()).await;
    let new = json!({"properties": {"email": "new@example.com", "firstname": "New"}});
    let made = client.post("/crm/v3/objects/contacts", new.clone()).await;
    assert_eq!(made.status(), StatusCode::CREATED);
    let made: Value = made.json().await.unwrap();
    let id = made["id"].as_str().unwrap().to_owned();
    let again = refused(client.post("/crm/v3/objects/contacts", new).await, StatusCode::CONFLICT, "CONFLICT").await;
    assert_eq!(again["message"], format!("Contact already exists. Existing ID: {id}"));

    portal.clock().advance(Duration::from_secs(60));
    let path = format!("/crm/v3/objects/contacts/{id}");
    let changed = client.patch(&path, json!({"properties": {"firstname": "Newer"}})).await;
    let changed: Value = changed.json().await.unwrap();
    assert_eq!(changed["properties"]["firstname"], "Newer");
    assert_ne!(changed["updatedAt"], made["updatedAt"]);

    for (properties, error) in
        [(json!({"nose": "long"}), "PROPERTY_DOESNT_EXIST"), (json!({"email": "nobody"}), "INVALID_EMAIL")]
    {
        let response = client.patch(&path, json!({ "properties": properties })).await;
        let body = refused(response, StatusCode::BAD_REQUEST, "VALIDATION_ERROR").await;
        assert!(body["message"].as_str().unwrap().contains(error), "{body}");
    }
    let gone = client.patch("/crm/v3/objects/contacts/999999999", json!({"properties": {}})).await;
    refused(gone, StatusCode::NOT_FOUND, "OBJECT_NOT_FOUND").await;
}

#[tokio::test]
async fn refuses_the_101st_request_in_ten_seconds_until_the_window_has_rolled_on() {
    for retry_after in [RetryAfter::Sent, RetryAfter::Omitted] {
        let rates = Rates { retry_after, ..Rates::default() };
        let (portal, client) = start(Options { rates, ..options() }).await;
        for left in (0..100).rev() {
            let response = client.get("/crm/v3/owners").await;
            assert_eq!(response.status(), StatusCode::OK);
            assert_eq!(response.headers()["x-hubspot-ratelimit-remaining"], left.to_string());
        }
        let refused = client.get("/crm/v3/owners").await;
        assert_eq!(refused.status(), StatusCode::TOO_MANY_REQUESTS);
        let told = refused.headers().get("retry-after").map(|v| v.to_str().unwrap().to_owned());
        assert_eq!(told.as_deref(), (retry_after == RetryAfter::Sent).then_some("10"));
        assert_eq!(refused.json::<Value>().await.unwrap()["policyName"], "TEN_SECONDLY_ROLLING");
        portal.clock().advance(Duration::from_millis(9_999));
        assert_eq!(client.get("/crm/v3/owners").await.status(), StatusCode::TOO_MANY_REQUESTS);
        portal.clock().advance(Duration::from_millis(1));
        assert_eq!(client.get("/crm/v3/owners").await.status(), StatusCode::OK);
    }
}

#[tokio::test]
async fn lets_five_searches_through_in_a_second_and_sends_them_no_rate_headers() {
    let (portal, client) = start(Options { rates: Rates::default(), ..options() }).await;
    for _ in 0..5 {
        let response = client.post("/crm/v3/objects/deals/search", json!({})).await;
        assert_eq!(response.status(), StatusCode::OK);
        assert!(!response.headers().contains_key("x-hubspot-ratelimit-remaining"));
    }
    let refused = client.post("/crm/v3/objects/deals/search", json!({})).await;
    assert_eq!(refused.status(), StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(refused.json::<Value>().await.unwrap()["policyName"], "SECONDLY");
    portal.clock().advance(Duration::from_secs(1));
    assert_eq!(client.post("/crm/v3/objects/deals/search", json!({})).await.status(), StatusCode::OK);
}

#[tokio::test]
async fn fails_in_every_way_it_is_asked_to() {
    let (portal, client) = start(options()).await;
    let url = format!("{}/crm/v3/owners", client.base);
    let request = || client.http.get(&url).bearer_auth(TOKEN).send();

    portal.fail_next(Fault::Status(503));
    assert_eq!(request().await.unwrap().status(), StatusCode::SERVICE_UNAVAILABLE);
    portal.fail_next(Fault::Reset);
    assert!(request().await.is_err());
    portal.fail_next(Fault::HalfBody);
    assert!(request().await.unwrap().bytes().await.is_err());
    portal.fail_next(Fault::NotJson);
    assert!(request().await.unwrap().json::<Value>().await.is_err());
    portal.fail_next(Fault::ReflectAuthorization);
    let reflected = request().await.unwrap();
    assert_eq!(reflected.headers()["x-you-sent"], format!("Bearer {TOKEN}"));
    assert!(reflected.text().await.unwrap().contains(TOKEN));
    portal.fail_next(Fault::Huge(100_000));
    assert_eq!(request().await.unwrap().bytes().await.unwrap().len(), 100_000);

    let gate = Gate::closed();
    portal.fail_next(Fault::Wait(gate.clone()));
    let waiting = tokio::spawn(client.http.get(&url).bearer_auth(TOKEN).send());
    gate.reached().await;
    assert!(!waiting.is_finished());
    gate.open();
    assert_eq!(waiting.await.unwrap().unwrap().status(), StatusCode::OK);

    portal.fail_always(Fault::Status(500));
    assert_eq!(request().await.unwrap().status(), StatusCode::INTERNAL_SERVER_ERROR);
    assert_eq!(request().await.unwrap().status(), StatusCode::INTERNAL_SERVER_ERROR);
    portal.recover();
    assert_eq!(request().await.unwrap().status(), StatusCode::OK);
}

#[tokio::test]
async fn speaks_tls_under_the_vendors_name_and_only_to_who_trusts_it() {
    let portal = HubSpot::start(Options { tls: true, ..options() }).await.unwrap();
    let _installed = rustls::crypto::ring::default_provider().install_default().is_ok();
    let authority = reqwest::Certificate::from_pem(portal.authority_pem().as_bytes()).unwrap();
    let builder = || reqwest::Client::builder().no_proxy().resolve(HOST, portal.address());
    let url = format!("https://{HOST}:{}/crm/v3/owners", portal.address().port());
    let trusting = builder().tls_certs_only([authority]).build().unwrap();
    let response = trusting.get(&url).bearer_auth(TOKEN).send().await.unwrap();
    assert_eq!(response.status(), StatusCode::OK);
    assert_eq!(response.version(), reqwest::Version::HTTP_2);
    let distrusting = builder().tls_certs_only([]).build().unwrap();
    assert!(distrusting.get(&url).send().await.is_err());
}
