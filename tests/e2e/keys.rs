//! Keys of callers: what each may do at every route, and for how long.

use serde_json::{Value, json};
use sophia_tests::{Caller, Node, Reply, Setup, guest};

const ROLES: [&str; 4] = ["viewer", "member", "admin", "owner"];

async fn create(node: &Node, name: &str, rights: Value) -> String {
    let mut request = json!({ "name": name });
    request.as_object_mut().unwrap().extend(rights.as_object().unwrap().clone());
    node.post("/v1/keys", request).await.expect(201)["key"].as_str().unwrap().to_owned()
}

async fn ask(client: &Caller, method: &str, path: &str) -> Reply {
    client.send(client.request(method.parse().unwrap(), path)).await
}

/// Every route of the node's own table, for every role: refused exactly where the role has not
/// what the route needs, and otherwise answered as one who may is answered.
#[tokio::test]
async fn a_role_may_what_the_routes_table_says_and_nothing_else() {
    let node = Setup::new().start().await;
    let table = node.get("/v1/permissions").await.expect(200);
    let routes = table["routes"].as_array().unwrap();
    assert!(routes.len() > 40, "{routes:?}");
    let (mut n_refused, mut n_let_through) = (0, 0);
    for role in ROLES {
        let key = create(&node, role, json!({ "role": role })).await;
        let caller = node.with_key(Some(&key));
        let has = table["roles"][role].as_array().unwrap();
        for route in routes.iter().filter(|route| !route["needs"].is_null()) {
            let (method, path) = (route["method"].as_str().unwrap(), filled(route["path"].as_str().unwrap()));
            let answer = ask(&caller, method, &path).await;
            if has.contains(&route["needs"]) {
                assert!(![401, 403].contains(&answer.status), "{role} {method} {path}: {}", answer.status);
                n_let_through += 1;
            } else {
                let problem = answer.problem_at("right", 403, "permission-missing");
                let needed = route["needs"].as_str().unwrap();
                assert!(problem["detail"].as_str().unwrap().contains(needed), "{role} {method} {path}: {problem}");
                n_refused += 1;
            }
        }
        for path in ["/v1/chat/completions", "/v1/embeddings"] {
            let refused = caller.post(path, json!({})).await.status == 403;
            assert_eq!(refused, role == "viewer", "{role} {path}");
        }
        for path in ["/config", "/metrics"] {
            assert_eq!(caller.get(path).await.status, 200, "{role} {path}");
        }
    }
    assert!(n_refused > 40 && n_let_through > 80, "{n_refused} {n_let_through}");
    node.stop().await;
}

/// Names that nothing has.
fn filled(path: &str) -> String {
    let segment = |segment: &str| if segment.starts_with('{') { "nothing-here".to_owned() } else { segment.to_owned() };
    path.split('/').map(segment).collect::<Vec<_>>().join("/")
}

#[tokio::test]
async fn what_anybody_is_told_without_a_key_or_with_a_wrong_one() {
    let node = Setup::new().start().await;
    let table = node.get("/v1/permissions").await.expect(200);
    let (nobody, stranger) = (node.with_key(None), node.with_key(Some("sophia_key_wrong")));
    for route in table["routes"].as_array().unwrap().iter().filter(|route| !route["needs"].is_null()) {
        let (method, path) = (route["method"].as_str().unwrap(), filled(route["path"].as_str().unwrap()));
        ask(&nobody, method, &path).await.problem_at("identify", 401, "key-missing");
        ask(&stranger, method, &path).await.problem_at("identify", 401, "key-wrong");
    }
    node.stop().await;
}

