//! From text to values: every wrong one is noted, and the next is looked at.

use std::{
    fmt::Display,
    fs,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    path::PathBuf,
    str::FromStr,
};

use ipnet::IpNet;
use sophia_domain::{ByteSize, Environment, Limits, Span};
use sophia_egress::EgressConfig;
use tracing_subscriber::filter::Targets;
use url::Url;

use super::{
    Complaint, ConfigError,
    checked::{Calls, Config, Http, LogFormat, TelemetryConfig, Uploads},
    raw::{RawCalls, RawEgress, RawHttp, RawLimits, RawMetrics, RawTelemetry, RawUploads},
};
use crate::{machine, process};

/// Only this machine, until somebody says otherwise.
const DEFAULT_LISTEN: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 8080);
const DEFAULT_DATA: &str = "sophia-data";
/// Fly stops a machine at most 30 s after its signal by default; 5 s are left for the rest.
const DEFAULT_DRAIN: Span = Span::millis(25_000);
/// A Python component is 19 MB, and nothing seen so far is larger than 40.
const DEFAULT_MAX_UPLOAD: ByteSize = ByteSize::mib(64);
const DEFAULT_MAX_CONNECTIONS: u64 = 16_384;
/// More calls than this on one machine is a queue, not concurrency.
const MAX_DEFAULT_CONCURRENT: u64 = 1_024;
/// Fewer would let a handful of slow vendors close the node.
const MIN_DEFAULT_CONCURRENT: u64 = 16;
/// What a small call occupies in practice: stack, memory and host side.
const USUAL_CALL_MEMORY: ByteSize = ByteSize::mib(1);

/// The most that a plugin may ask for, unless the operator says otherwise: some times the
/// default of each limit, and what a small node still survives.
const DEFAULT_CAPS: Limits = Limits {
    memory: ByteSize::mib(256),
    cpu: Span::millis(10_000),
    wall: Span::millis(300_000),
    request: ByteSize::mib(16),
    response: ByteSize::mib(32),
    host_calls: 100_000,
    log: ByteSize(256 << 10),
    reuse: 1_000,
};

/// Collects complaints while values are read. A wrong value is replaced by its default, so that
/// the next one can be looked at; the result is thrown away.
#[derive(Default)]
pub(super) struct Check {
    complaints: Vec<Complaint>,
}

impl Check {
    /// The configuration, or everything that is wrong with it.
    pub(super) fn end(self, config: Config) -> Result<Config, ConfigError> {
        if self.complaints.is_empty() { Ok(config) } else { Err(ConfigError::Complaints(self.complaints)) }
    }

    pub(super) fn data(&mut self, path: Option<PathBuf>) -> PathBuf {
        path.unwrap_or_else(|| DEFAULT_DATA.into())
    }

    pub(super) fn complain(&mut self, setting: &str, wrong: impl Display) {
        self.complaints.push(Complaint { setting: setting.to_owned(), wrong: wrong.to_string() });
    }

    pub(super) fn parse<T: FromStr<Err: Display>>(&mut self, setting: &str, text: Option<String>, default: T) -> T {
        match text.map(|text| text.parse()) {
            None => default,
            Some(Ok(value)) => value,
            Some(Err(wrong)) => {
                self.complain(setting, wrong);
                default
            }
        }
    }

    pub(super) fn at_least_one(&mut self, setting: &str, value: u32) -> u32 {
        if value == 0 {
            self.complain(setting, "must be at least 1");
        }
        value.max(1)
    }

    pub(super) fn listen(&mut self, text: Option<String>) -> SocketAddr {
        let Some(text) = text else { return DEFAULT_LISTEN };
        text.parse().unwrap_or_else(|_| {
            self.complain("listen", format!("`{text}` is no address: write `127.0.0.1:8080` or `[::]:8080`"));
            DEFAULT_LISTEN
        })
    }

    pub(super) fn environment(&mut self, text: Option<String>) -> Environment {
        let parsed = text.map_or(Ok(Environment::Development), |text| text.parse());
        parsed.unwrap_or_else(|wrong: sophia_domain::NoEnvironment| {
            self.complain("environment", wrong.to_string());
            Environment::Development
        })
    }

    pub(super) fn http(&mut self, raw: RawHttp) -> Http {
        // Half of the descriptors stay for files, versions and connections outward.
        let most = DEFAULT_MAX_CONNECTIONS.min(process::descriptor_limit() / 2).max(1);
        let default = u32::try_from(most).unwrap_or(u32::MAX);
        let max = self.at_least_one("http.max_connections", raw.max_connections.unwrap_or(default));
        Http {
            drain: self.parse("http.drain", raw.drain, DEFAULT_DRAIN).0,
            max_connections: usize::try_from(max).unwrap_or(usize::MAX),
            public_url: self.http_url("http.public_url", raw.public_url),
        }
    }

    pub(super) fn metrics(&mut self, raw: RawMetrics) -> Vec<IpNet> {
        let loopback = || vec!["127.0.0.0/8".to_owned(), "::1/128".to_owned()];
        let networks = raw.open_to.unwrap_or_else(loopback);
        networks.iter().filter_map(|text| self.network("metrics.open_to", text)).collect()
    }

