use http::{Version, header, request::Parts};
use sophia_domain::{Problem, ProblemDocument, Step};

/// Refuses a request of HTTP/1.1 that does not name one host, as RFC 9112 (3.2) demands: a proxy
/// before the node might take it for another one.
pub(super) fn check(head: &Parts) -> Result<(), ProblemDocument> {
    let n_hosts = head.headers.get_all(header::HOST).iter().count();
    if head.version != Version::HTTP_11 || n_hosts == 1 {
        return Ok(());
    }
    let detail = format!("send one `Host` header; there are {n_hosts}");
    Err(Problem::caller(400, "malformed-head", "The request does not name one host", detail).at(Step::Head))
}

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;

    #[test]
    fn one_host_is_named_where_the_version_has_it() {
        for (version, hosts, expected) in [
            (Version::HTTP_11, &["a"][..], true),
            (Version::HTTP_11, &[], false),
            (Version::HTTP_11, &["a", "a"], false),
            (Version::HTTP_10, &[], true),
            (Version::HTTP_2, &[], true),
        ] {
            let request = hosts
                .iter()
                .fold(Request::builder().version(version), |request, host| request.header(header::HOST, *host));
            let (head, ()) = request.body(()).unwrap().into_parts();
            assert_eq!(check(&head).is_ok(), expected, "{version:?} {hosts:?}");
        }
    }
}