/// A key of grants: permissions × environments × resources.
#[tokio::test]
async fn a_key_for_one_thing_sees_and_calls_that_one_only() {
    let node = Setup::new().start().await;
    node.deploy("echo", &guest("echo")).await;
    node.deploy("hello", &guest("hello")).await;
    for name in ["emea", "apac"] {
        node.connect("echo", name, json!({}), json!({})).await.expect(200);
    }
    for name in ["crm-a", "crm-b", "crm", "erp"] {
        node.put_secret(name, "a-secret-of-some-length", &[]).await.expect(200);
    }
    let grants = json!({ "grants": [
        { "permissions": ["sophia.read", "agent.execute"], "environments": ["*"],
          "resources": ["connection:echo/emea", "plugin:hello", "model:fast"] },
        { "permissions": ["secret.read"], "environments": ["development"], "resources": ["secret:crm-*"] },
        { "permissions": ["secret.write"], "environments": ["production"], "resources": ["*"] },
        { "permissions": ["user.invite"], "environments": ["*"], "resources": ["key:app-*"] },
        { "permissions": ["agent.create"], "environments": ["*"], "resources": [] },
    ] });
    let caller = node.with_key(Some(&create(&node, "narrow", grants).await));
    let refused = |reply: Reply, place: &str| {
        let problem = reply.problem_at("right", 403, "permission-missing");
        assert!(problem["detail"].as_str().unwrap().contains(place), "{problem}");
    };

    let names = |list: Value, of: &str| {
        let names = list[of].as_array().unwrap().iter().map(|one| one["name"].as_str().unwrap().to_owned());
        names.collect::<Vec<_>>()
    };
    assert_eq!(names(caller.get("/v1/plugins").await.expect(200), "plugins"), ["hello"]);
    assert_eq!(names(caller.get("/v1/connections").await.expect(200), "connections"), ["emea"]);
    assert_eq!(names(caller.get("/v1/secrets").await.expect(200), "secrets"), ["crm-a", "crm-b"]);
    assert_eq!(names(caller.get("/v1/keys").await.expect(200), "keys"), Vec::<String>::new());
    assert_eq!(caller.get("/v1/models").await.expect(200)["data"], json!([]));
    assert_eq!(caller.get("/v1/plugins/hello").await.status, 200);
    refused(caller.get("/v1/plugins/echo").await, "`plugin:echo`");
    // Refused whether it is there or not, and before anybody looks.
    refused(caller.get("/v1/plugins/hell").await, "`plugin:hell`");
    refused(caller.get("/v1/runs").await, "`run:*`");
    refused(caller.put_secret("crm-a", "another-one", &[]).await, "in development");
    refused(caller.put_plugin("hello", &guest("hello")).await, "`plugin:hello`");

    assert_eq!(caller.act("echo/emea", "echo", json!({ "a": 1 })).await.status, 200);
    refused(caller.act("echo/apac", "echo", json!({})).await, "`connection:echo/apac`");
    assert_eq!(caller.get("/x/hello/").await.status, 200);
    refused(caller.get("/x/echo/").await, "`plugin:echo`");
    let chat = json!({ "model": "quality", "messages": [{ "role": "user", "content": "hi" }] });
    assert_eq!(caller.post("/v1/chat/completions", chat).await.status, 403);

    let part =
        |resource: &str| json!([{ "permissions": ["agent.execute"], "environments": ["*"], "resources": [resource] }]);
    let give =
        async |name: &str, grants: Value| caller.post("/v1/keys", json!({ "name": name, "grants": grants })).await;
    give("app-1", part("plugin:hello")).await.expect(201);
    let beyond = give("app-2", part("plugin:hello*")).await.problem_at("right", 403, "rights-beyond-own");
    assert!(beyond["detail"].as_str().unwrap().contains("`plugin:hello*`"), "{beyond}");
    refused(give("other", part("plugin:hello")).await, "`key:other`");
    assert_eq!(names(caller.get("/v1/keys").await.expect(200), "keys"), ["app-1"]);
    node.stop().await;
}

#[tokio::test]
async fn a_key_lives_until_it_is_revoked_also_over_a_restart() {
    let node = Setup::new().start().await;
    let first = create(&node, "ci", json!({ "permissions": ["sophia.read"] })).await;
    assert_eq!(node.with_key(Some(&first)).get("/v1/plugins").await.status, 200);
    let rotated = node.post("/v1/keys/ci/rotate", json!({ "overlap": "1h" })).await.expect(200);
    let second = rotated["key"].as_str().unwrap().to_owned();
    for key in [&first, &second] {
        assert_eq!(node.with_key(Some(key)).get("/v1/plugins").await.status, 200);
    }
    let third = node.post("/v1/keys/ci/rotate", json!({ "overlap": "0s" })).await.expect(200);
    let third = third["key"].as_str().unwrap().to_owned();
    node.with_key(Some(&first)).get("/v1/plugins").await.problem(401, "key-wrong");
    node.with_key(Some(&second)).get("/v1/plugins").await.problem(401, "key-expired");

    let data = node.data().clone();
    node.kill().await;
    let node = Setup::new().on(&data).start().await;
    assert_eq!(node.with_key(Some(&third)).get("/v1/plugins").await.status, 200);
    let list = node.get("/v1/keys").await;
    assert!(!list.text().contains("sophia_key_"), "a key is shown once");
    assert_eq!(list.expect(200)["keys"][0]["rights"], json!({ "permissions": ["sophia.read"] }));
    assert_eq!(node.delete("/v1/keys/ci").await.status, 204);
    node.with_key(Some(&third)).get("/v1/plugins").await.problem(401, "key-wrong");
    node.delete("/v1/keys/ci").await.problem_at("lookup", 404, "unknown-key");
    node.post("/v1/keys", json!({ "name": "ci", "role": "viewer" })).await.problem(409, "key-exists");
    node.stop().await;
}

