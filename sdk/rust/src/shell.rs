//! Where the host's call arrives: from the generated shapes to a plugin's and back.

use std::marker::PhantomData;

use crate::{
    Connector, Json, Pattern, Policy, Routing, Task,
    bindings::{
        connector::exports::sophia::plugin::{about as connector_about, connector_calls},
        pattern::exports::sophia::plugin::{about as pattern_about, pattern_calls},
        routing_policy::exports::sophia::plugin::{about as policy_about, routing},
    },
    connector::WebhookRequest,
    error::Error,
    panics,
};

/// A plugin as the host sees it.
#[derive(Debug)]
pub struct Shell<P>(PhantomData<P>);

/// The description's shapes are generated for each world anew.
macro_rules! about {
    ($about:ident, $plugin:ident) => {
        impl<P: $plugin> $about::Guest for Shell<P> {
            fn describe() -> $about::Description {
                panics::install();
                let description = <P as $plugin>::describe();
                $about::Description {
                    title: description.title.to_owned(),
                    summary: description.summary.to_owned(),
                    configuration: description.configuration.map(Json::into_text),
                    operations: description
                        .operations
                        .into_iter()
                        .map(|operation| $about::Operation {
                            name: operation.name.to_owned(),
                            summary: operation.summary.to_owned(),
                            arguments: operation.arguments.into_text(),
                            outcome: operation.outcome.into_text(),
                            example: operation.example.map(Json::into_text),
                        })
                        .collect(),
                    streams: description
                        .streams
                        .into_iter()
                        .map(|stream| $about::StreamDescription {
                            name: stream.name.to_owned(),
                            summary: stream.summary.to_owned(),
                            schema: stream.schema.into_text(),
                            primary_key: stream.primary_key.into_iter().map(str::to_owned).collect(),
                            cursor_field: stream.cursor_field.map(str::to_owned),
                        })
                        .collect(),
                }
            }
        }
    };
}

about!(connector_about, Connector);
about!(pattern_about, Pattern);
about!(policy_about, Policy);

impl<P: Connector> connector_calls::Guest for Shell<P> {
    fn check() -> Result<(), Error> {
        panics::install();
        P::check()
    }

    fn read(stream: String, cursor: Option<String>, limit: u32) -> Result<connector_calls::Page, Error> {
        panics::install();
        let page = P::read(&stream, cursor.map(Json::from_text), limit)?;
        Ok(connector_calls::Page {
            items: page.items.into_iter().map(Json::into_text).collect(),
            next: page.next.map(Json::into_text),
            more: page.more,
        })
    }

    fn act(action: String, arguments: String) -> Result<String, Error> {
        panics::install();
        P::act(&action, Json::from_text(arguments)).map(Json::into_text)
    }

    fn webhook(request: WebhookRequest) -> Result<connector_calls::WebhookOutcome, Error> {
        panics::install();
        let outcome = P::webhook(request)?;
        Ok(connector_calls::WebhookOutcome {
            events: outcome.events.into_iter().map(Json::into_text).collect(),
            reply: outcome.reply,
        })
    }
}

impl<P: Pattern> pattern_calls::Guest for Shell<P> {
    fn run(task: pattern_calls::Task) -> Result<pattern_calls::Outcome, Error> {
        panics::install();
        let outcome = P::run(Task { run: task.run, arguments: Json::from_text(task.arguments) })?;
        Ok(pattern_calls::Outcome { content: outcome.content.into_text(), confidence: outcome.confidence })
    }
}

impl<P: Routing> routing::Guest for Shell<P> {
    fn route(
        request: routing::RoutingRequest,
        candidates: Vec<routing::Candidate>,
    ) -> Result<routing::Decision, Error> {
        panics::install();
        P::route(request, candidates)
    }
}
