//! `check`, `read` and `actions` of a connection.

use std::sync::Arc;

use http::{HeaderMap, Response};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use sophia_domain::{Fault, Problem, ProblemDocument, Step, World};
use sophia_identity::Resource;
use sophia_registry::{LiveConnection, LivePlugin};
use sophia_sandbox::Page;
use tracing::Instrument;

use super::{call, target::Operation};
use crate::{
    http::{body::Body, caller_body::CallerBody, exchange::Exchange},
    json,
};

/// Items of a page, where the caller does not say.
const DEFAULT_LIMIT: u32 = 100;
/// Most items that may be asked for; the answer's bytes are bounded besides.
const MAX_LIMIT: u32 = 10_000;

/// `{stream, cursor?, limit?}`
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ReadRequest {
    stream: String,
    #[serde(default)]
    cursor: Option<Box<RawValue>>,
    #[serde(default)]
    limit: Option<u32>,
}

/// `{items, next, more}`
#[derive(Serialize)]
struct ReadAnswer {
    items: Vec<Box<RawValue>>,
    next: Option<Box<RawValue>>,
    more: bool,
}

/// Calls a connection with the caller's body.
pub(super) async fn call(
    exchange: &mut Exchange,
    (connector, connection): (&str, &str),
    operation: Operation<'_>,
    headers: &HeaderMap,
    mut body: CallerBody,
) -> Result<Response<Body>, ProblemDocument> {
    call::authorise(exchange, headers, Resource::connection(connector, connection))?;
    let plugin = call::plugin(exchange, connector, World::Connector)?;
    let connection = self::connection(&plugin, connection)?;
    let _permit = call::admit(exchange, &plugin, Some(&connection.name)).await?;
    match operation {
        Operation::Act(action) => act(exchange, &plugin, &connection, action, &mut body).await,
        Operation::Read => read(exchange, &plugin, &connection, &mut body).await,
        Operation::Check | Operation::Webhook => check(exchange, &plugin, &connection).await,
    }
}

/// A connection of a connector.
pub(super) fn connection(plugin: &LivePlugin, name: &str) -> Result<Arc<LiveConnection>, ProblemDocument> {
    plugin.connection(name).cloned().ok_or_else(|| {
        let connector = &plugin.name;
        let name = call::shown(name);
        let detail =
            format!("`{connector}` has no connection `{name}`: make it with PUT /v1/connections/{connector}/{{name}}");
        Problem::caller(404, "unknown-connection", "There is no such connection", detail).at(Step::Lookup)
    })
}

async fn check(
    exchange: &mut Exchange,
    plugin: &LivePlugin,
    connection: &LiveConnection,
) -> Result<Response<Body>, ProblemDocument> {
    let call = call::prepare(exchange, plugin, connection, Some(&connection.name));
    let done = plugin.program.check(call).instrument(call::span(plugin)).await;
    call::done(exchange, plugin, done, Ok)?;
    Ok(json::answer(br#"{"ok":true}"#.to_vec()))
}

async fn act(
    exchange: &mut Exchange,
    plugin: &LivePlugin,
    connection: &LiveConnection,
    action: &str,
    body: &mut CallerBody,
) -> Result<Response<Body>, ProblemDocument> {
    if !plugin.offers_operation(action) {
        return Err(unknown_action(plugin, action));
    }
    let arguments = call::body(exchange, plugin, body).await?;
    let arguments = json::text(&arguments)?;
    let call = call::prepare(exchange, plugin, connection, Some(&connection.name));
    let done = plugin.program.act(call, action, arguments).instrument(call::span(plugin)).await;
    let result = call::done(exchange, plugin, done, |result| json::guests(result, "the result"))?;
    Ok(json::answer(String::from(Box::<str>::from(result)).into_bytes()))
}

async fn read(
    exchange: &mut Exchange,
    plugin: &LivePlugin,
    connection: &LiveConnection,
    body: &mut CallerBody,
) -> Result<Response<Body>, ProblemDocument> {
    let body = call::body(exchange, plugin, body).await?;
    let request: ReadRequest = json::shape(&body)?;
    if !plugin.offers_stream(&request.stream) {
        return Err(unknown_stream(plugin, &request.stream));
    }
    let limit = request.limit.unwrap_or(DEFAULT_LIMIT);
    if limit == 0 || limit > MAX_LIMIT {
        let detail = format!("`limit` is {limit}: ask for 1 to {MAX_LIMIT} items");
        return Err(Problem::caller(422, "wrong-limit", "The limit cannot be", detail).at(Step::Request));
    }
    let cursor = request.cursor.as_deref().map(RawValue::get).filter(|cursor| *cursor != "null");
    let call = call::prepare(exchange, plugin, connection, Some(&connection.name));
    let done = plugin.program.read(call, &request.stream, cursor, limit).instrument(call::span(plugin)).await;
    let page = call::done(exchange, plugin, done, ReadAnswer::of)?;
    json::written(&page)
}

impl ReadAnswer {
    fn of(page: Page) -> Result<Self, Fault> {
        let items = page.items.into_iter().map(|item| json::guests(item, "an item"));
        Ok(Self {
            items: items.collect::<Result<_, _>>()?,
            next: page.next.map(|next| json::guests(next, "the cursor")).transpose()?,
            more: page.more,
        })
    }
}

fn unknown_action(plugin: &LivePlugin, action: &str) -> ProblemDocument {
    let operations = plugin.description.iter().flat_map(|said| &said.operations);
    let detail = not_offered(plugin, "action", action, operations.map(|operation| operation.name.as_str()));
    Problem::caller(404, "unknown-action", "There is no such action", detail).at(Step::Lookup)
}

fn unknown_stream(plugin: &LivePlugin, stream: &str) -> ProblemDocument {
    let streams = plugin.description.iter().flat_map(|said| &said.streams);
    let detail = not_offered(plugin, "stream", stream, streams.map(|stream| stream.name.as_str()));
    Problem::caller(404, "unknown-stream", "There is no such stream", detail).at(Step::Lookup)
}

fn not_offered<'a>(plugin: &LivePlugin, what: &str, name: &str, offered: impl Iterator<Item = &'a str>) -> String {
    let offered: Vec<&str> = offered.collect();
    let offered = if offered.is_empty() { "none".to_owned() } else { offered.join(", ") };
    format!("`{}` has no {what} `{}`; it offers: {offered}", plugin.name, call::shown(name))
}
