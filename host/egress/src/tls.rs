use std::sync::Arc;

use rustls::{
    ClientConfig, RootCertStore,
    pki_types::{CertificateDer, pem::PemObject},
};

use crate::EgressConfigError;

/// Trust in the system's authorities and the operator's, with `ring` for the cryptography.
pub(crate) fn client_config(ca_pem: &[u8]) -> Result<ClientConfig, EgressConfigError> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(EgressConfigError::Tls)?
        .with_root_certificates(authorities(ca_pem)?)
        .with_no_client_auth();
    Ok(config)
}

fn authorities(ca_pem: &[u8]) -> Result<RootCertStore, EgressConfigError> {
    let system = rustls_native_certs::load_native_certs();
    let mut store = RootCertStore::empty();
    let (n_trusted, _) = store.add_parsable_certificates(system.certs);
    if n_trusted == 0 {
        tracing::warn!("this system has no certificate authorities: HTTPS works only with those in `[egress] ca_file`");
    }
    for certificate in CertificateDer::pem_slice_iter(ca_pem) {
        let certificate = certificate.map_err(|_| EgressConfigError::Authorities)?;
        store.add(certificate).map_err(|_| EgressConfigError::Authorities)?;
    }
    Ok(store)
}
