//! Who may use which route of the control API: one table, asked before every handler.
//!
//! A route that does not stand in it is refused to everybody.

use std::{str::FromStr, sync::Arc};

use axum::{
    body::Body,
    extract::{MatchedPath, RawPathParams, State, rejection::RawPathParamsRejection},
    middleware::Next,
    response::Response,
};
use http::{Method, Request, header};
use serde::Serialize;
use sophia_domain::{Problem, Step};
use sophia_identity::{Kind, Permission, Resource};

use super::Refusal;
use crate::{
    node::Node,
    unauthorised::{forbidden, unauthorised},
};

/// A route and what its caller must have.
#[derive(Debug, Clone, Copy, Serialize)]
pub(crate) struct Row {
    /// The HTTP method.
    pub(crate) method: &'static str,
    /// The path, names in braces.
    pub(crate) path: &'static str,
    /// None where the route decides itself, or is everybody's.
    pub(crate) needs: Option<Permission>,
    /// For what it is needed: a resource with the path's names in braces, or `KIND:*` where the
    /// handler asks about each thing of the kind and shows no other.
    pub(crate) resource: Option<&'static str>,
}

const fn open(method: &'static str, path: &'static str) -> Row {
    Row { method, path, needs: None, resource: None }
}

const fn row(method: &'static str, path: &'static str, needs: Permission, resource: &'static str) -> Row {
    Row { method, path, needs: Some(needs), resource: Some(resource) }
}

