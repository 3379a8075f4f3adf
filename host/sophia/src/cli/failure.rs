use std::process::ExitCode;

use sophia_domain::ProblemDocument;

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
pub(crate) fn exit_code(done: Result<ExitCode, Failure>) -> ExitCode {
    let failure = match done {
        Ok(code) => return code,
        Err(failure) => failure,
    };
    // Being pending is what a node does when it works as it should.
    let word = if matches!(failure, Failure::Pending { .. }) { "pending" } else { "error" };
    eprint!("{word}: {failure}");
    let mut cause = std::error::Error::source(&failure);
    while let Some(error) = cause {
        eprint!(": {error}");
        cause = error.source();
    }
    eprintln!();
    match failure {
        Failure::Refused(_) | Failure::Failed(_) => ExitCode::FAILURE,
        Failure::Usage(_) => ExitCode::from(2),
        Failure::Unreachable { .. } => ExitCode::from(3),
        Failure::Pending { .. } => ExitCode::from(4),
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
    }
}
