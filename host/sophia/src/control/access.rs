//! Who may use which route of the control API: one table, asked before every handler.
//!
//! A route that does not stand in it is refused to everybody.

use std::{str::FromStr, sync::Arc};

use axum::{
    body::Body,
    extract::{MatchedPath, State},
    middleware::Next,
    response::Response,
};
use http::{Method, Request, header};
use serde::Serialize;
use sophia_domain::{Problem, Step};
use sophia_identity::Permission;

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
}

const fn open(method: &'static str, path: &'static str) -> Row {
    Row { method, path, needs: None }
}

const fn row(method: &'static str, path: &'static str, needs: Permission) -> Row {
    Row { method, path, needs: Some(needs) }
}

/// The routes, in the order of the router.
pub(crate) const ROUTES: &[Row] = {
    use Permission as P;
    &[
        row("GET", "/v1/plugins", P::SophiaRead),
        row("PUT", "/v1/plugins/{name}", P::AgentCreate),
        row("GET", "/v1/plugins/{name}", P::SophiaRead),
        row("DELETE", "/v1/plugins/{name}", P::AgentCreate),
        row("GET", "/v1/plugins/{name}/versions", P::SophiaRead),
        row("POST", "/v1/plugins/{name}/rollback", P::AgentCreate),
        row("GET", "/v1/plugins/{name}/grants", P::SophiaRead),
        row("POST", "/v1/plugins/{name}/grants", P::SystemConfig),
        row("GET", "/v1/plugins/{name}/logs", P::SophiaRead),
        row("GET", "/v1/connections", P::SophiaRead),
        row("PUT", "/v1/connections/{connector}/{name}", P::SophiaWrite),
        row("GET", "/v1/connections/{connector}/{name}", P::SophiaRead),
        row("DELETE", "/v1/connections/{connector}/{name}", P::SophiaWrite),
        row("GET", "/v1/secrets", P::SecretRead),
        row("PUT", "/v1/secrets/{name}", P::SecretWrite),
        row("DELETE", "/v1/secrets/{name}", P::SecretDelete),
        row("GET", "/v1/keys", P::UserInvite),
        row("POST", "/v1/keys", P::UserInvite),
        row("DELETE", "/v1/keys/{name}", P::UserManage),
        row("POST", "/v1/keys/{name}/rotate", P::UserManage),
        row("GET", "/v1/permissions", P::SophiaRead),
        row("GET", "/v1/costs", P::SophiaRead),
        row("GET", "/v1/budgets", P::SophiaRead),
        row("GET", "/v1/budgets/tenant", P::SophiaRead),
        row("PUT", "/v1/budgets/tenant", P::SystemConfig),
        row("DELETE", "/v1/budgets/tenant", P::SystemConfig),
        row("POST", "/v1/budgets/tenant/release", P::SystemConfig),
        row("GET", "/v1/budgets/keys/{key}", P::SophiaRead),
        row("PUT", "/v1/budgets/keys/{key}", P::SystemConfig),
        row("DELETE", "/v1/budgets/keys/{key}", P::SystemConfig),
        row("POST", "/v1/budgets/keys/{key}/release", P::SystemConfig),
        row("GET", "/v1/budgets/runs/{run}", P::SophiaRead),
        row("PUT", "/v1/budgets/runs/{run}", P::SystemConfig),
        row("DELETE", "/v1/budgets/runs/{run}", P::SystemConfig),
        row("POST", "/v1/budgets/runs/{run}/release", P::SystemConfig),
        row("POST", "/v1/swarms/{pattern}/runs", P::AgentExecute),
        row("GET", "/v1/runs", P::SophiaRead),
        row("GET", "/v1/runs/{id}", P::SophiaRead),
        row("GET", "/v1/runs/{id}/timeline", P::SophiaRead),
        row("GET", "/v1/runs/{id}/events", P::SophiaRead),
        row("GET", "/v1/runs/{id}/journal", P::SophiaRead),
        row("POST", "/v1/runs/{id}/cancel", P::AgentExecute),
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

/// Lets through whom the table lets through, and notes who it is.
pub(super) async fn check(
    State(node): State<Arc<Node>>,
    path: MatchedPath,
    mut request: Request<Body>,
    next: Next,
) -> Result<Response, Refusal> {
    let needed = match find(request.method(), path.as_str()) {
        Found::Row(Row { needs: Some(needed), .. }) => needed,
        Found::Row(_) | Found::OtherMethod => return Ok(next.run(request).await),
        Found::Missing => return Err(without_a_row(path.as_str())),
    };
    let caller = node.identity.identify(request.headers().get(header::AUTHORIZATION));
    let caller = caller.map_err(|refused| unauthorised(&refused))?;
    caller.needs(needed).map_err(|refused| forbidden(&refused))?;
    request.extensions_mut().insert(caller);
    Ok(next.run(request).await)
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
}
