//! `sophia connection`: accounts at vendors, their settings and which secrets they use.

use clap::Subcommand;
use serde::Deserialize;
use serde_json::json;
use sophia_domain::{ConnectionName, PluginName, SecretName};
use sophia_registry::Connection;

use super::{
    Failure,
    client::Client,
    input::pair,
    show::{Show, table},
};

#[derive(Debug, Subcommand)]
pub(crate) enum ConnectionCommand {
    /// Make a connection, in place of an earlier one of the name
    Set {
        /// The connector
        connector: PluginName,
        /// The connection's name
        name: ConnectionName,
        /// A setting that the plugin may read; repeatable
        #[arg(long, value_name = "KEY=VALUE", value_parser = pair)]
        config: Vec<(String, String)>,
        /// A credential or signature of the manifest, and the secret behind it; repeatable
        #[arg(long, value_name = "NAME=SECRET", value_parser = pair)]
        credential: Vec<(String, String)>,
    },
    /// List connections
    List,
    /// Forget a connection; its secrets stay
    Delete {
        /// The connector
        connector: PluginName,
        /// The connection's name
        name: ConnectionName,
    },
}

#[derive(Deserialize)]
struct ConnectionList {
    connections: Vec<Connection>,
}

pub(super) async fn run(command: ConnectionCommand, client: &Client, show: Show) -> Result<(), Failure> {
    match command {
        ConnectionCommand::Set { connector, name, config, credential } => {
            let credentials = credential.into_iter().map(|(name, secret)| Ok((name, secret_name(&secret)?)));
            let body = json!({
                "config": config.into_iter().collect::<std::collections::BTreeMap<_, _>>(),
                "credentials": credentials.collect::<Result<std::collections::BTreeMap<_, _>, Failure>>()?,
            });
            let answer = client.put(&format!("/v1/connections/{connector}/{name}"), &body).await?;
            show.answer(answer, |connection: Connection| {
                let (connector, name) = (&connection.connector, &connection.name);
                format!("connection {connector} {name} is set; try it: sophia connector check {connector} {name}")
            })
        }
        ConnectionCommand::List => {
            show.answer(client.get("/v1/connections").await?, |list: ConnectionList| rows(&list.connections))
        }
        ConnectionCommand::Delete { connector, name } => {
            client.delete(&format!("/v1/connections/{connector}/{name}")).await?;
            show.done(&format!("connection {connector} {name} is gone"))
        }
    }
}

fn secret_name(text: &str) -> Result<SecretName, Failure> {
    text.parse().map_err(|wrong: sophia_domain::NameError| Failure::Usage(wrong.to_string()))
}

fn rows(connections: &[Connection]) -> String {
    let rows = connections.iter().map(|connection| {
        let credentials = connection.credentials.iter().map(|(name, secret)| format!("{name}={secret}"));
        let config = connection.config.keys().cloned();
        [
            connection.connector.to_string(),
            connection.name.to_string(),
            credentials.collect::<Vec<_>>().join(" "),
            config.collect::<Vec<_>>().join(" "),
        ]
    });
    table(["CONNECTOR", "NAME", "CREDENTIALS", "CONFIGURATION"], rows)
}
