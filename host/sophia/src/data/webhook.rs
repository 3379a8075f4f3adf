//! A vendor's call to a connection. Public by nature: the plugin verifies the signature, and
//! what it does not accept is dropped.
//!
//! Accepted events are counted. Nothing stores them before syncs exist, and nothing says it does.

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Response, header, request::Parts};
use sophia_domain::{Problem, ProblemDocument, Step, World};
use sophia_sandbox::{PluginError, WebhookOutcome, WebhookRequest};
use tracing::Instrument;

use super::{call, connector};
use crate::{
    config::Config,
    http::{body::Body, caller_body::CallerBody, exchange::Exchange},
    json,
};

/// Hands a webhook to its connector.
pub(super) async fn take(
    exchange: &mut Exchange,
    (connector, connection): (&str, &str),
    head: Parts,
    mut body: CallerBody,
) -> Result<Response<Body>, ProblemDocument> {
    let plugin = call::plugin(exchange, connector, World::Connector)?;
    let connection = connector::connection(&plugin, connection)?;
    let _permit = call::admit(exchange, &plugin, Some(&connection.name)).await?;
    let body = call::body(exchange, &plugin, &mut body).await?;
    let request = WebhookRequest {
        method: head.method.as_str().to_owned(),
        url: called_url(&exchange.node.config, &head),
        headers: headers(&head.headers),
        body: body.to_vec(),
    };
    let call = call::prepare(exchange, &plugin, &connection, Some(&connection.name));
    let mut done = plugin.program.webhook(call, request).instrument(call::span(&plugin)).await;
    if let Ok(answer) = &mut done.outcome
        && matches!(answer, Err(PluginError::Denied(_)))
    {
        exchange.called("denied", done.spent);
        return Err(not_genuine());
    }
    let outcome = call::done(exchange, &plugin, done, |outcome: WebhookOutcome| {
        let n_events = outcome.events.len();
        outcome.events.into_iter().try_for_each(|event| json::guests(event, "an event").map(drop))?;
        Ok((n_events, outcome.reply))
    })?;
    let (n_events, reply) = outcome;
    exchange.node.metrics.webhook_events.add(u64::try_from(n_events).unwrap_or(u64::MAX));
    Ok(answer(reply))
}

fn not_genuine() -> ProblemDocument {
    let detail = "the plugin did not accept the signature: check the secret bound to the connection";
    Problem::caller(401, "webhook-denied", "The webhook is not genuine", detail).at(Step::Right)
}

fn answer(reply: String) -> Response<Body> {
    let mut response = Response::new(Body::Full(Bytes::from(reply)));
    let text = HeaderValue::from_static("text/plain; charset=utf-8");
    response.headers_mut().insert(header::CONTENT_TYPE, text);
    response
}

/// The URL as the vendor called it, which vendors sign. A proxy in front says the scheme; a lie
/// about it makes a signature fail, and does nothing else.
fn called_url(config: &Config, head: &Parts) -> String {
    let path = head.uri.path_and_query().map_or("/", |path| path.as_str());
    if let Some(public) = &config.http.public_url {
        return format!("{}{path}", public.as_str().trim_end_matches('/'));
    }
    let is_https = head.headers.get("x-forwarded-proto").is_some_and(|proto| proto == "https");
    let scheme = if is_https { "https" } else { "http" };
    let host = head.headers.get(header::HOST).and_then(|host| host.to_str().ok());
    let host = host.or_else(|| head.uri.authority().map(|authority| authority.as_str())).unwrap_or("localhost");
    format!("{scheme}://{host}{path}")
}

/// Names are in lower case already. Values that are no text are of no use to a signature.
fn headers(headers: &HeaderMap) -> Vec<(String, String)> {
    let pairs =
        headers.iter().filter_map(|(name, value)| Some((name.as_str().to_owned(), value.to_str().ok()?.to_owned())));
    pairs.collect()
}
