//! `sophia serve`: reads what was decided, composes the node, serves until told to stop.
//!
//! Composition goes up the rooms: store, identity, vault, egress, sandbox, registry. The port is
//! bound first, so that a node that cannot serve has made no key and shown none.

mod compose;
mod signals;
mod worker;

use std::{io::Write, path::PathBuf, process::ExitCode, sync::Arc, time::Duration};

use anyhow::Context;
use clap::Args;
use sophia_identity::NewKey;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::{
    config::{self, Config, RawConfig},
    control::Control,
    http::{listener, service::Service},
    machine,
    node::Node,
    share, telemetry,
};

/// Time for the ledger to write what ended and to give its leases back. Transactions take milliseconds.
const LEDGER_DRAIN: Duration = Duration::from_secs(5);

/// Time for tasks that were cut off to notice, and for the runtime to end.
const AFTER_DRAIN: Duration = Duration::from_secs(1);

/// Runs a node.
#[derive(Debug, Args)]
pub(crate) struct ServeArgs {
    /// Address and port to listen on [default: 127.0.0.1:8080]
    #[arg(long, env = "SOPHIA_LISTEN", hide_env_values = true, value_name = "ADDR")]
    listen: Option<String>,
    /// Directory of the state [default: sophia-data]
    #[arg(long, env = "SOPHIA_DATA", hide_env_values = true, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Configuration file
    #[arg(long, env = "SOPHIA_CONFIG", hide_env_values = true, value_name = "FILE")]
    config: Option<PathBuf>,
    /// development, staging or production [default: development]
    #[arg(long, env = "SOPHIA_ENVIRONMENT", hide_env_values = true, value_name = "NAME")]
    environment: Option<String>,
    /// Where a worker is looked for in development, or `off` [default: http://127.0.0.1:8081]
    #[arg(long, env = "SOPHIA_WORKER_URL", hide_env_values = true, value_name = "URL")]
    worker_url: Option<String>,
    /// Base URL of an OTLP collector
    #[arg(long, env = "OTEL_EXPORTER_OTLP_ENDPOINT", hide_env_values = true, value_name = "URL")]
    otlp_endpoint: Option<String>,
    /// text or json [default: text]
    #[arg(long, env = "SOPHIA_LOG_FORMAT", hide_env_values = true, value_name = "FORMAT")]
    log_format: Option<String>,
    /// Log levels by target, such as `info,sophia_registry=debug` [default: info]
    #[arg(long, env = "SOPHIA_LOG", hide_env_values = true, value_name = "LEVELS")]
    log: Option<String>,
}

/// What holds a secret comes by the environment only: arguments show in the process list.
#[derive(Default)]
struct Given {
    operator: Option<String>,
    master: Option<String>,
    database: Option<String>,
    redis: Option<String>,
}

/// Runs a node until it was told to stop and has drained.
pub(crate) fn main(args: ServeArgs) -> anyhow::Result<ExitCode> {
    let given = Given {
        operator: non_empty("SOPHIA_OPERATOR_KEY"),
        master: non_empty("SOPHIA_MASTER_KEY"),
        database: non_empty("DATABASE_URL"),
        redis: non_empty("REDIS_URL"),
    };
    let file = config::read(args.config.as_deref())?;
    let config = Config::check(args.over(file))?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(machine::cores())
        .enable_all()
        .build()
        .context("cannot start the runtime")?;
    let served = runtime.block_on(run(config, given));
    runtime.shutdown_timeout(AFTER_DRAIN);
    served
}

/// From a checked configuration to the end.
async fn run(config: Config, given: Given) -> anyhow::Result<ExitCode> {
    let telemetry = telemetry::start(&config.telemetry, config.environment)?;
    let lines = telemetry.lines.clone();
    let served = async {
        let signals = signals::Signals::listen().context("cannot listen for signals")?;
        let listener = listener::bind(config.listen).await?;
        let address = listener.local_addr().context("cannot learn the address")?;
        let (node, new_key) = compose::node(config, given, address, lines).await?;
        announce(address, new_key.as_ref())?;
        let service = Arc::new(Service { control: Control::new(node.clone()), node });
        Ok(serve(service, listener, signals).await)
    };
    let served = served.await;
    // Sends and writes what is left, off the runtime's threads: it may wait for a collector.
    let _ = tokio::task::spawn_blocking(move || telemetry.close()).await;
    served
}

/// Serves until a signal, then drains.
async fn serve(service: Arc<Service>, listener: TcpListener, mut signals: signals::Signals) -> ExitCode {
    let node = service.node.clone();
    let accepting = tokio::spawn(listener::run(listener, service));
    let looking = tokio::spawn(worker::look_out(node.clone()));
    let stop = CancellationToken::new();
    let sharing = tokio::spawn(share::live(node.clone(), stop.clone()));
    let signal = signals.next().await;
    let within = node.config.http.drain;
    tracing::info!(signal, running = node.admission.n_running(), ?within, "draining");
    node.drain.begin();
    // They end at once: all watch the drain. An error would be a panic, already printed.
    let _ = tokio::join!(accepting, looking);
    node.tasks.close();
    tokio::select! {
        () = finish(&node) => tracing::info!("drained"),
        () = tokio::time::sleep(within) => {
            tracing::warn!(connections = node.tasks.len(), "the drain's time is over; what still runs is cut off");
        }
        signal = signals.next() => {
            tracing::warn!(signal, connections = node.tasks.len(), "told twice; what still runs is cut off");
            return ExitCode::FAILURE;
        }
    }
    stop.cancel();
    let _ = sharing.await;
    leave(&node).await;
    ExitCode::SUCCESS
}

/// Requests in flight and runs first, since who watches a run stays until it ends; then the changes
/// that went on when their callers left.
async fn finish(node: &Node) {
    tokio::join!(node.tasks.wait(), node.runs.drain(node.config.http.drain));
    node.registry.drain().await;
    if let Err(error) = node.ledger.drain(LEDGER_DRAIN).await {
        tracing::error!(%error, "what is not written counts as spent at the next start");
    }
}

/// Lets other nodes know at once.
async fn leave(node: &Node) {
    if !matches!(tokio::time::timeout(AFTER_DRAIN, node.store.leave()).await, Ok(Ok(()))) {
        tracing::warn!("other nodes find out by its silence that this one stopped");
    }
}

/// Says where the node is, and the one time that the operator's key is shown.
fn announce(address: std::net::SocketAddr, new_key: Option<&NewKey>) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    if let Some(key) = new_key {
        writeln!(out, "operator key (shown once): {}", key.reveal())?;
    }
    writeln!(out, "sophia listening on http://{address}")?;
    out.flush().context("cannot write to standard output")
}

impl ServeArgs {
    /// What was typed stands over what the file says.
    fn over(self, file: RawConfig) -> RawConfig {
        let mut raw = file;
        raw.listen = self.listen.or(raw.listen);
        raw.data = self.data.or(raw.data);
        raw.environment = self.environment.or(raw.environment);
        raw.models.worker_url = self.worker_url.or(raw.models.worker_url);
        raw.telemetry.otlp_endpoint = self.otlp_endpoint.or(raw.telemetry.otlp_endpoint);
        raw.telemetry.log_format = self.log_format.or(raw.telemetry.log_format);
        raw.telemetry.log = self.log.or(raw.telemetry.log);
        raw
    }
}

fn non_empty(variable: &str) -> Option<String> {
    std::env::var(variable).ok().filter(|value| !value.is_empty())
}
