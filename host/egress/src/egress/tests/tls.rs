use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::{
    ServerConfig,
    pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer},
};
use tokio_rustls::TlsAcceptor;

use super::{
    server::{Server, text},
    world::{BEARER, SECRET, World, anywhere, body, get},
};
use crate::{Egress, EgressConfig, EgressConfigError, EgressError};

/// An authority of our own.
struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    fn pem(&self) -> Vec<u8> {
        self.0.pem().into_bytes()
    }

    /// A server with a certificate for `name`, over HTTP/2 and HTTP/1.1.
    async fn server(&self, name: &str) -> Server {
        let key = KeyPair::generate().unwrap();
        let certificate = CertificateParams::new([name.to_owned()]).unwrap().signed_by(&key, &self.0).unwrap();
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![certificate.der().clone()], key)
            .unwrap();
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        let acceptor = TlsAcceptor::from(Arc::new(config));
        Server::over(
            |_| text("ok"),
            move |stream| {
                let acceptor = acceptor.clone();
                async move { acceptor.accept(stream).await.ok() }
            },
        )
        .await
    }
}

fn egress(server: &Server, ca_pem: Vec<u8>) -> Egress {
    let connect_to = vec![("api.vendor.example:443".into(), server.address)];
    Egress::new(EgressConfig { connect_to, ca_pem, ..EgressConfig::default() }).unwrap()
}

const URL: &str = "https://api.vendor.example/v1";

#[tokio::test]
async fn a_vendor_elsewhere_must_still_prove_its_name() {
    let world = World::new().await;
    let authority = Authority::new();
    let rights = anywhere(vec![world.credential(BEARER, &["https://api.vendor.example/*"])]);

    let server = authority.server("api.vendor.example").await;
    assert_eq!(body(egress(&server, authority.pem()).send(&rights, get(URL)).await).await.unwrap(), "ok");
    assert_eq!(server.last().header("authorization"), Some(format!("Bearer {SECRET}").as_str()));

    let imposter = authority.server("api.other.example").await;
    let stranger = Authority::new().server("api.vendor.example").await;
    for server in [imposter, stranger] {
        let error = egress(&server, authority.pem()).send(&rights, get(URL)).await.unwrap_err();
        assert!(matches!(error, EgressError::Tls(_)), "{error:?}");
        assert!(server.seen().is_empty());
    }
    let plain = Server::start(|_| text("ok")).await;
    let error = egress(&plain, authority.pem()).send(&rights, get(URL)).await.unwrap_err();
    assert!(matches!(error, EgressError::Tls(_)), "{error:?}");
}

#[test]
fn a_file_that_is_no_certificate_is_refused() {
    let broken = b"-----BEGIN CERTIFICATE-----\nbm90IGEgY2VydGlmaWNhdGU=\n-----END CERTIFICATE-----\n".to_vec();
    let config = EgressConfig { ca_pem: broken, ..EgressConfig::default() };
    assert!(matches!(Egress::new(config), Err(EgressConfigError::Authorities)));
}
