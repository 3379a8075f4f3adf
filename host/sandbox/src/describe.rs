//! `describe`: what a plugin offers, asked once, at upload.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use sophia_domain::{ByteSize, Fault, KeyId, Limits, PluginName, RequestId, Span, TenantId};
use sophia_egress::Rights;

use crate::{Call, Description, Program, SecretNames, bindings::exports::sophia::plugin::about, program::Exports};

/// A description is small and computed: no vendor is asked.
const LIMITS: Limits = Limits {
    memory: ByteSize::mib(256),
    cpu: Span::millis(1_000),
    wall: Span::millis(5_000),
    request: ByteSize(64 << 10),
    response: ByteSize::mib(1),
    host_calls: 1_000,
    log: ByteSize(16 << 10),
    reuse: 0,
};

impl Program {
    /// Asks the plugin what it offers; none for an endpoint, which has no `describe`.
    ///
    /// Nothing is granted meanwhile: rights, configuration and secrets are empty.
    ///
    /// # Errors
    /// The fault, where the plugin does not answer within fixed limits.
    pub async fn describe(&self, tenant: TenantId, plugin: PluginName) -> Result<Option<Description>, Fault> {
        let function = match &self.exports {
            Exports::Connector { about, .. } | Exports::Pattern { about, .. } | Exports::Policy { about, .. } => about,
            Exports::Proxy(_) | Exports::Service(_) => return Ok(None),
        };
        let call = Call {
            tenant,
            // Nothing is granted that could be spent.
            key: KeyId::from("describe"),
            plugin,
            connection: None,
            request_id: RequestId::from_bits(0),
            traceparent: None,
            limits: LIMITS,
            rights: Arc::new(Rights::default()),
            config: Arc::new(BTreeMap::new()),
            secrets: Arc::new(SecretNames::default()),
            classes: Arc::new(BTreeSet::new()),
            run: None,
        };
        let (answer, _) = self.call::<(), (about::Description,)>(call, function, ()).await;
        answer.map(|(said,)| Some(Description::from(said)))
    }
}
