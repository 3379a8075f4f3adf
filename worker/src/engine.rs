//! The two models, their queues, and the threads that compute.
//!
//! Requests are tasks; computing happens here and nowhere else, so that an endless answer never
//! holds up a health check. A panic in a computation fails its request and not its thread.

use std::{
    io,
    panic::{AssertUnwindSafe, catch_unwind},
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread::{self, JoinHandle},
    time::Instant,
};

use crate::{
    chat::{self, ChatJob, ChatModel, Event, GenerateError, Outcome},
    embedding::{self, EmbeddingJob, EmbeddingModel},
    metrics::Metrics,
    queue::{Queue, QueueError},
    weights::{self, CHAT_WEIGHTS, EMBEDDING_CONFIG, EMBEDDING_TOKENIZER, EMBEDDING_WEIGHTS, FileError},
};

/// The name by which requests ask for the chat model.
pub(crate) const CHAT_MODEL: &str = "smollm2-135m-instruct";
/// The name by which requests ask for the embedding model.
pub(crate) const EMBEDDING_MODEL: &str = "all-minilm-l6-v2";

/// Why the models cannot be loaded.
#[derive(Debug, thiserror::Error)]
pub(crate) enum EngineError {
    /// A file is missing or damaged.
    #[error(transparent)]
    File(#[from] FileError),
    /// The chat model's files do not make a model.
    #[error("cannot load {CHAT_MODEL}")]
    Chat(#[from] chat::LoadError),
    /// The embedding model's files do not make a model.
    #[error("cannot load {EMBEDDING_MODEL}")]
    Embedding(#[from] embedding::LoadError),
}

/// Models and queues. Built once at start.
pub(crate) struct Engine {
    /// The chat model.
    pub(crate) chat: ChatModel,
    /// The embedding model.
    pub(crate) embedding: EmbeddingModel,
    chat_queue: Queue<ChatJob>,
    embedding_queue: Queue<EmbeddingJob>,
    chat_running: AtomicUsize,
    embedding_running: AtomicUsize,
    is_cut: AtomicBool,
    metrics: Arc<Metrics>,
}

/// How full a queue is, at the moment of asking.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Load {
    /// The model.
    pub(crate) model: &'static str,
    /// Jobs that wait.
    pub(crate) waiting: usize,
    /// Jobs that are computed.
    pub(crate) running: usize,
}

impl Engine {
    /// Reads, checks and loads both models. Takes about a second.
    pub(crate) fn load(models: &Path, queue: usize, metrics: Arc<Metrics>) -> Result<Self, EngineError> {
        let chat = ChatModel::load(weights::read(models, &CHAT_WEIGHTS)?)?;
        let config = weights::read(models, &EMBEDDING_CONFIG)?;
        let tokenizer = weights::read(models, &EMBEDDING_TOKENIZER)?;
        let weights = weights::read(models, &EMBEDDING_WEIGHTS)?;
        let embedding = EmbeddingModel::load(&config, &tokenizer, weights)?;
        Ok(Self {
            chat,
            embedding,
            chat_queue: Queue::new(queue),
            embedding_queue: Queue::new(queue),
            chat_running: AtomicUsize::new(0),
            embedding_running: AtomicUsize::new(0),
            is_cut: AtomicBool::new(false),
            metrics,
        })
    }

    /// Starts `n_chat` threads for chat and one for embeddings. They end after [`Self::close`].
    pub(crate) fn start(self: &Arc<Self>, n_chat: usize) -> io::Result<Vec<JoinHandle<()>>> {
        let mut threads = Vec::with_capacity(n_chat + 1);
        for _ in 0..n_chat {
            let engine = self.clone();
            threads.push(thread::Builder::new().name("generate".to_owned()).spawn(move || engine.serve_chat())?);
        }
        let engine = self.clone();
        threads.push(thread::Builder::new().name("embed".to_owned()).spawn(move || engine.serve_embeddings())?);
        Ok(threads)
    }

    /// Puts a chat into the queue.
    pub(crate) fn submit_chat(&self, job: ChatJob) -> Result<(), QueueError> {
        self.chat_queue.push(job)
    }

    /// Puts inputs into the queue.
    pub(crate) fn submit_embedding(&self, job: EmbeddingJob) -> Result<(), QueueError> {
        self.embedding_queue.push(job)
    }

    /// How full the queues are.
    pub(crate) fn load_now(&self) -> [Load; 2] {
        let load =
            |model, waiting, running: &AtomicUsize| Load { model, waiting, running: running.load(Ordering::Relaxed) };
        [
            load(CHAT_MODEL, self.chat_queue.len(), &self.chat_running),
            load(EMBEDDING_MODEL, self.embedding_queue.len(), &self.embedding_running),
        ]
    }

    /// Takes no more jobs; those that wait are still done.
    pub(crate) fn close(&self) {
        self.chat_queue.close();
        self.embedding_queue.close();
    }

    /// Ends what is being computed, at its next token or batch.
    pub(crate) fn cut(&self) {
        self.is_cut.store(true, Ordering::Relaxed);
    }

    fn is_cut(&self) -> bool {
        self.is_cut.load(Ordering::Relaxed)
    }

    fn serve_chat(&self) {
        while let Some(mut job) = self.chat_queue.pop() {
            self.chat_running.fetch_add(1, Ordering::Relaxed);
            let waited = job.queued.elapsed();
            let started = Instant::now();
            let ended = catch_unwind(AssertUnwindSafe(|| chat::generate(&self.chat, &mut job, &|| self.is_cut())))
                .unwrap_or(Err(GenerateError::Panicked));
            self.chat_running.fetch_sub(1, Ordering::Relaxed);
            if let Ok(Outcome { prompt_tokens, completion_tokens, .. }) = ended {
                self.metrics.used(CHAT_MODEL, prompt_tokens, completion_tokens);
                self.metrics.generated(waited, started.elapsed());
            }
            // Nobody there any more is no error.
            let _ = job.events.send(ended.map_or_else(Event::Failed, Event::Ended));
        }
    }

    fn serve_embeddings(&self) {
        let serve = || {
            let n_working = |n| self.embedding_running.store(n, Ordering::Relaxed);
            embedding::serve_queue(&self.embedding, &self.embedding_queue, &|| self.is_cut(), &n_working);
        };
        // Ends well only when the queue is closed. A panic has dropped its jobs, whose clients see that.
        while catch_unwind(AssertUnwindSafe(&serve)).is_err() {}
    }
}
