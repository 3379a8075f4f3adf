//! `sophia connector`: calls a connection as any caller would.

use clap::{Args, Subcommand};
use serde_json::{Value, json};
use sophia_domain::{ConnectionName, PluginName};

use super::{Failure, client::Client, input, show::Show};

#[derive(Debug, Subcommand)]
pub(crate) enum ConnectorCommand {
    /// Try a connection
    Check {
        #[command(flatten)]
        connection: ConnectionArgs,
    },
    /// Read a page of a stream
    Read {
        #[command(flatten)]
        connection: ConnectionArgs,
        /// The stream
        stream: String,
        /// Where to go on: the `next` of an earlier page
        #[arg(long, value_name = "JSON")]
        cursor: Option<String>,
        /// Most items
        #[arg(long, default_value_t = 100)]
        limit: u32,
    },
    /// Perform an action
    Act {
        #[command(flatten)]
        connection: ConnectionArgs,
        /// The action
        action: String,
        /// Its arguments: JSON, `@FILE`, or `-` for standard input
        #[arg(default_value = "{}")]
        arguments: String,
    },
}

#[derive(Debug, Args)]
pub(crate) struct ConnectionArgs {
    /// The connector
    connector: PluginName,
    /// The connection's name
    connection: ConnectionName,
}

pub(super) async fn run(command: ConnectorCommand, client: &Client, show: Show) -> Result<(), Failure> {
    match command {
        ConnectorCommand::Check { connection } => {
            let answer = client.post(&connection.path("check"), &json!({})).await?;
            show.answer(answer, |_: Value| format!("{} {} answers", connection.connector, connection.connection))
        }
        ConnectorCommand::Read { connection, stream, cursor, limit } => {
            let cursor = cursor.as_deref().map(input::json).transpose()?;
            let body = json!({ "stream": stream, "cursor": cursor, "limit": limit });
            show.json(&client.post(&connection.path("read"), &body).await?)
        }
        ConnectorCommand::Act { connection, action, arguments } => {
            let path = connection.path(&format!("actions/{}", segment(&action)?));
            show.json(&client.post(&path, &input::json(&arguments)?).await?)
        }
    }
}

impl ConnectionArgs {
    fn path(&self, operation: &str) -> String {
        format!("/v1/connectors/{}/{}/{operation}", self.connector, self.connection)
    }
}

/// An action's name as a segment of a path. What could mean another path is none.
fn segment(name: &str) -> Result<&str, Failure> {
    let is_segment = !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_');
    if is_segment { Ok(name) } else { Err(Failure::Usage(format!("`{name}` is no action's name"))) }
}
