//! Host calls of a run, taken down: notes of what this node answers itself, steps of what leaves it.

use std::{future::Future, sync::Arc};

use futures::{StreamExt, TryStreamExt, stream};
use serde::Serialize;
use serde_json::Value;
use wasmtime::Result;

use crate::{
    Answer, HostCall, PluginError, RunFault, RunPort, SubStep, Usage, bindings::sophia::plugin::types::Error,
    fault::Stop, guest::Guest,
};

/// Of a call with several items, how many are under way together.
const MAX_AT_ONCE: usize = 8;

/// What can come of an item.
pub(super) trait Recorded: Serialize {
    /// The model that answered.
    fn model(&self) -> Option<&str> {
        None
    }

    /// What it used.
    fn usage(&self) -> Usage;
}

/// A step that was begun: the run and its number.
#[derive(Clone)]
pub(super) struct Step {
    pub(super) run: Arc<dyn RunPort>,
    number: u32,
}

/// One item of a step that was begun, and how many pieces of its answer were taken down.
#[derive(Clone)]
pub(super) struct Item {
    pub(super) run: Arc<dyn RunPort>,
    pub(super) at: SubStep,
}

impl Guest {
    /// Takes down what this node answered itself, where the call is a run's.
    pub(super) fn note(&self, call: HostCall, answer: impl FnOnce() -> Value) {
        if let Some(run) = &self.call.run {
            run.note(call, answer());
        }
    }

    /// Takes down what is about to be done, where the call is a run's.
    pub(super) async fn begin<A: Serialize>(&mut self, call: HostCall, asked: &[A]) -> Result<Option<Step>> {
        for _ in asked {
            self.host_call()?;
        }
        let Some(run) = self.call.run.clone() else { return Ok(None) };
        let items = asked.iter().map(written).collect::<Result<_>>()?;
        let number = run.begin(call, items).await.map_err(stop)?;
        Ok(Some(Step { run, number }))
    }

    /// Does all that is asked for, some of it at the same time; outcomes in the order asked.
    pub(super) async fn each<A, T, F>(
        &mut self,
        call: HostCall,
        asked: Vec<A>,
        work: impl Fn(Option<Item>, A) -> F,
    ) -> Result<Vec<Result<T, Error>>>
    where
        A: Serialize,
        T: Recorded,
        F: Future<Output = Result<T, PluginError>>,
    {
        let step = self.begin(call, &asked).await?;
        let step = step.as_ref();
        let work = &work;
        let each = (0..).zip(asked).map(|(place, asked)| async move {
            let item = step.map(|step| step.item(place));
            let outcome = work(item.clone(), asked).await;
            if let Some(item) = item {
                item.end(&outcome).await?;
            }
            Ok::<_, wasmtime::Error>(outcome)
        });
        let outcomes: Vec<_> = stream::iter(each).buffered(MAX_AT_ONCE).try_collect().await?;
        Ok(outcomes.into_iter().map(|outcome| outcome.map_err(Error::from)).collect())
    }
}

impl Step {
    pub(super) fn item(&self, item: u32) -> Item {
        Item { run: self.run.clone(), at: SubStep { step: self.number, item } }
    }
}

impl Item {
    /// Takes down what came of it, before the guest is told.
    pub(super) async fn end<T: Recorded>(&self, outcome: &Result<T, PluginError>) -> Result<()> {
        let answer = Answer {
            record: written(outcome)?,
            model: outcome.as_ref().ok().and_then(|answer| answer.model().map(str::to_owned)),
            usage: outcome.as_ref().ok().map(Recorded::usage),
            error: outcome.as_ref().err().cloned(),
        };
        self.run.end(self.at, answer).await.map_err(stop)
    }

    /// Takes down a piece of what comes of it, before the guest is given it.
    pub(super) async fn piece(&self, piece: &impl Serialize) -> Result<()> {
        self.run.piece(self.at, written(piece)?).await.map_err(stop)
    }
}

fn written(value: &impl Serialize) -> Result<Value> {
    serde_json::to_value(value).map_err(|error| Stop::Host(format!("a step cannot be written: {error}")).into())
}

fn stop(fault: RunFault) -> wasmtime::Error {
    Stop::Host(fault.to_string()).into()
}
