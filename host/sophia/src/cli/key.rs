//! `sophia key`: who may call a node, and what they may do.

use clap::{Args, Subcommand};
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Value, json};
use sophia_domain::{Environment, Span};
use sophia_identity::{Environments, Grant, Permission, Permissions, ResourcePattern, Rights, Role};

use super::{
    Failure,
    client::{Client, segment},
    show::{Show, table},
};

#[derive(Debug, Subcommand)]
pub(crate) enum KeyCommand {
    /// Make a key; it is shown once
    #[command(after_help = CREATE_EXAMPLES)]
    Create {
        /// What it is called; money is spent under this name
        name: String,
        #[command(flatten)]
        rights: RightsArgs,
        /// After which time it is refused, such as `90d`; never, where nothing is said
        #[arg(long, value_name = "TIME")]
        expires: Option<Span>,
    },
    /// List keys, without what is secret of them
    List,
    /// Replace what is secret of a key; the one before is good for a while longer
    #[command(after_help = "Example: sophia key rotate ci --overlap 24h")]
    Rotate {
        /// The key's name
        name: String,
        /// How long the one before can still be used
        #[arg(long, value_name = "TIME", default_value = "1h")]
        overlap: Span,
    },
    /// End a key for good; its name stays taken
    #[command(after_help = "Example: sophia key revoke ci")]
    Revoke {
        /// The key's name
        name: String,
    },
    /// List what can be allowed, what roles may, and what routes need
    Permissions,
}

const CREATE_EXAMPLES: &str = "Examples:
  sophia key create ci --role admin --expires 90d
  sophia key create app --permission agent.execute
  sophia key create crm --permission agent.execute --resource 'connection:hubspot/*' --environment production
  sophia budget set 5 --of-key app";

/// What a key may do: a member's, if nothing is said.
#[derive(Debug, Args)]
pub(crate) struct RightsArgs {
    /// viewer, member, admin or owner
    #[arg(long, value_parser = role, default_value = "member", conflicts_with = "permissions")]
    role: Role,
    /// Only this, such as `agent.execute`; repeatable
    #[arg(long = "permission", value_name = "PERMISSION")]
    permissions: Vec<Permission>,
    /// And only for this, such as `plugin:hubspot` or `secret:crm-*`; repeatable
    #[arg(long = "resource", value_name = "PATTERN", requires = "permissions")]
    resources: Vec<ResourcePattern>,
    /// And only on nodes of this environment; repeatable
    #[arg(long = "environment", value_name = "NAME", requires = "permissions")]
    environments: Vec<Environment>,
}

#[derive(Deserialize)]
struct Created {
    key: String,
}

#[derive(Deserialize)]
struct Rotated {
    key: String,
    old_until: Timestamp,
}

#[derive(Deserialize)]
struct KeyList {
    keys: Vec<Entry>,
}

#[derive(Deserialize)]
struct Entry {
    name: String,
    rights: Rights,
    created_at: Timestamp,
    created_by: String,
    expires_at: Option<Timestamp>,
    revoked_at: Option<Timestamp>,
}

#[derive(Deserialize)]
struct Table {
    roles: std::collections::BTreeMap<String, Vec<Permission>>,
    routes: Vec<Route>,
}

#[derive(Deserialize)]
struct Route {
    method: String,
    path: String,
    needs: Option<Permission>,
    resource: Option<String>,
}

