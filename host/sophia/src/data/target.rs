use http::{HeaderValue, Method, Response, request::Parts};
use sophia_domain::{Problem, ProblemDocument, Step};

use super::{connector, endpoint, models, models::ModelTarget, policy, webhook};
use crate::{
    http::{body::Body, caller_body::CallerBody, exchange::Exchange},
    metrics::Route,
};

/// What a path of the data path means. Names are checked by looking them up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Target<'a> {
    /// Something of a connection.
    Connection {
        /// The connector's name.
        connector: &'a str,
        /// The connection's name.
        connection: &'a str,
        /// What of it.
        operation: Operation<'a>,
    },
    /// A policy's decision.
    Ask {
        /// The policy's name.
        policy: &'a str,
    },
    /// Models, in OpenAI's shapes.
    Models(ModelTarget<'a>),
    /// An endpoint, which gets everything below its name.
    Endpoint {
        /// The endpoint's name.
        plugin: &'a str,
    },
}

/// What can be done with a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Operation<'a> {
    /// Tries it.
    Check,
    /// Reads a page of a stream.
    Read,
    /// Performs an action, by name.
    Act(&'a str),
    /// Takes a vendor's call.
    Webhook,
}

impl<'a> Target<'a> {
    /// Reads a path. None for what belongs to the control API, or to nobody.
    pub(crate) fn of(path: &'a str) -> Option<Self> {
        if let Some(rest) = path.strip_prefix("/x/") {
            let plugin = rest.split('/').next().unwrap_or_default();
            return (!plugin.is_empty()).then_some(Self::Endpoint { plugin });
        }
        let rest = path.strip_prefix("/v1/")?;
        if let Some(target) = ModelTarget::of(rest) {
            return Some(Self::Models(target));
        }
        let mut segments = rest.split('/');
        match segments.next()? {
            "connectors" => {
                let (connector, connection) = (segments.next()?, segments.next()?);
                let operation = Operation::of(segments.next()?, segments.next())?;
                segments.next().is_none().then_some(Self::Connection { connector, connection, operation })
            }
            "policies" => match (segments.next()?, segments.next()?, segments.next()) {
                (policy, "ask", None) => Some(Self::Ask { policy }),
                _ => None,
            },
            _ => None,
        }
    }

    /// The route's name.
    pub(crate) fn route(&self) -> Route {
        match self {
            Self::Connection { operation: Operation::Check, .. } => Route::ConnectorCheck,
            Self::Connection { operation: Operation::Read, .. } => Route::ConnectorRead,
            Self::Connection { operation: Operation::Act(_), .. } => Route::ConnectorAct,
            Self::Connection { operation: Operation::Webhook, .. } => Route::ConnectorWebhook,
            Self::Ask { .. } => Route::PolicyAsk,
            Self::Models(target) => target.route(),
            Self::Endpoint { .. } => Route::Endpoint,
        }
    }

    /// Makes the call.
    pub(crate) async fn call(
        self,
        exchange: &mut Exchange,
        head: Parts,
        body: CallerBody,
    ) -> Result<Response<Body>, ProblemDocument> {
        match self {
            Self::Endpoint { plugin } => endpoint::call(exchange, plugin, head, body).await,
            Self::Models(target) => Ok(models::answer(exchange, target, &head, body).await),
            Self::Ask { policy } => {
                only_post(exchange, &head.method)?;
                policy::ask(exchange, policy, &head.headers, body).await
            }
            Self::Connection { connector, connection, operation: Operation::Webhook } => {
                webhook::take(exchange, (connector, connection), head, body).await
            }
            Self::Connection { connector, connection, operation } => {
                only_post(exchange, &head.method)?;
                connector::call(exchange, (connector, connection), operation, &head.headers, body).await
            }
        }
    }
}

impl<'a> Operation<'a> {
    fn of(word: &'a str, name: Option<&'a str>) -> Option<Self> {
        match (word, name) {
            ("check", None) => Some(Self::Check),
            ("read", None) => Some(Self::Read),
            ("webhook", None) => Some(Self::Webhook),
            ("actions", Some(action)) if !action.is_empty() => Some(Self::Act(action)),
            _ => None,
        }
    }
}

fn only_post(exchange: &mut Exchange, method: &Method) -> Result<(), ProblemDocument> {
    if method == Method::POST {
        return Ok(());
    }
    exchange.allows(HeaderValue::from_static("POST"));
    let problem = Problem::caller(405, "method-not-allowed", "The route does not take this method", "send a POST");
    Err(problem.at(Step::Route))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_paths() {
        let connection = |operation| Some(Target::Connection { connector: "hubspot", connection: "main", operation });
        for (path, expected) in [
            ("/v1/connectors/hubspot/main/check", connection(Operation::Check)),
            ("/v1/connectors/hubspot/main/read", connection(Operation::Read)),
            ("/v1/connectors/hubspot/main/webhook", connection(Operation::Webhook)),
            ("/v1/connectors/hubspot/main/actions/create", connection(Operation::Act("create"))),
            ("/v1/policies/cost/ask", Some(Target::Ask { policy: "cost" })),
            ("/v1/chat/completions", Some(Target::Models(ModelTarget::Chat))),
            ("/v1/embeddings", Some(Target::Models(ModelTarget::Embed))),
            ("/v1/models", Some(Target::Models(ModelTarget::List))),
            ("/v1/models/a/b", Some(Target::Models(ModelTarget::One("a/b")))),
            ("/v1/models/", None),
            ("/v1/chat/completions/x", None),
            ("/x/hello", Some(Target::Endpoint { plugin: "hello" })),
            ("/x/hello/", Some(Target::Endpoint { plugin: "hello" })),
            ("/x/hello/a/b", Some(Target::Endpoint { plugin: "hello" })),
            ("/v1/connectors/hubspot/main/actions", None),
            ("/v1/connectors/hubspot/main/actions/", None),
            ("/v1/connectors/hubspot/main/actions/a/b", None),
            ("/v1/connectors/hubspot/main/check/x", None),
            ("/v1/connectors/hubspot/main", None),
            ("/v1/policies/cost/ask/x", None),
            ("/v1/plugins/hubspot", None),
            ("/x/", None),
            ("/x", None),
            ("", None),
        ] {
            assert_eq!(Target::of(path), expected, "{path}");
        }
    }
}
