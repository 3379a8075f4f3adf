pub use crate::bindings::routing_policy::exports::sophia::plugin::routing::{
    Candidate, Decision, Health, RoutingRequest,
};
use crate::{Description, Error};

/// Decides where requests go. Says so with one or more of the traits beside it: [`Routing`].
pub trait Policy {
    /// What the policy does and how it is configured. Pure.
    fn describe() -> Description;
}

/// Which model answers a request. Export it with [`routing_policy!`](crate::routing_policy!).
pub trait Routing: Policy {
    /// Decides. Must be pure and quick: it stands in the path of every model call. A fault
    /// refuses the request unless the operator wrote `on_fault = "open"`.
    fn route(request: RoutingRequest, candidates: Vec<Candidate>) -> Result<Decision, Error>;
}

/// Exports a type that implements [`Routing`] as the plugin. Once in a crate.
#[macro_export]
macro_rules! routing_policy {
    ($plugin:ty) => {
        const _: fn() -> $crate::Description = <$plugin as $crate::Policy>::describe;

        #[cfg(target_family = "wasm")]
        #[expect(unsafe_code, reason = "the component model's exports, generated")]
        const _: () = {
            type Exported = $crate::shell::Shell<$plugin>;
            $crate::bindings::routing_policy::export_routing_policy!(
                Exported with_types_in $crate::bindings::routing_policy
            );
        };
    };
}
