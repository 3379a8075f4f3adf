//! One request to one upstream, by the only way out.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, header};
use sophia_egress::{Egress, InboundBody, Outbound, OutboundBody, Redirects};

use crate::{
    Asker, UpstreamError,
    fleet::{Served, Upstream},
    upstream_error::{self, Failure},
};

/// A request and its bounds.
pub(crate) struct Post {
    pub(crate) url: String,
    pub(crate) body: Vec<u8>,
    /// Until the last byte of the answer.
    pub(crate) timeout: Duration,
    pub(crate) max_response: u64,
}

/// Of an answer that refuses, as much as is read for its reason.
const MAX_REFUSAL: usize = 64 << 10;

/// Sends it and gives the body of an answer that is a success, still to come.
pub(crate) async fn send(egress: &Egress, asker: &Asker, served: &Served, post: Post) -> Result<InboundBody, Failure> {
    let answer = egress.send(&served.upstream.rights, outbound(asker, post)).await;
    let (head, body) = answer.map_err(|error| Failure::from_egress(&served.upstream, &error))?.into_parts();
    if head.status.is_success() {
        return Ok(body);
    }
    let refusal = refusal(body).await;
    Err(upstream_error::from_answer(head.status, &head.headers, &refusal, served.model.context_tokens))
}

/// Sends it and gives the whole answer.
pub(crate) async fn send_whole(egress: &Egress, asker: &Asker, served: &Served, post: Post) -> Result<Bytes, Failure> {
    let body = send(egress, asker, served, post).await?;
    body.collect_bounded().await.map_err(|error| Failure::from_egress(&served.upstream, &error))
}

impl Failure {
    /// An operator must know of what is configured wrong; the rest is told by health.
    pub(crate) fn from_egress(upstream: &Upstream, error: &sophia_egress::EgressError) -> Self {
        let failure = UpstreamError::from_egress(error);
        if failure == UpstreamError::Unusable {
            tracing::error!(upstream = upstream.name, %error, "an upstream cannot be used as it is configured");
        }
        Self::Upstream(failure)
    }
}

fn outbound(asker: &Asker, post: Post) -> Outbound {
    let json = HeaderValue::from_static("application/json");
    Outbound {
        method: Method::POST,
        url: post.url,
        headers: HeaderMap::from_iter([(header::CONTENT_TYPE, json)]),
        max_request: post.body.len() as u64,
        body: OutboundBody::Bytes(post.body.into()),
        credential: None,
        redirects: Redirects::Return,
        timeout: post.timeout,
        max_response: post.max_response,
        traceparent: asker.traceparent.clone(),
    }
}

/// What can be had of a refusal's body: its reason is worth no error of its own.
async fn refusal(mut body: InboundBody) -> Vec<u8> {
    let mut whole = Vec::new();
    while let Ok(Some(data)) = body.next_data().await {
        let room = MAX_REFUSAL - whole.len();
        whole.extend(data.iter().take(room));
        if data.len() >= room {
            break;
        }
    }
    whole
}
