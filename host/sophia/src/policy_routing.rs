//! The port of `models` to the policy that the operator granted.

use async_trait::async_trait;
use sophia_models::{Asker, Candidate, Decision, Routing, RoutingFault, RoutingRequest};

/// Asks the policy that routes.
#[derive(Default)]
pub(crate) struct PolicyRouting {}

#[async_trait]
impl Routing for PolicyRouting {
    async fn route(
        &self,
        _asker: &Asker,
        _request: &RoutingRequest,
        _candidates: &[Candidate],
    ) -> Result<Option<Decision>, RoutingFault> {
        Ok(None)
    }
}