    fn network(&mut self, setting: &str, text: &str) -> Option<IpNet> {
        let network = text.parse().ok();
        if network.is_none() {
            self.complain(setting, format!("`{text}` is no network: write `10.0.0.0/8` or `fdaa::/16`"));
        }
        network
    }

    pub(super) fn egress(&mut self, raw: RawEgress) -> EgressConfig {
        for host in raw.named.iter().chain(raw.connect_to.keys()).filter(|text| !is_host_and_port(text)) {
            self.complain("egress", format!("`{host}` must be a host and a port, such as `127.0.0.1:9000`"));
        }
        let connect_to = raw.connect_to.into_iter().filter_map(|(host, address)| match address.parse() {
            Ok(address) => Some((host, address)),
            Err(_) => {
                self.complain("egress.connect_to", format!("`{address}` must be an IP address and a port"));
                None
            }
        });
        EgressConfig {
            named: raw.named,
            connect_to: connect_to.collect(),
            ca_pem: raw.ca_file.map(|path| self.file("egress.ca_file", path)).unwrap_or_default(),
        }
    }

    fn file(&mut self, setting: &str, path: PathBuf) -> Vec<u8> {
        fs::read(&path).unwrap_or_else(|wrong| {
            self.complain(setting, format!("cannot read {}: {wrong}", path.display()));
            Vec::new()
        })
    }

    pub(super) fn limits(&mut self, raw: RawLimits) -> Limits {
        Limits {
            memory: self.parse("limits.memory", raw.memory, DEFAULT_CAPS.memory),
            cpu: self.parse("limits.cpu", raw.cpu, DEFAULT_CAPS.cpu),
            wall: self.parse("limits.wall", raw.wall, DEFAULT_CAPS.wall),
            request: self.parse("limits.request", raw.request, DEFAULT_CAPS.request),
            response: self.parse("limits.response", raw.response, DEFAULT_CAPS.response),
            host_calls: raw.host_calls.unwrap_or(DEFAULT_CAPS.host_calls),
            log: self.parse("limits.log", raw.log, DEFAULT_CAPS.log),
            reuse: raw.reuse.unwrap_or(DEFAULT_CAPS.reuse),
        }
    }

    pub(super) fn calls(&mut self, raw: RawCalls) -> Calls {
        // The other half is for code, connections and the operating system.
        let pool_memory = ByteSize(machine::memory().0 / 2);
        let usual = (pool_memory.0 / USUAL_CALL_MEMORY.0).clamp(MIN_DEFAULT_CONCURRENT, MAX_DEFAULT_CONCURRENT);
        let default = u32::try_from(usual).unwrap_or(u32::MAX);
        let max_concurrent = self.at_least_one("calls.max_concurrent", raw.max_concurrent.unwrap_or(default));
        // One plugin, however slow its vendor, leaves a quarter of the node to the others.
        let share = (max_concurrent - max_concurrent / 4).max(1);
        let per_plugin = raw.max_concurrent_per_plugin.unwrap_or(share);
        let max_concurrent_per_plugin = self.at_least_one("calls.max_concurrent_per_plugin", per_plugin);
        Calls { max_concurrent, max_concurrent_per_plugin, pool_memory }
    }

    pub(super) fn uploads(&mut self, raw: RawUploads) -> Uploads {
        // Half of the cores keep answering while others compile.
        let default = u32::try_from(machine::cores().div_ceil(2)).unwrap_or(1);
        Uploads {
            max: self.parse("uploads.max", raw.max, DEFAULT_MAX_UPLOAD),
            max_compiles: self.at_least_one("uploads.max_compiles", raw.max_compiles.unwrap_or(default)),
        }
    }

    pub(super) fn telemetry(&mut self, raw: RawTelemetry) -> TelemetryConfig {
        let base = self.http_url("telemetry.otlp_endpoint", raw.otlp_endpoint);
        TelemetryConfig {
            otlp_traces: base.map(traces_endpoint),
            log_format: self.log_format(raw.log_format),
            log: self.parse("telemetry.log", raw.log, Targets::new().with_default(tracing::Level::INFO)),
        }
    }

    fn log_format(&mut self, text: Option<String>) -> LogFormat {
        match text.as_deref() {
            None | Some("text") => LogFormat::Text,
            Some("json") => LogFormat::Json,
            Some(other) => {
                self.complain("telemetry.log_format", format!("`{other}` is no format: write text or json"));
                LogFormat::Text
            }
        }
    }

    fn http_url(&mut self, setting: &str, text: Option<String>) -> Option<Url> {
        let text = text.filter(|text| !text.is_empty())?;
        let url = Url::parse(&text).ok().filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
        if url.is_none() {
            self.complain(setting, format!("`{text}` is no http or https URL"));
        }
        url
    }
}

/// The OTLP specification appends this path to the base that operators configure.
fn traces_endpoint(mut base: Url) -> Url {
    let path = format!("{}/v1/traces", base.path().trim_end_matches('/'));
    base.set_path(&path);
    base
}

fn is_host_and_port(text: &str) -> bool {
    let split = text.rsplit_once(':');
    split.is_some_and(|(host, port)| !host.is_empty() && !host.contains('/') && port.parse::<u16>().is_ok())
}
