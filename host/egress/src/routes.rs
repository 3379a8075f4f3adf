use std::{
    collections::{HashMap, HashSet},
    net::SocketAddr,
};

use url::Url;

/// What the operator says about the way out. Read once at boot.
#[derive(Debug, Clone, Default)]
pub struct EgressConfig {
    /// `host:port` that may be reached although its address is private.
    pub named: Vec<String>,
    /// Where to connect for a `host:port`, in place of resolving it. TLS still verifies the host.
    pub connect_to: Vec<(String, SocketAddr)>,
    /// Certificate authorities to trust beside the system's, in PEM.
    pub ca_pem: Vec<u8>,
}

/// What is wrong with the operator's configuration.
#[derive(Debug, thiserror::Error)]
pub enum EgressConfigError {
    /// Not a host and a port.
    #[error("`{0}`: write `host:port`, an IPv6 address in brackets")]
    HostPort(String),
    /// Not certificates.
    #[error("the file of certificate authorities holds what is no certificate in PEM")]
    Authorities,
    /// No protocol version that the crypto provider supports.
    #[error("TLS cannot be set up")]
    Tls(#[source] rustls::Error),
}

/// Where a connection for a host and port goes: one decision, made for each connection and the
/// same for all of them, so that pooled connections cannot mix.
#[derive(Debug, Default)]
pub(crate) struct Routes {
    named: HashSet<HostPort>,
    connect_to: HashMap<HostPort, SocketAddr>,
}

type HostPort = (String, u16);

/// How a host and port is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Route {
    /// There, says the operator.
    To(SocketAddr),
    /// Wherever it resolves to, says the operator.
    Named,
    /// Wherever it resolves to on the public internet.
    Public,
}

impl Routes {
    pub(crate) fn new(config: &EgressConfig) -> Result<Self, EgressConfigError> {
        let named = config.named.iter().map(|text| host_port(text)).collect::<Result<_, _>>()?;
        let connect_to = config.connect_to.iter().map(|(text, to)| Ok((host_port(text)?, *to)));
        Ok(Self { named, connect_to: connect_to.collect::<Result<_, _>>()? })
    }

    /// `host` as a URL writes it: lower case, IPv6 in brackets.
    pub(crate) fn route(&self, host: &str, port: u16) -> Route {
        let key = (host.to_owned(), port);
        match self.connect_to.get(&key) {
            Some(address) => Route::To(*address),
            None if self.named.contains(&key) => Route::Named,
            None => Route::Public,
        }
    }
}

/// As a URL would write it, so that both sides of a comparison agree.
fn host_port(text: &str) -> Result<HostPort, EgressConfigError> {
    let refuse = || EgressConfigError::HostPort(text.to_owned());
    let (host, port) = text.rsplit_once(':').ok_or_else(refuse)?;
    let port = port.parse().map_err(|_| refuse())?;
    if host.contains(['/', '?', '#', '@', '\\']) {
        return Err(refuse());
    }
    let url = Url::parse(&format!("http://{host}/")).map_err(|_| refuse())?;
    match (url.host_str(), url.port()) {
        (Some(host), None) => Ok((host.to_owned(), port)),
        _ => Err(refuse()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_exactly_a_host_and_a_port() {
        let to = "127.0.0.1:9".parse().unwrap();
        let routes = Routes::new(&EgressConfig {
            named: vec!["127.0.0.1:9000".into(), "[::1]:80".into(), "Vault.Internal:8200".into(), "0x7f.2:1".into()],
            connect_to: vec![("API.example.com:443".into(), to)],
            ca_pem: Vec::new(),
        })
        .unwrap();
        for (host, port, expected) in [
            ("127.0.0.1", 9000, Route::Named),
            ("127.0.0.1", 9001, Route::Public),
            ("127.0.0.2", 1, Route::Named),
            ("[::1]", 80, Route::Named),
            ("vault.internal", 8200, Route::Named),
            ("x.vault.internal", 8200, Route::Public),
            ("api.example.com", 443, Route::To(to)),
            ("api.example.com", 8443, Route::Public),
        ] {
            assert_eq!(routes.route(host, port), expected, "{host}:{port}");
        }
    }

    #[test]
    fn refuses_what_is_no_host_and_port() {
        for text in ["", "host", "host:", ":80", "host:99999", "::1", "a/b:80", "u@h:80", "http://h:80", "h:1:80"] {
            assert!(host_port(text).is_err(), "{text}");
        }
    }
}
