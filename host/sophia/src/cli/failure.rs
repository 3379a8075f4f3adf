use std::process::ExitCode;

use serde_json::{Value, json};
use sophia_domain::ProblemDocument;

use super::Show;

/// How a command did not succeed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// The node refused.
    #[error("{}", problem_text(.0))]
    Refused(Box<ProblemDocument>),
    /// There is no node there.
    #[error("cannot reach a node at {server}: is `sophia serve` running there, and --server right?")]
    Unreachable {
        /// Where.
        server: String,
        /// Why.
        #[source]
        source: reqwest::Error,
    },
    /// Uploaded, and pending.
    #[error("{name} is uploaded, and answers once it is granted: sophia plugin grant {name}")]
    Pending {
        /// The plugin.
        name: String,
    },
    /// What was typed cannot be meant.
    #[error("{0}")]
    Usage(String),
    /// Anything else.
    #[error(transparent)]
    Failed(#[from] anyhow::Error),
}

impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Self {
        Self::Failed(error.into())
    }
}

/// Says what went wrong, and turns it into the documented code.
pub(crate) fn exit_code(done: Result<ExitCode, Failure>, show: Show) -> ExitCode {
    let failure = match done {
        Ok(code) => return code,
        Err(failure) => failure,
    };
    match show {
        Show::Text => eprintln!("{}: {}", failure.word(), failure.with_causes()),
        Show::Json => eprintln!("{}", failure.to_json()),
    }
    match failure {
        Failure::Refused(_) | Failure::Failed(_) => ExitCode::FAILURE,
        Failure::Usage(_) => ExitCode::from(2),
        Failure::Unreachable { .. } => ExitCode::from(3),
        Failure::Pending { .. } => ExitCode::from(4),
    }
}

impl Failure {
    /// Being pending is what a node does when it works as it should.
    fn word(&self) -> &'static str {
        if matches!(self, Self::Pending { .. }) { "pending" } else { "error" }
    }

    fn with_causes(&self) -> String {
        anyhow::Chain::new(self).map(ToString::to_string).collect::<Vec<_>>().join(": ")
    }

    /// The node's problem document where it refused; otherwise what happened here, under its word.
    fn to_json(&self) -> Value {
        match self {
            Self::Refused(document) => json!(document),
            _ => json!({ self.word(): self.with_causes() }),
        }
    }
}

fn problem_text(document: &ProblemDocument) -> String {
    let ProblemDocument { problem, step, request_id } = document;
    let mut text = format!("{} ({}), at step `{step}`", problem.title, problem.status);
    text.push_str(&format!("\n  {}", problem.detail));
    let fault = problem.fault.as_ref().map(|fault| format!(", fault: {fault}")).unwrap_or_default();
    text.push_str(&format!("\n  type: {}, blame: {}{fault}", problem.kind, problem.blame.as_str()));
    if let Some(id) = request_id {
        text.push_str(&format!("\n  request: {id}"));
    }
    text
}

#[cfg(test)]
mod tests {
    use expect_test::expect;
    use sophia_domain::{Problem, Step};

    use super::*;

    #[test]
    fn shows_a_problem_to_people() {
        let problem =
            Problem::plugin(422, "not-a-component", "The file is no component", "build it with `sophia plugin build`");
        let failure = Failure::Refused(Box::new(problem.at(Step::Validate)));
        expect![[r#"
            The file is no component (422), at step `validate`
              build it with `sophia plugin build`
              type: /problems/not-a-component, blame: plugin"#]]
        .assert_eq(&failure.to_string());
        assert_eq!(failure.to_json()["type"], "/problems/not-a-component");
    }

    #[test]
    fn a_machine_reads_what_happened_with_its_causes() {
        let failure = Failure::from(anyhow::anyhow!("no such file").context("cannot read a.wasm"));
        assert_eq!(failure.to_json(), json!({ "error": "cannot read a.wasm: no such file" }));
        let pending = Failure::Pending { name: "hubspot".into() };
        let text = "hubspot is uploaded, and answers once it is granted: sophia plugin grant hubspot";
        assert_eq!(pending.to_json(), json!({ "pending": text }));
    }
}
