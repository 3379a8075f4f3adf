use expect_test::expect;

use sophia_domain::ByteSize;

use super::*;

fn check(text: &str) -> Result<Config, ConfigError> {
    Config::check(toml::from_str(text).unwrap())
}

#[test]
fn runs_on_defaults() {
    let config = check("").unwrap();
    assert_eq!(config.listen.to_string(), "127.0.0.1:8080");
    assert_eq!(config.environment, Environment::Development);
    assert!(config.calls.max_concurrent_per_plugin <= config.calls.max_concurrent);
    assert_eq!(config.telemetry.otlp_traces, None);
}

#[test]
fn reads_every_setting() {
    let config = check(
        r#"
        listen = "[::]:0"
        data = "/data"
        environment = "production"
        http = { drain = "5s", max_connections = 7, public_url = "https://edge.example" }
        metrics = { open_to = ["fdaa::/16"] }
        egress = { named = ["127.0.0.1:9000"], connect_to = { "api.hubapi.com:443" = "127.0.0.1:1" } }
        limits = { memory = "32MiB", reuse = 0 }
        calls = { max_concurrent = 8 }
        models = { policy = "cost-aware", max_concurrent = 9, on_fault = "open", upstream = [{ name = "w", url = "http://10.0.0.1:8000/v1", kind = "worker" }] }
        uploads = { max = "1MiB", max_compiles = 3 }
        telemetry = { otlp_endpoint = "http://collector:4318/", log_format = "json", log = "debug" }
        "#,
    )
    .unwrap();
    assert_eq!(config.environment, Environment::Production);
    assert_eq!(config.http.drain, Duration::from_secs(5));
    assert_eq!(config.calls.max_concurrent_per_plugin, 6);
    assert_eq!(config.models.policy.unwrap().as_str(), "cost-aware");
    assert_eq!((config.models.max_concurrent, config.models.upstreams.named()), (9, vec!["10.0.0.1:8000".to_owned()]));
    assert!(config.models.worker.is_none());
    assert_eq!(config.caps.memory, ByteSize::mib(32));
    assert_eq!(config.telemetry.otlp_traces.unwrap().as_str(), "http://collector:4318/v1/traces");
    assert_eq!(config.egress.connect_to, [("api.hubapi.com:443".to_owned(), "127.0.0.1:1".parse().unwrap())]);
}

#[test]
fn says_everything_that_is_wrong_at_once() {
    let wrong = check(
        r#"
        listen = "8080"
        environment = "prod"
        http = { drain = "soon", max_connections = 0 }
        metrics = { open_to = ["everybody"] }
        egress = { named = ["localhost"], connect_to = { "a.example:443" = "here" }, ca_file = "/nowhere/ca.pem" }
        limits = { memory = "64mb" }
        models = { policy = "No Policy", max_concurrent = 0, worker_url = "http://a.example", upstream = [{ name = "a/b", url = "http://a.example", kind = "provider" }] }
        telemetry = { otlp_endpoint = "collector", log_format = "xml" }
        "#,
    );
    expect![[r#"
        the configuration cannot be used:
          environment: `prod` is no environment: write development, staging or production
          listen: `8080` is no address: write `127.0.0.1:8080` or `[::]:8080`
          http.max_connections: must be at least 1
          http.drain: `soon` is no time: write a whole number and ms, s, m, h or d
          metrics.open_to: `everybody` is no network: write `10.0.0.0/8` or `fdaa::/16`
          egress: `localhost` must be a host and a port, such as `127.0.0.1:9000`
          egress.connect_to: `here` must be an IP address and a port
          egress.ca_file: cannot read /nowhere/ca.pem: No such file or directory (os error 2)
          limits.memory: `64mb` is no size: write a whole number and B, KiB, MiB or GiB
          models.upstream `a/b`: a name is 1 to 128 visible characters without spaces and `/`
          models.upstream `a/b`: write an http or https URL that ends in `/v1`, without user, query and fragment
          models.policy: `No Policy` is no name: use 1 to 63 of a-z, 0-9 and `-`, beginning with a letter
          models.max_concurrent: must be at least 1
          models.worker_url: a worker is only looked for in development and where no upstream is named: name it as `[[models.upstream]]`, or write `off`
          telemetry.otlp_endpoint: `collector` is no http or https URL
          telemetry.log_format: `xml` is no format: write text or json"#]]
    .assert_eq(&wrong.unwrap_err().to_string());
}

#[test]
fn refuses_a_field_that_does_not_exist() {
    assert!(toml::from_str::<RawConfig>("[limit]\nmemory = '1MiB'").is_err());
}

#[test]
fn a_worker_is_looked_for_in_development_only_and_where_nothing_is_named() {
    let upstream = r#"upstream = [{ name = "w", url = "http://10.0.0.1:8000/v1", kind = "worker" }]"#;
    let worker = |text: &str| check(text).map(|config| config.models.worker.map(|url| url.address().to_owned()));
    assert_eq!(worker("").unwrap().as_deref(), Some("127.0.0.1:8081"));
    assert_eq!(worker(r#"models.worker_url = "http://[::1]:9""#).unwrap().as_deref(), Some("[::1]:9"));
    for none in [r#"models.worker_url = "off""#, r#"environment = "production""#, &format!("[models]\n{upstream}")] {
        assert_eq!(worker(none).unwrap(), None, "{none}");
    }
    assert!(worker(&format!("[models]\nworker_url = \"http://[::1]:9\"\n{upstream}")).is_err());
}
