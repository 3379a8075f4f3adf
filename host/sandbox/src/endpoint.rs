//! Endpoints: a guest that answers HTTP itself, `wasi:http` 0.2 or 0.3, streaming both ways.
//!
//! The head of the answer goes out as soon as the guest has given it; the guest goes on in a
//! task that the answer's body owns. The call ends when the guest is done or the body is dropped,
//! whichever comes first, and its wall time runs until the last byte. What it came to is known
//! then, and told to whoever [ended](EndpointBody::end) the body.

mod body;
mod proxy;
mod service;
mod tally;

use bytes::Bytes;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use sophia_domain::{ByteSize, Fault};
use wasmtime_wasi_http::{Error, WasiBody};

pub use body::EndpointBody;
pub use tally::Ended;

use crate::{Call, Program, Spent, program::Exports};

impl Program {
    /// Answers a request. The request's URI is the path as the guest shall see it; its authority
    /// comes from the URI or the `host` header, one of which must be there.
    ///
    /// Cancel-safe: dropping the future or the answer's body drops the store.
    ///
    /// # Errors
    /// The fault that came before the answer's head, and what the call used until then.
    pub async fn handle<B>(
        &self,
        call: Call,
        request: http::Request<B>,
    ) -> Result<http::Response<EndpointBody>, (Fault, Spent)>
    where
        B: http_body::Body<Data = Bytes> + Send + 'static,
        B::Error: std::error::Error + Send + Sync + 'static,
    {
        let limit = call.limits.request;
        let request = request.map(|body| bounded(body, limit));
        match &self.exports {
            Exports::Proxy(pre) => self.proxy(pre, call, request).await,
            Exports::Service(pre) => self.service(pre, call, request).await,
            _ => Err((Fault::Contract("the plugin is no endpoint".into()), Spent::default())),
        }
    }
}

/// A request's body that ends in an error beyond its limit.
fn bounded<B>(body: B, limit: ByteSize) -> WasiBody
where
    B: http_body::Body<Data = Bytes> + Send + 'static,
    B::Error: std::error::Error + Send + Sync + 'static,
{
    Limited::new(body, limit.as_usize())
        .map_err(move |error| {
            if error.is::<LengthLimitError>() {
                Error::HttpRequestBodySize(Some(limit.0))
            } else {
                Error::InternalError(Some(error.to_string()))
            }
        })
        .boxed_unsync()
}
