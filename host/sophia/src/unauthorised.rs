use sophia_domain::{Problem, ProblemDocument, Step};
use sophia_identity::{Forbidden, Unauthorised};

/// What a caller without the key is told.
pub(crate) fn unauthorised(refused: &Unauthorised) -> ProblemDocument {
    let (kind, detail) = match refused {
        Unauthorised::Missing => ("key-missing", "send the node's key as `Authorization: Bearer KEY`"),
        Unauthorised::Malformed => ("key-malformed", "the authorization header must be `Bearer KEY`"),
        Unauthorised::Wrong => (
            "key-wrong",
            "the key is not this node's, or is revoked: the operator's was shown at the first start, or given by \
             SOPHIA_OPERATOR_KEY; others are made with `sophia key create`",
        ),
        Unauthorised::Expired => (
            "key-expired",
            "the key has expired: ask for another, made with `sophia key create` or `sophia key rotate`",
        ),
    };
    Problem::caller(401, kind, "A key is needed", detail).at(Step::Identify)
}

/// What a caller is told whose key does not allow what was asked.
pub(crate) fn forbidden(refused: &Forbidden) -> ProblemDocument {
    let detail = format!("{refused}: ask an owner for a key that has it, or for the doing");
    Problem::caller(403, "permission-missing", "The key does not allow this", detail).at(Step::Right)
}
