use http::{Method, header};

use super::{
    server::{Server, text},
    world::{anywhere, body, egress, egress_to, get, post, scope, with},
};
use crate::{Egress, EgressConfig, EgressError, MissingKey, Rights};

#[tokio::test]
async fn refuses_what_is_not_asked_for_or_not_granted() {
    let server = Server::start(|_| text("ok")).await;
    let egress = egress(&[server.address]);
    let v1 = scope(&[&format!("GET {}", server.url("/v1/*"))]);
    let rights = |asked, granted| Rights { asked, granted, credentials: Vec::new() };
    for (rights, outbound, missing) in [
        (Rights::default(), get(server.url("/v1/x")), MissingKey::Ask),
        (rights(v1.clone(), scope(&[])), get(server.url("/v1/x")), MissingKey::Grant),
        (rights(scope(&[]), v1.clone()), get(server.url("/v1/x")), MissingKey::Ask),
        (rights(v1.clone(), v1.clone()), get(server.url("/v2/x?token=abc")), MissingKey::Ask),
        (rights(v1.clone(), v1.clone()), get(server.url("/v1/../v2")), MissingKey::Ask),
        (rights(v1.clone(), v1.clone()), post(server.url("/v1/x"), "{}"), MissingKey::Ask),
        (rights(v1.clone(), v1.clone()), get("http://u:p@elsewhere.example/"), MissingKey::Ask),
    ] {
        let error = egress.send(&rights, outbound).await.unwrap_err();
        let text = error.to_string();
        assert!(matches!(error, EgressError::NotAllowed { missing: m, .. } if m == missing), "{text}");
        assert!(!text.contains("abc") && !text.contains("u:p"), "{text}");
    }
    assert!(server.seen().is_empty());
    let allowed = rights(v1.clone(), v1);
    assert_eq!(body(egress.send(&allowed, get(server.url("/v1/x"))).await).await.unwrap(), "ok");
}

#[tokio::test]
async fn refuses_a_url_that_hides_something() {
    let server = Server::start(|_| text("ok")).await;
    let (egress, rights) = (egress(&[server.address]), anywhere(Vec::new()));
    let send = async |url: String| egress.send(&rights, get(url)).await.unwrap_err();
    let port = server.address.port();
    assert!(matches!(send(format!("http://user:pass@127.0.0.1:{port}/")).await, EgressError::UserInfo));
    assert!(matches!(send(format!("http://user@127.0.0.1:{port}/")).await, EgressError::UserInfo));
    assert!(matches!(send(format!("ftp://127.0.0.1:{port}/")).await, EgressError::Scheme));
    assert!(matches!(send("file:///etc/passwd".into()).await, EgressError::Scheme));
    assert!(matches!(send("/relative".into()).await, EgressError::MalformedUrl));
    assert!(matches!(send(String::new()).await, EgressError::MalformedUrl));
    assert!(server.seen().is_empty());
}

#[tokio::test]
async fn refuses_private_addresses_however_they_are_written() {
    let server = Server::start(|_| text("ok")).await;
    let port = server.address.port();
    let (closed, rights) = (egress(&[]), anywhere(Vec::new()));
    for host in
        ["127.0.0.1", "2130706433", "0x7f.1", "0177.0.0.1", "0.0.0.0", "[::1]", "[::ffff:127.0.0.1]", "localhost"]
    {
        let error = closed.send(&rights, get(format!("http://{host}:{port}/"))).await.unwrap_err();
        assert!(matches!(error, EgressError::PrivateAddress { .. }), "{host}: {error}");
    }
    for url in [
        "http://169.254.169.254/latest/meta-data",
        "http://[fdaa::3]/",
        "https://10.0.0.1/",
        "http://192.168.1.1:8080/",
    ] {
        let error = closed.send(&rights, get(url)).await.unwrap_err();
        assert!(matches!(error, EgressError::PrivateAddress { .. }), "{url}: {error}");
    }
    assert!(server.seen().is_empty());
}

