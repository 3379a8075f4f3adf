use serde::Serialize;

use crate::{Description, Error, Json};

/// Choreographs a swarm of agents. Export it with [`pattern!`](crate::pattern!).
///
/// This is a whole pattern; its `plugin.toml` asks for the model class:
///
/// ```
/// use sophia_sdk::{Description, Error, Json, Operation, Outcome, Pattern, Task, agents};
///
/// struct Answer;
///
/// impl Pattern for Answer {
///     fn describe() -> Description {
///         let run = Operation { name: "run", summary: "Answers a question.", ..Operation::default() };
///         Description { title: "Answer", operations: vec![run], ..Description::default() }
///     }
///
///     fn run(task: Task) -> Result<Outcome, Error> {
///         let (role, class) = ("answerer".to_owned(), "fast".to_owned());
///         let agent = agents::Agent { role, class, task: task.arguments.parse()?, ..agents::Agent::default() };
///         Outcome::of(&agents::run(agent)?.content)
///     }
/// }
///
/// sophia_sdk::pattern!(Answer);
/// ```
pub trait Pattern {
    /// What the pattern does; its only operation is `run`. Pure: the same for the same version,
    /// and no capability is there while it runs.
    fn describe() -> Description;

    /// Runs the pattern to its end. Its host calls are steps of the run, so that after a crash
    /// the run is repeated up to where it was: nothing but the task and the host's answers may
    /// decide which calls it makes.
    fn run(task: Task) -> Result<Outcome, Error>;
}

/// What to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Task {
    /// The run's id.
    pub run: String,
    /// Arguments that fit the description's only operation, `run`.
    pub arguments: Json,
}

/// What came of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Outcome {
    /// The result, in the operation's outcome schema.
    pub content: Json,
    /// Between 0 and 1, computed from evidence; none where the pattern has no measure.
    pub confidence: Option<f32>,
}

impl Outcome {
    /// A result of which nothing measures how good it is.
    pub fn of<T: Serialize + ?Sized>(content: &T) -> Result<Self, Error> {
        Ok(Self { content: Json::of(content)?, confidence: None })
    }
}

/// Exports a type that implements [`Pattern`] as the plugin. Once in a crate.
#[macro_export]
macro_rules! pattern {
    ($plugin:ty) => {
        const _: fn() -> $crate::Description = <$plugin as $crate::Pattern>::describe;

        #[cfg(target_family = "wasm")]
        #[expect(unsafe_code, reason = "the component model's exports, generated")]
        const _: () = {
            type Exported = $crate::shell::Shell<$plugin>;
    $crate::bindings::pattern::export_pattern!(Exported with_types_in $crate::bindings::pattern);
            $crate::__getrandom!();
        };
    };
}