pub(super) async fn run(command: KeyCommand, client: &Client, show: Show) -> Result<(), Failure> {
    match command {
        KeyCommand::Create { name, rights, expires } => {
            let answer = client.post("/v1/keys", &request(&name, &rights, expires)).await?;
            show.answer(answer, |created: Created| {
                format!("{}\nThis is the only time that the key `{name}` is shown.", created.key)
            })
        }
        KeyCommand::List => show.answer(client.get("/v1/keys").await?, |list: KeyList| keys(&list.keys)),
        KeyCommand::Rotate { name, overlap } => {
            let path = format!("/v1/keys/{}/rotate", segment(&name));
            let answer = client.post(&path, &json!({ "overlap": overlap })).await?;
            show.answer(answer, |rotated: Rotated| {
                format!(
                    "{}\nThis is the only time that it is shown. The one before is good until {}.",
                    rotated.key, rotated.old_until
                )
            })
        }
        KeyCommand::Revoke { name } => {
            client.delete(&format!("/v1/keys/{}", segment(&name))).await?;
            show.done(&format!("the key {name} is refused from now on"))
        }
        KeyCommand::Permissions => {
            show.answer(client.get("/v1/permissions").await?, |table: Table| permissions(&table))
        }
    }
}

fn request(name: &str, rights: &RightsArgs, expires: Option<Span>) -> Value {
    let expires_at = expires.map(|span| Timestamp::now() + span.0);
    let permissions = rights.permissions.iter().copied().collect::<Permissions>();
    if permissions.is_empty() {
        return json!({ "name": name, "role": rights.role, "expires_at": expires_at });
    }
    if rights.resources.is_empty() && rights.environments.is_empty() {
        return json!({ "name": name, "permissions": permissions, "expires_at": expires_at });
    }
    // What is not said is not narrowed.
    let environments = match rights.environments.as_slice() {
        [] => Environments::all(),
        some => some.iter().copied().collect(),
    };
    let resources = if rights.resources.is_empty() { vec![ResourcePattern::all()] } else { rights.resources.clone() };
    let grants = [Grant { permissions, environments, resources }];
    json!({ "name": name, "grants": grants, "expires_at": expires_at })
}

fn role(word: &str) -> Result<Role, String> {
    let found = Role::ALL.into_iter().find(|role| role.as_str() == word);
    found.ok_or_else(|| "a role is viewer, member, admin or owner".to_owned())
}

fn keys(entries: &[Entry]) -> String {
    let rows = entries.iter().map(|entry| {
        let end = match (entry.revoked_at, entry.expires_at) {
            (Some(at), _) => format!("revoked {at:.0}"),
            (None, Some(at)) => format!("expires {at:.0}"),
            (None, None) => "-".to_owned(),
        };
        [entry.name.clone(), rights(&entry.rights), entry.created_by.clone(), format!("{:.0}", entry.created_at), end]
    });
    table(["NAME", "MAY", "MADE BY", "MADE", "END"], rows)
}

fn rights(rights: &Rights) -> String {
    match rights {
        Rights::Role(role) => role.as_str().to_owned(),
        Rights::Permissions(permissions) => words(*permissions),
        Rights::Grants(grants) => grants.iter().map(granted).collect::<Vec<_>>().join("; "),
    }
}

fn granted(Grant { permissions, environments, resources }: &Grant) -> String {
    let resources = resources.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ");
    let environments = match *environments == Environments::all() {
        true => String::new(),
        false => format!(" in {}", environments.iter().map(Environment::as_str).collect::<Vec<_>>().join(", ")),
    };
    format!("{} for {resources}{environments}", words(*permissions))
}

fn words(permissions: Permissions) -> String {
    permissions.iter().map(Permission::as_str).collect::<Vec<_>>().join(", ")
}

fn permissions(Table { roles, routes }: &Table) -> String {
    let who_has = |needed: Permission| {
        let has = Role::ALL
            .into_iter()
            .filter(|role| roles.get(role.as_str()).is_some_and(|permissions| permissions.contains(&needed)));
        has.map(Role::as_str).collect::<Vec<_>>().join(" ")
    };
    let rows = routes.iter().filter_map(|Route { method, path, needs, resource }| {
        let (needed, resource) = needs.zip(resource.clone())?;
        Some([format!("{method} {path}"), needed.to_string(), resource, who_has(needed)])
    });
    table(["ROUTE", "NEEDS", "FOR", "ROLES THAT HAVE IT"], rows)
}