#[tokio::test]
async fn a_named_address_is_open_on_its_port_only() {
    let (named, other) = (Server::start(|_| text("named")).await, Server::start(|_| text("other")).await);
    let (egress, rights) = (egress(&[named.address]), anywhere(Vec::new()));
    assert_eq!(body(egress.send(&rights, get(named.url("/"))).await).await.unwrap(), "named");
    let error = egress.send(&rights, get(other.url("/"))).await.unwrap_err();
    assert!(matches!(error, EgressError::PrivateAddress { .. }));
    let localhost = Egress::new(EgressConfig {
        named: vec![format!("localhost:{}", named.address.port())],
        ..EgressConfig::default()
    });
    let url = format!("http://LOCALHOST:{}/", named.address.port());
    assert_eq!(body(localhost.unwrap().send(&rights, get(url)).await).await.unwrap(), "named");
}

#[tokio::test]
async fn connect_to_leads_one_host_and_port_elsewhere() {
    let server = Server::start(|seen| text(seen.header("host").unwrap().to_owned())).await;
    let rights = anywhere(Vec::new());
    for (entry, url, host) in [
        ("api.example.com:80", "http://api.example.com/", "api.example.com"),
        ("api.example.com:8080", "http://api.example.com:8080/", "api.example.com:8080"),
    ] {
        let egress = egress_to(entry, server.address);
        assert_eq!(body(egress.send(&rights, get(url)).await).await.unwrap(), host);
        // The server's own address stays closed.
        let direct = egress.send(&rights, get(server.url("/"))).await.unwrap_err();
        assert!(matches!(direct, EgressError::PrivateAddress { .. }));
    }
}

#[tokio::test]
async fn refuses_headers_that_are_the_hosts() {
    let server = Server::start(|_| text("ok")).await;
    let (egress, rights) = (egress(&[server.address]), anywhere(Vec::new()));
    for name in ["host", "connection", "transfer-encoding", "proxy-authorization", "te", "upgrade", "keep-alive"] {
        let error = egress.send(&rights, with(get(server.url("/")), name, "x")).await.unwrap_err();
        assert!(matches!(&error, EgressError::Header { name: n } if n == name), "{name}: {error}");
    }
    let lying = with(post(server.url("/"), "four"), "content-length", "5");
    assert!(matches!(egress.send(&rights, lying).await.unwrap_err(), EgressError::RequestBroken));
    assert!(server.seen().is_empty());
}

#[tokio::test]
async fn passes_on_the_rest_and_adds_its_own() {
    let server = Server::start(|_| text("ok")).await;
    let (egress, rights) = (egress(&[server.address]), anywhere(Vec::new()));
    let mut outbound = with(with(post(server.url("/a?b=%20c#d"), "four"), "x-own", "1"), "x-own", "2");
    outbound = with(with(outbound, "accept-encoding", "gzip"), "content-length", "4");
    outbound.traceparent = Some("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01".parse().unwrap());
    assert_eq!(body(egress.send(&rights, outbound).await).await.unwrap(), "ok");
    let seen = server.last();
    assert_eq!((seen.method.clone(), seen.target.as_str(), &seen.body[..]), (Method::POST, "/a?b=%20c", &b"four"[..]));
    assert_eq!(seen.headers.get_all("x-own").iter().count(), 2);
    assert_eq!(seen.header("accept-encoding"), Some("identity"));
    assert_eq!(seen.header("content-length"), Some("4"));
    assert!(seen.header("traceparent").unwrap().contains("0af7651916cd43dd8448eb211c80319c"));
    assert!(seen.header("user-agent").unwrap().starts_with("sophia/"));
    assert!(!seen.headers.contains_key(header::AUTHORIZATION));
}

#[tokio::test]
async fn says_when_nobody_answers() {
    let closed = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = closed.local_addr().unwrap();
    drop(closed);
    let error = egress(&[address]).send(&anywhere(Vec::new()), get(format!("http://{address}/"))).await.unwrap_err();
    assert!(matches!(error, EgressError::Connect(_)), "{error:?}");
    let server = Server::raw(b"SSH-2.0-OpenSSH_9.2\r\n").await;
    let error = egress_to("a.example:80", server.address).send(&anywhere(Vec::new()), get("http://a.example/")).await;
    assert!(matches!(error, Err(EgressError::Broken(_))), "{error:?}");
}
