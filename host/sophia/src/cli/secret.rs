//! `sophia secret`: sets, lists and deletes secrets; none is ever shown.

use clap::Subcommand;
use serde::Deserialize;
use serde_json::json;
use sophia_domain::{RequestPattern, Scope, SecretName};

use super::{
    Failure,
    client::Client,
    input,
    show::{Show, table},
};

#[derive(Debug, Subcommand)]
pub(crate) enum SecretCommand {
    /// Keep a secret; its value is asked for, or read from standard input
    Set {
        /// The secret's name
        name: SecretName,
        /// Where it may ever be sent, such as `GET https://api.example.com/v1/*`; repeatable.
        /// Without one it can only verify signatures
        #[arg(long, value_name = "[METHOD ]URL-PATTERN")]
        scope: Vec<RequestPattern>,
    },
    /// List secrets, without their values
    List,
    /// Forget a secret
    Delete {
        /// The secret's name
        name: SecretName,
    },
}

#[derive(Deserialize)]
struct SecretList {
    secrets: Vec<Entry>,
}

/// What a node tells of a secret.
#[derive(Deserialize)]
struct Entry {
    name: SecretName,
    version: u32,
    scope: Scope,
    environment: String,
    updated_at: String,
}

pub(super) async fn run(command: SecretCommand, client: &Client, show: Show) -> Result<(), Failure> {
    match command {
        SecretCommand::Set { name, scope } => {
            let value = input::secret(name.as_str())?;
            let body = json!({ "value": value, "scope": Scope::new(scope) });
            let answer = client.put(&format!("/v1/secrets/{name}"), &body).await?;
            show.answer(answer, |entry: Entry| format!("secret {} is set, version {}", entry.name, entry.version))
        }
        SecretCommand::List => show.answer(client.get("/v1/secrets").await?, |list: SecretList| rows(&list.secrets)),
        SecretCommand::Delete { name } => {
            client.delete(&format!("/v1/secrets/{name}")).await?;
            show.done(&format!("secret {name} is gone"))
        }
    }
}

fn rows(secrets: &[Entry]) -> String {
    let rows = secrets.iter().map(|entry| {
        let scope: Vec<&str> = entry.scope.patterns().iter().map(RequestPattern::as_str).collect();
        [
            entry.name.to_string(),
            entry.version.to_string(),
            entry.environment.clone(),
            entry.updated_at.clone(),
            scope.join(", "),
        ]
    });
    table(["NAME", "VERSION", "ENVIRONMENT", "UPDATED", "SCOPE"], rows)
}
