//! Endpoints: whatever stands below `/x/{plugin}` goes to the guest, streaming both ways.
//!
//! The guest sees the path below its name, `/…`, and finds the rest in `x-forwarded-prefix`.
//! It never sees the caller's key, nor headers that belong to one connection.

use std::time::Instant;

use http::{HeaderName, HeaderValue, Method, Request, Response, Uri, header, request::Parts};
use http_body::Body as _;
use sophia_domain::{Problem, ProblemDocument, Step, World, strip_hop_by_hop};
use sophia_identity::{Permission, Resource, Unauthorised};
use sophia_registry::{Access, LivePlugin};
use sophia_sandbox::Spent;
use tracing::Instrument;

use super::call;
use crate::{
    http::{
        body::Body,
        caller_body::{CallerBody, IntakeError},
        exchange::Exchange,
        problem::Failure,
    },
    unauthorised::{forbidden, unauthorised},
};

const PREFIX: HeaderName = HeaderName::from_static("x-forwarded-prefix");

/// Hands a request to its endpoint.
pub(super) async fn call(
    exchange: &mut Exchange,
    name: &str,
    mut head: Parts,
    body: CallerBody,
) -> Result<Response<Body>, ProblemDocument> {
    let plugin = call::plugin(exchange, name, World::Endpoint);
    let is_ours = exchange.node.identity.identify(head.headers.get(header::AUTHORIZATION));
    // Whether an endpoint exists is told to those with a key only, unless it is public.
    if !plugin.as_ref().is_ok_and(|plugin| plugin.access == Access::Public) {
        let caller = is_ours.as_ref().map_err(unauthorised)?;
        caller.needs(Permission::AgentExecute, Resource::plugin(name)).map_err(|refused| forbidden(&refused))?;
    }
    if let Ok(caller) = &is_ours {
        exchange.asked_by(caller.clone());
    }
    let plugin = plugin?;
    // Also one that has expired: it was a key of ours, and a rotated one's holder may still send it.
    if matches!(is_ours, Ok(_) | Err(Unauthorised::Expired)) {
        head.headers.remove(header::AUTHORIZATION);
    }
    if body.size_hint().lower() > plugin.limits.request.0 {
        return Err(IntakeError::TooLarge(plugin.limits.request).problem());
    }
    let request = request(&plugin, head, body)?;
    let connection = plugin.default_connection();
    let permit = call::admit(exchange, &plugin, None).await?;
    let call = call::prepare(exchange, &plugin, connection, None);
    let began = Instant::now();
    match plugin.program.handle(call, request).instrument(call::span(&plugin)).await {
        Ok(mut response) => {
            // What it used is counted when the body ends.
            exchange.waited(began.elapsed());
            strip_hop_by_hop(response.headers_mut());
            Ok(response.map(|body| Body::guest(body, permit)))
        }
        Err((fault, spent)) => {
            let spent = Spent { wall: spent.wall.max(began.elapsed()), ..spent };
            Err(call::failed(exchange, &plugin, Failure::Fault(fault), spent))
        }
    }
}

/// The request as the guest sees it.
fn request(plugin: &LivePlugin, mut head: Parts, body: CallerBody) -> Result<Request<CallerBody>, ProblemDocument> {
    if head.method == Method::CONNECT {
        let detail = "an endpoint takes every method but CONNECT";
        let problem = Problem::caller(405, "method-not-allowed", "The route does not take this method", detail);
        return Err(problem.at(Step::Route));
    }
    if !head.headers.contains_key(header::HOST) {
        let authority = head.uri.authority().map_or("localhost", |authority| authority.as_str());
        head.headers.insert(header::HOST, HeaderValue::from_str(authority).map_err(|_| wrong_target())?);
    }
    strip_hop_by_hop(&mut head.headers);
    let prefix = format!("/x/{}", plugin.name);
    head.uri = below(&head.uri, &prefix)?;
    head.headers.insert(PREFIX, HeaderValue::from_str(&prefix).map_err(|_| wrong_target())?);
    Ok(Request::from_parts(head, body))
}

/// The path and query below a prefix.
fn below(uri: &Uri, prefix: &str) -> Result<Uri, ProblemDocument> {
    let whole = uri.path_and_query().map_or("", |path| path.as_str());
    let rest = whole.strip_prefix(prefix).unwrap_or_default();
    let parsed = if rest.starts_with('/') { Uri::try_from(rest) } else { Uri::try_from(format!("/{rest}")) };
    parsed.map_err(|_| wrong_target())
}

fn wrong_target() -> ProblemDocument {
    let detail = "write a path, and a host that is one";
    Problem::caller(400, "wrong-target", "The request's target cannot be read", detail).at(Step::Route)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shows_the_guest_the_path_below_its_name() {
        for (given, expected) in [
            ("/x/hello", "/"),
            ("/x/hello/", "/"),
            ("/x/hello?a=b", "/?a=b"),
            ("/x/hello/a/b?c", "/a/b?c"),
            ("/x/hello//evil.example/", "//evil.example/"),
        ] {
            let uri: Uri = given.parse().unwrap();
            assert_eq!(below(&uri, "/x/hello").unwrap().to_string(), expected, "{given}");
        }
    }
}
