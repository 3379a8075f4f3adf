//! `sophia-worker serve`: loads the models, serves until told to stop, then drains.
//!
//! The port is bound first, so that a worker that cannot serve says so before it loads anything;
//! it is announced last, so that whoever reads the line can ask at once.

mod connection;
mod listener;
mod signals;

use std::{
    io::{IsTerminal, Write},
    net::SocketAddr,
    num::NonZeroUsize,
    path::PathBuf,
    sync::Arc,
    thread::JoinHandle,
    time::Duration,
};

use anyhow::Context;
use clap::Args;
use tokio::net::TcpListener;
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tracing_subscriber::{filter::Targets, layer::SubscriberExt, util::SubscriberInitExt};

use crate::{
    api::{self, App},
    cli::ModelsArgs,
    engine::Engine,
    metrics::Metrics,
};
use signals::Signals;

/// Fly stops a machine at most 30 s after its signal by default; 5 s are left for the rest.
const DRAIN: Duration = Duration::from_secs(25);
/// For what was cut off to notice: a token, a batch of embeddings, a last write.
const AFTER_DRAIN: Duration = Duration::from_secs(2);
/// Connections are cheap, and short beside the computing.
const HTTP_THREADS: usize = 2;
/// For tokenizing and compiling schemas: more at once would only take the models' time.
const BLOCKING_THREADS: usize = 4;

/// Serves the models.
#[derive(Debug, Args)]
pub(crate) struct ServeArgs {
    /// Address and port to listen on; port 0 takes a free one
    #[arg(
        long,
        env = "SOPHIA_WORKER_LISTEN",
        hide_env_values = true,
        value_name = "ADDR",
        default_value = "127.0.0.1:8081"
    )]
    listen: SocketAddr,
    #[command(flatten)]
    models: ModelsArgs,
    /// Chats that are generated at the same time, each on one thread
    #[arg(long, value_name = "N", default_value = "1")]
    threads: NonZeroUsize,
    /// Requests that may wait for each model before more are refused
    #[arg(long, value_name = "N", default_value = "32")]
    queue: NonZeroUsize,
}

/// Serves until it was told to stop and has drained.
pub(crate) fn main(args: ServeArgs) -> anyhow::Result<()> {
    start_log();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(HTTP_THREADS)
        .max_blocking_threads(BLOCKING_THREADS)
        .enable_all()
        .build()
        .context("cannot start the runtime")?;
    let served = runtime.block_on(run(args));
    runtime.shutdown_timeout(AFTER_DRAIN);
    served
}

async fn run(args: ServeArgs) -> anyhow::Result<()> {
    let signals = Signals::listen().context("cannot listen for signals")?;
    let listener = listener::bind(args.listen).await?;
    let address = listener.local_addr().context("cannot learn the address")?;
    let metrics = Arc::new(Metrics::default());
    let (models, queue, counted): (PathBuf, _, _) = (args.models.models, args.queue.get(), metrics.clone());
    let loading = tokio::task::spawn_blocking(move || Engine::load(&models, queue, counted));
    let engine = Arc::new(loading.await.context("loading the models failed")??);
    let threads = engine.start(args.threads.get()).context("cannot start a thread")?;
    announce(address)?;
    serve(Arc::new(App::new(engine, metrics)), listener, signals).await;
    tokio::task::spawn_blocking(move || join(threads)).await.context("the threads did not end")
}

/// Serves until a signal, then drains: new requests are refused, those that were taken are
/// answered, what is not answered in time is cut off.
async fn serve(app: Arc<App>, listener: TcpListener, mut signals: Signals) {
    let (tasks, end) = (TaskTracker::new(), CancellationToken::new());
    let accepting = listener::run(listener, api::router(app.clone()), tasks.clone(), end.clone());
    tasks.spawn(accepting);
    let signal = signals.next().await;
    tracing::info!(signal, owed = app.drain.n_owed(), within = ?DRAIN, "draining");
    app.drain.begin();
    tokio::select! {
        () = app.drain.done() => tracing::info!("drained"),
        () = tokio::time::sleep(DRAIN) => tracing::warn!(owed = app.drain.n_owed(), "the drain's time is over"),
        signal = signals.next() => tracing::warn!(signal, owed = app.drain.n_owed(), "told twice"),
    }
    app.engine.cut();
    app.engine.close();
    end.cancel();
    tasks.close();
    let _ = tokio::time::timeout(AFTER_DRAIN, tasks.wait()).await;
}

/// Says where the worker is. Standard output has this line only.
fn announce(address: SocketAddr) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "sophia-worker listening on http://{address}")?;
    out.flush().context("cannot write to standard output")
}

fn join(threads: Vec<JoinHandle<()>>) {
    for thread in threads {
        // A panic was printed when it happened.
        let _ = thread.join();
    }
}

fn start_log() {
    let levels = Targets::new().with_default(tracing::Level::WARN).with_target("sophia_worker", tracing::Level::INFO);
    let lines =
        tracing_subscriber::fmt::layer().with_ansi(std::io::stderr().is_terminal()).with_writer(std::io::stderr);
    tracing_subscriber::registry().with(lines).with(levels).init();
}