/// The routes, in the order of the router.
pub(crate) const ROUTES: &[Row] = {
    use Permission as P;
    &[
        row("GET", "/v1/plugins", P::SophiaRead, "plugin:*"),
        row("PUT", "/v1/plugins/{name}", P::AgentCreate, "plugin:{name}"),
        row("GET", "/v1/plugins/{name}", P::SophiaRead, "plugin:{name}"),
        row("DELETE", "/v1/plugins/{name}", P::AgentCreate, "plugin:{name}"),
        row("GET", "/v1/plugins/{name}/versions", P::SophiaRead, "plugin:{name}"),
        row("POST", "/v1/plugins/{name}/rollback", P::AgentCreate, "plugin:{name}"),
        row("GET", "/v1/plugins/{name}/grants", P::SophiaRead, "plugin:{name}"),
        row("POST", "/v1/plugins/{name}/grants", P::SystemConfig, "plugin:{name}"),
        row("GET", "/v1/plugins/{name}/logs", P::SophiaRead, "plugin:{name}"),
        row("GET", "/v1/connections", P::SophiaRead, "connection:*"),
        row("PUT", "/v1/connections/{connector}/{name}", P::SophiaWrite, "connection:{connector}/{name}"),
        row("GET", "/v1/connections/{connector}/{name}", P::SophiaRead, "connection:{connector}/{name}"),
        row("DELETE", "/v1/connections/{connector}/{name}", P::SophiaWrite, "connection:{connector}/{name}"),
        row("GET", "/v1/secrets", P::SecretRead, "secret:*"),
        row("PUT", "/v1/secrets/{name}", P::SecretWrite, "secret:{name}"),
        row("DELETE", "/v1/secrets/{name}", P::SecretDelete, "secret:{name}"),
        row("GET", "/v1/keys", P::UserInvite, "key:*"),
        row("POST", "/v1/keys", P::UserInvite, "key:*"),
        row("DELETE", "/v1/keys/{name}", P::UserManage, "key:{name}"),
        row("POST", "/v1/keys/{name}/rotate", P::UserManage, "key:{name}"),
        row("GET", "/v1/permissions", P::SophiaRead, "node:permissions"),
        row("GET", "/v1/costs", P::SophiaRead, "cost:tenant"),
        row("GET", "/v1/budgets", P::SophiaRead, "budget:*"),
        row("GET", "/v1/budgets/tenant", P::SophiaRead, "budget:tenant"),
        row("PUT", "/v1/budgets/tenant", P::SystemConfig, "budget:tenant"),
        row("DELETE", "/v1/budgets/tenant", P::SystemConfig, "budget:tenant"),
        row("POST", "/v1/budgets/tenant/release", P::SystemConfig, "budget:tenant"),
        row("GET", "/v1/budgets/keys/{key}", P::SophiaRead, "budget:keys/{key}"),
        row("PUT", "/v1/budgets/keys/{key}", P::SystemConfig, "budget:keys/{key}"),
        row("DELETE", "/v1/budgets/keys/{key}", P::SystemConfig, "budget:keys/{key}"),
        row("POST", "/v1/budgets/keys/{key}/release", P::SystemConfig, "budget:keys/{key}"),
        row("GET", "/v1/budgets/runs/{run}", P::SophiaRead, "budget:runs/{run}"),
        row("PUT", "/v1/budgets/runs/{run}", P::SystemConfig, "budget:runs/{run}"),
        row("DELETE", "/v1/budgets/runs/{run}", P::SystemConfig, "budget:runs/{run}"),
        row("POST", "/v1/budgets/runs/{run}/release", P::SystemConfig, "budget:runs/{run}"),
        row("GET", "/v1/limits", P::SophiaRead, "limit:*"),
        row("GET", "/v1/limits/tenant", P::SophiaRead, "limit:tenant"),
        row("PUT", "/v1/limits/tenant", P::SystemConfig, "limit:tenant"),
        row("DELETE", "/v1/limits/tenant", P::SystemConfig, "limit:tenant"),
        row("GET", "/v1/limits/keys/{key}", P::SophiaRead, "limit:keys/{key}"),
        row("PUT", "/v1/limits/keys/{key}", P::SystemConfig, "limit:keys/{key}"),
        row("DELETE", "/v1/limits/keys/{key}", P::SystemConfig, "limit:keys/{key}"),
        row("POST", "/v1/swarms/{pattern}/runs", P::AgentExecute, "plugin:{pattern}"),
        row("GET", "/v1/runs", P::SophiaRead, "run:*"),
        row("GET", "/v1/runs/{id}", P::SophiaRead, "run:*"),
        row("GET", "/v1/runs/{id}/timeline", P::SophiaRead, "run:*"),
        row("GET", "/v1/runs/{id}/events", P::SophiaRead, "run:*"),
        row("GET", "/v1/runs/{id}/journal", P::SophiaRead, "run:*"),
        row("POST", "/v1/runs/{id}/cancel", P::AgentExecute, "run:*"),
        open("GET", "/live"),
        open("GET", "/ready"),
        open("GET", "/health"),
        open("GET", "/config"),
        open("GET", "/metrics"),
    ]
};

/// What stands in the table of a route.
enum Found {
    Row(Row),
    /// The path is there with other methods: the router says which.
    OtherMethod,
    Missing,
}

fn find(method: &Method, path: &str) -> Found {
    // A head is answered by what answers a get.
    let method = if method == Method::HEAD { &Method::GET } else { method };
    let mut of_path = ROUTES.iter().filter(|row| row.path == path).peekable();
    if of_path.peek().is_none() {
        return Found::Missing;
    }
    let found = of_path.find(|row| Method::from_str(row.method).is_ok_and(|own| own == *method));
    found.map_or(Found::OtherMethod, |row| Found::Row(*row))
}

