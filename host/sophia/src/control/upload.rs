//! `PUT /v1/plugins/{name}`: the component as the body, which is what `curl -T` sends, or as a
//! part of a form beside its manifest.

use std::{io, sync::Arc, time::Duration};

use axum::{
    body::{Body, BodyDataStream},
    extract::State,
    response::Response,
};
use bytes::Bytes;
use futures::{Stream, StreamExt};
use http::{HeaderMap, header};
use sophia_domain::{ByteSize, Chain, PluginName, Problem, ProblemDocument, Step};
use sophia_registry::{Received, State as VersionState, UploadError, Uploaded};

use super::{
    Refusal,
    extract::{Named, Permitted, answer},
};
use crate::node::Node;

/// An upload that stands still for so long is given up.
const STALLED: Duration = Duration::from_secs(30);
/// Largest manifest part. The one inside a component is bounded the same way.
const MAX_MANIFEST: ByteSize = ByteSize(64 << 10);

/// Takes a component from its first byte to live (201) or pending (202).
pub(super) async fn upload(
    Permitted(caller): Permitted,
    State(node): State<Arc<Node>>,
    Named(name): Named<PluginName>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Refusal> {
    let body = unstalled(body.into_data_stream());
    let boundary =
        headers.get(header::CONTENT_TYPE).and_then(|value| multer::parse_boundary(value.to_str().ok()?).ok());
    let uploaded = match boundary {
        None => node.registry.upload(&caller.tenant, &name, body, None).await?,
        Some(boundary) => {
            let (received, manifest) = parts(&node, multer::Multipart::new(body, boundary)).await?;
            node.registry.install(&caller.tenant, &name, received, manifest).await?
        }
    };
    let uploaded: Uploaded = uploaded;
    answer(if uploaded.state == VersionState::Pending { 202 } else { 201 }, &uploaded)
}

/// The parts `component` and `manifest`, in any order.
async fn parts(node: &Node, mut form: multer::Multipart<'_>) -> Result<(Received, Option<String>), Refusal> {
    let (mut received, mut manifest) = (None, None);
    while let Some(field) = form.next_field().await.map_err(|wrong| wrong_form(&wrong))? {
        match field.name() {
            Some("component") if received.is_none() => received = Some(node.registry.receive(field).await?),
            Some("manifest") if manifest.is_none() => manifest = Some(text(field).await?),
            other => return Err(wrong_part(other).into()),
        }
    }
    let received = received.ok_or_else(|| wrong_form(&"the part `component` is missing"))?;
    Ok((received, manifest))
}

async fn text(mut field: multer::Field<'_>) -> Result<String, Refusal> {
    let mut text = Vec::new();
    while let Some(chunk) = field.chunk().await.map_err(|wrong| wrong_form(&wrong))? {
        text.extend_from_slice(&chunk);
        if text.len() > MAX_MANIFEST.as_usize() {
            return Err(wrong_form(&format!("the part `manifest` is larger than {MAX_MANIFEST}")).into());
        }
    }
    String::from_utf8(text).map_err(|_| wrong_form(&"the part `manifest` is no UTF-8").into())
}

fn wrong_part(name: Option<&str>) -> ProblemDocument {
    let name: String = name.unwrap_or_default().chars().filter(|c| !c.is_control()).take(70).collect();
    wrong_form(&format!("the part `{name}` is not expected, or comes twice: send `component` and `manifest`"))
}

fn wrong_form(wrong: &dyn std::fmt::Display) -> ProblemDocument {
    Problem::caller(400, "wrong-form", "The form cannot be read", wrong.to_string()).at(Step::Receive)
}

/// The body's bytes, ended with an error when none come for [`STALLED`].
fn unstalled(body: BodyDataStream) -> impl Stream<Item = io::Result<Bytes>> + Send + 'static {
    futures::stream::unfold(body, |mut body| async {
        let next = match tokio::time::timeout(STALLED, body.next()).await {
            Ok(next) => next?.map_err(io::Error::other),
            Err(_) => Err(io::Error::new(io::ErrorKind::TimedOut, "nothing came for too long")),
        };
        Some((next, body))
    })
}

impl From<UploadError> for Refusal {
    fn from(error: UploadError) -> Self {
        let document = error.problem();
        if document.problem.status >= 500 {
            tracing::error!(error = %Chain(&error), "an upload failed in the node");
        }
        document.into()
    }
}
