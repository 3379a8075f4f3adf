use std::sync::Arc;

use tokio::sync::oneshot;

use super::{
    batch::{self, MAX_INPUTS},
    model::EmbeddingModel,
};
use crate::queue::{Job, Queue};

/// The inputs of one request.
#[derive(Debug)]
pub(crate) struct EmbeddingJob {
    /// Tokens of each; none is empty or over the model's context.
    pub(crate) inputs: Vec<Vec<u32>>,
    /// Takes the vectors, in the order of the inputs. Closed when the client left.
    pub(crate) answer: oneshot::Sender<Result<Vec<Vec<f32>>, EmbedError>>,
}

/// Why there are no vectors.
#[derive(Debug, Clone, thiserror::Error)]
pub(crate) enum EmbedError {
    /// The computation failed, for all that were in the batch.
    #[error("the model could not be computed")]
    Compute(#[source] Arc<candle_core::Error>),
    /// The worker is stopping.
    #[error("the work was cut off")]
    Cut,
}

impl Job for EmbeddingJob {
    fn is_abandoned(&self) -> bool {
        self.answer.is_closed()
    }
}

/// Works until the queue is closed and empty. Jobs that wait at the same moment share batches.
/// `n_working` is told how many are being worked on.
pub(crate) fn serve_queue(
    model: &EmbeddingModel,
    queue: &Queue<EmbeddingJob>,
    is_cut: &dyn Fn() -> bool,
    n_working: &dyn Fn(usize),
) {
    while let Some(first) = queue.pop() {
        let jobs = gather(first, queue);
        n_working(jobs.len());
        let vectors = embed(model, &jobs, is_cut);
        n_working(0);
        answer(jobs, vectors);
    }
}

/// A job, and those behind it that fit into the same batch.
fn gather(first: EmbeddingJob, queue: &Queue<EmbeddingJob>) -> Vec<EmbeddingJob> {
    let mut n_inputs = first.inputs.len();
    let mut jobs = vec![first];
    while let Some(job) = queue.pop_if(|job| n_inputs + job.inputs.len() <= MAX_INPUTS) {
        n_inputs += job.inputs.len();
        jobs.push(job);
    }
    jobs.retain(|job| !job.is_abandoned());
    jobs
}

/// The vectors of all inputs of all jobs, in their order.
fn embed(
    model: &EmbeddingModel,
    jobs: &[EmbeddingJob],
    is_cut: &dyn Fn() -> bool,
) -> Result<Vec<Vec<f32>>, EmbedError> {
    let inputs: Vec<&[u32]> = jobs.iter().flat_map(|job| &job.inputs).map(Vec::as_slice).collect();
    let lengths: Vec<usize> = inputs.iter().map(|input| input.len()).collect();
    let mut vectors = vec![Vec::new(); inputs.len()];
    for batch in batch::plan(&lengths) {
        if is_cut() || jobs.iter().all(Job::is_abandoned) {
            return Err(EmbedError::Cut);
        }
        let batch_inputs: Vec<&[u32]> = batch.iter().filter_map(|place| inputs.get(*place).copied()).collect();
        let computed = model.embed(&batch_inputs).map_err(|error| EmbedError::Compute(Arc::new(error)))?;
        for (place, vector) in batch.into_iter().zip(computed) {
            if let Some(slot) = vectors.get_mut(place) {
                *slot = vector;
            }
        }
    }
    Ok(vectors)
}

fn answer(jobs: Vec<EmbeddingJob>, vectors: Result<Vec<Vec<f32>>, EmbedError>) {
    let mut vectors = vectors.map(Vec::into_iter);
    for job in jobs {
        let n_inputs = job.inputs.len();
        let its =
            vectors.as_mut().map(|vectors| vectors.by_ref().take(n_inputs).collect()).map_err(|error| error.clone());
        // Nobody there any more is no error.
        let _ = job.answer.send(its);
    }
}