#[tokio::test]
async fn what_cannot_be_a_key_is_refused_and_nothing_is_made() {
    let node = Setup::new().start().await;
    let admin = create(&node, "admin", json!({ "role": "admin" })).await;
    let post = |body: Value| node.post("/v1/keys", body);
    post(json!({ "name": "Big", "role": "viewer" })).await.problem(422, "wrong-key-name");
    post(json!({ "name": "operator", "role": "viewer" })).await.problem(422, "wrong-key-name");
    post(json!({ "name": "x" })).await.problem(422, "wrong-rights");
    post(json!({ "name": "x", "role": "viewer", "permissions": [] })).await.problem(422, "wrong-rights");
    let grant = json!({ "permissions": [], "environments": ["*"], "resources": ["*"] });
    let many = json!({ "name": "x", "grants": vec![grant.clone(); 33] });
    post(many).await.problem_at("request", 422, "too-many-grants");
    let nowhere = json!({ "permissions": [], "environments": ["moon"], "resources": ["*"] });
    let nothing = json!({ "permissions": [], "environments": ["*"], "resources": ["plug"] });
    for grants in [nowhere, nothing, json!({ "permissions": [] })] {
        assert_eq!(post(json!({ "name": "x", "grants": [grants] })).await.status, 422);
    }
    post(json!({ "name": "x", "role": "viewer", "expires_at": "2001-01-01T00:00:00Z" }))
        .await
        .problem(422, "key-expired-already");
    for wrong in [json!({ "name": "x", "role": "king" }), json!({ "name": "x", "permissions": ["agent.fly"] })] {
        assert_eq!(post(wrong).await.status, 422);
    }
    let beyond = node.with_key(Some(&admin)).post("/v1/keys", json!({ "name": "x", "role": "owner" })).await;
    let beyond = beyond.problem_at("right", 403, "rights-beyond-own");
    assert!(beyond["detail"].as_str().unwrap().contains("`system.config`"), "{beyond}");
    node.post("/v1/keys/none/rotate", json!({})).await.problem(404, "unknown-key");
    node.post("/v1/keys/admin/rotate", json!({ "overlap": "31d" })).await.problem(422, "overlap-too-long");
    let names = node.get("/v1/keys").await.expect(200);
    assert_eq!(names["keys"].as_array().unwrap().len(), 1, "{names}");
    node.stop().await;
}

#[tokio::test]
async fn the_command_line_makes_lists_replaces_and_revokes() {
    let node = Setup::new().start().await;
    let made = node.cli_json(&["key", "create", "ci", "--permission", "sophia.read", "--expires", "90d"], 0).await;
    let key = made["key"].as_str().unwrap().to_owned();
    assert!(made["expires_at"].is_string(), "{made}");
    assert_eq!(node.with_key(Some(&key)).get("/v1/plugins").await.status, 200);
    let list = String::from_utf8(node.cli(&["key", "list"]).await.stdout).unwrap();
    assert!(list.contains("ci") && list.contains("sophia.read") && list.contains("operator"), "{list}");
    let rotated = node.cli_json(&["key", "rotate", "ci", "--overlap", "5m"], 0).await;
    assert_ne!(rotated["key"].as_str().unwrap(), key);
    let may = String::from_utf8(node.cli(&["key", "permissions"]).await.stdout).unwrap();
    assert!(may.contains("PUT /v1/plugins/{name}") && may.contains("admin owner"), "{may}");
    assert_eq!(node.cli(&["key", "revoke", "ci"]).await.status.code(), Some(0));
    node.with_key(Some(&key)).get("/v1/plugins").await.problem(401, "key-wrong");
    let again = node.cli(&["key", "revoke", "ci"]).await;
    assert_eq!(again.status.code(), Some(1));
    assert!(String::from_utf8(again.stderr).unwrap().contains("There is no such key"));
    assert_eq!(node.cli(&["key", "create", "x", "--role", "king"]).await.status.code(), Some(2));
    node.stop().await;
}
