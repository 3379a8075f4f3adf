use sophia_domain::{Problem, ProblemDocument, Step};
use sophia_identity::Unauthorised;

/// What a caller without the key is told.
pub(crate) fn unauthorised(refused: &Unauthorised) -> ProblemDocument {
    let (kind, detail) = match refused {
        Unauthorised::Missing => ("key-missing", "send the node's key as `Authorization: Bearer KEY`"),
        Unauthorised::Malformed => ("key-malformed", "the authorization header must be `Bearer KEY`"),
        Unauthorised::Wrong => (
            "key-wrong",
            "the key is not this node's: it was shown at the first start, or given by SOPHIA_OPERATOR_KEY",
        ),
    };
    Problem::caller(401, kind, "A key is needed", detail).at(Step::Identify)
}
