use std::{net::SocketAddr, path::Path, sync::Arc};

use sophia_standins::hubspot::{HOST, HubSpot};
use tempfile::TempDir;
use toml::{Table, Value};

use crate::{KillSwitch, Node};

/// A data directory of a node that outlives it. Cheap to clone; gone with its last clone.
#[derive(Clone)]
pub struct DataDir(Arc<TempDir>);

/// How a node is started. Everything has the shipped default but the port, the data and the key.
pub struct Setup {
    pub(crate) config: Table,
    pub(crate) env: Vec<(String, String)>,
    pub(crate) data: DataDir,
    pub(crate) kill_switch: Option<KillSwitch>,
}

impl Default for DataDir {
    fn default() -> Self {
        Self(Arc::new(tempfile::tempdir().expect("a temporary directory")))
    }
}

impl DataDir {
    /// What the node calls its data directory.
    pub fn path(&self) -> std::path::PathBuf {
        self.0.path().join("data")
    }

    /// A place beside it for the node's configuration and log.
    pub(crate) fn beside(&self, name: &str) -> std::path::PathBuf {
        self.0.path().join(name)
    }
}

impl Default for Setup {
    fn default() -> Self {
        Self::new()
    }
}

impl Setup {
    /// A node on a new data directory.
    pub fn new() -> Self {
        Self { config: Table::new(), env: Vec::new(), data: DataDir::default(), kill_switch: None }
    }

    /// On a data directory that an earlier node used.
    pub fn on(mut self, data: &DataDir) -> Self {
        self.data = data.clone();
        self
    }

    /// Sends connections for `host:443` to a stand-in, and trusts its authority.
    pub fn with_hubspot(self, portal: &HubSpot) -> Self {
        self.connect_to(&format!("{HOST}:443"), portal.address()).trusting(portal.authority_pem())
    }

    /// Sends connections for `host:port` to this address instead.
    pub fn connect_to(self, host_and_port: &str, address: SocketAddr) -> Self {
        self.set(&["egress", "connect_to", host_and_port], address.to_string())
    }

    /// Trusts one more authority, PEM.
    pub fn trusting(self, authority_pem: &str) -> Self {
        let path = self.data.beside("authority.pem");
        std::fs::write(&path, authority_pem).expect("the authority is written");
        self.set(&["egress", "ca_file"], text(&path))
    }

    /// Lets plugins reach this address although it is private.
    pub fn naming(mut self, address: SocketAddr) -> Self {
        let named = Value::from(address.to_string());
        match self.table("egress").get_mut("named") {
            Some(Value::Array(list)) => list.push(named),
            _ => drop(self.table("egress").insert("named".into(), Value::Array(vec![named]))),
        }
        self
    }

    /// Adds `[[models.upstream]]`, in TOML.
    pub fn upstream(mut self, written: &str) -> Self {
        let upstream = Value::Table(written.parse().unwrap_or_else(|e| panic!("{e}: {written}")));
        match self.table("models").get_mut("upstream") {
            Some(Value::Array(list)) => list.push(upstream),
            _ => drop(self.table("models").insert("upstream".into(), Value::Array(vec![upstream]))),
        }
        self
    }

    /// Sets one key of the configuration file.
    pub fn set(mut self, path: &[&str], value: impl Into<Value>) -> Self {
        let (key, tables) = path.split_last().expect("a key");
        let mut table = &mut self.config;
        for name in tables {
            let inner = table.entry(*name).or_insert_with(|| Value::Table(Table::new()));
            table = inner.as_table_mut().unwrap_or_else(|| panic!("{name} is a table"));
        }
        table.insert((*key).to_owned(), value.into());
        self
    }

    /// Sets an environment variable of the node.
    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.env.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Runs the node under a switch that can kill it at a given write.
    pub fn under(mut self, kill_switch: &KillSwitch) -> Self {
        self.kill_switch = Some(kill_switch.clone());
        self
    }

    /// Starts the node and waits until it listens.
    pub async fn start(self) -> Node {
        Node::start(self).await
    }

    /// Starts a node that must refuse to run, and answers what it says.
    pub async fn refused(self) -> String {
        Node::refused(self).await
    }

    fn table(&mut self, name: &str) -> &mut Table {
        let inner = self.config.entry(name).or_insert_with(|| Value::Table(Table::new()));
        inner.as_table_mut().unwrap_or_else(|| panic!("{name} is a table"))
    }
}

fn text(path: &Path) -> String {
    path.to_str().expect("a path in UTF-8").to_owned()
}