/// Lets through whom the table lets through, and notes who it is and by what row.
pub(super) async fn check(
    State(node): State<Arc<Node>>,
    path: MatchedPath,
    names: Result<RawPathParams, RawPathParamsRejection>,
    mut request: Request<Body>,
    next: Next,
) -> Result<Response, Refusal> {
    let (row, needed, resource) = match find(request.method(), path.as_str()) {
        Found::Row(row @ Row { needs: Some(needed), resource: Some(resource), .. }) => (row, needed, resource),
        Found::Row(_) | Found::OtherMethod => return Ok(next.run(request).await),
        Found::Missing => return Err(without_a_row(path.as_str())),
    };
    let caller = node.identity.identify(request.headers().get(header::AUTHORIZATION));
    let caller = caller.map_err(|refused| unauthorised(&refused))?;
    let names = names.map_err(|refused| {
        let problem = Problem::caller(400, "invalid-name", "A name in the path cannot be", refused.body_text());
        problem.at(Step::Request)
    })?;
    let permitted = match asked(resource, &names).ok_or_else(|| without_a_row(path.as_str()))? {
        Asked::Some(kind) => caller.needs_some(needed, kind),
        Asked::One(kind, name) => caller.needs(needed, Resource::of(kind, name)),
    };
    permitted.map_err(|refused| forbidden(&refused))?;
    request.extensions_mut().insert(caller);
    request.extensions_mut().insert(row);
    Ok(next.run(request).await)
}

/// What a row's resource means in a request.
enum Asked {
    /// The handler asks about each.
    Some(Kind),
    One(Kind, String),
}

/// Puts the path's names in a template. None for one that is wrong, which a test looks for.
fn asked(template: &str, names: &RawPathParams) -> Option<Asked> {
    let (word, rest) = template.split_once(':')?;
    let kind = *Kind::ALL.iter().find(|kind| kind.as_str() == word)?;
    if rest == "*" {
        return Some(Asked::Some(kind));
    }
    let (mut name, mut rest) = (String::new(), rest);
    while let Some((before, after)) = rest.split_once('{') {
        let (key, after) = after.split_once('}')?;
        name.push_str(before);
        name.push_str(names.iter().find(|(known, _)| *known == key)?.1);
        rest = after;
    }
    name.push_str(rest);
    Some(Asked::One(kind, name))
}

fn without_a_row(path: &str) -> Refusal {
    tracing::error!(path, "a route has no row in the table of who may use it, and is refused to everybody");
    let detail = "this is a fault of the node: nothing was done";
    Problem::host(500, "route-without-access", "Nobody may use this route", detail).at(Step::Right).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_route_is_found_by_its_method_and_path() {
        let needs = |method: Method, path| match find(&method, path) {
            Found::Row(row) => row.needs,
            Found::OtherMethod | Found::Missing => panic!("{method} {path}"),
        };
        assert_eq!(needs(Method::GET, "/v1/plugins/{name}"), Some(Permission::SophiaRead));
        assert_eq!(needs(Method::HEAD, "/v1/plugins/{name}"), Some(Permission::SophiaRead));
        assert_eq!(needs(Method::DELETE, "/v1/plugins/{name}"), Some(Permission::AgentCreate));
        assert_eq!(needs(Method::GET, "/live"), None);
        assert!(matches!(find(&Method::PATCH, "/v1/plugins"), Found::OtherMethod));
        assert!(matches!(find(&Method::GET, "/v1/new"), Found::Missing));
    }

    #[test]
    fn no_route_stands_twice() {
        for (place, row) in ROUTES.iter().enumerate() {
            let is_same = |other: &&Row| (other.method, other.path) == (row.method, row.path);
            assert_eq!(ROUTES.iter().take(place).find(is_same).map(|other| other.path), None);
        }
    }

    #[test]
    fn each_row_says_for_what_in_names_of_its_path() {
        for row in ROUTES {
            assert_eq!(row.needs.is_some(), row.resource.is_some(), "{row:?}");
            let Some(resource) = row.resource else { continue };
            let (kind, name) = resource.split_once(':').unwrap();
            assert!(Kind::ALL.iter().any(|known| known.as_str() == kind), "{row:?}");
            for name in name.split('{').skip(1) {
                let name = name.split_once('}').unwrap().0;
                assert!(row.path.contains(&format!("{{{name}}}")), "{row:?}");
            }
            // Whatever a path names is asked about, but for runs, of which only the handler knows more.
            let is_named = row.path.matches('{').count() == name.matches('{').count();
            assert!(is_named || kind == "run", "{row:?}");
        }
    }
}
