//! How a file goes live. [`Registry::install`] reads as the pipeline: each step leaves the node
//! as it was when it fails, until `store` commits a row and `activate` swaps a pointer.

mod answer;
mod error;
mod examine;
mod keep;
mod offer;
mod receive;
mod stage;
mod steps;

use bytes::Bytes;
use futures::Stream;
pub(crate) use sophia_domain::Step;
use sophia_domain::{PluginName, TenantId};

pub use answer::Uploaded;
pub use error::UploadError;
pub(crate) use keep::Judged;
pub use offer::OfferError;
pub(crate) use offer::embedded;
pub use receive::Received;
pub use steps::StepTime;
pub(crate) use steps::Steps;

use crate::{Registry, RegistryError};

/// Whatever a body's stream fails with.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

impl Registry {
    /// Takes a component from its first byte to live or pending. The same bytes again change
    /// nothing and are answered the same way.
    ///
    /// Dropped before `store`, it leaves nothing behind; after that it goes on to its end.
    pub async fn upload<S, E>(
        &self,
        tenant: &TenantId,
        name: &PluginName,
        body: S,
        manifest: Option<String>,
    ) -> Result<Uploaded, UploadError>
    where
        S: Stream<Item = Result<Bytes, E>>,
        E: Into<BoxError>,
    {
        let received = self.receive(body).await?;
        self.install(tenant, name, received, manifest).await
    }

    /// The first step alone: streams a component into a temporary file while hashing it. For a
    /// multipart body, whose manifest may come after the component.
    pub async fn receive<S, E>(&self, body: S) -> Result<Received, UploadError>
    where
        S: Stream<Item = Result<Bytes, E>>,
        E: Into<BoxError>,
    {
        receive::receive(self.0.store.temp_dir(), self.0.config.max_upload, body).await
    }

    /// All steps after the first. Uploads of one plugin take turns.
    pub async fn install(
        &self,
        tenant: &TenantId,
        name: &PluginName,
        received: Received,
        manifest: Option<String>,
    ) -> Result<Uploaded, UploadError> {
        let _turn = self.0.turns.take(tenant, name).await;
        let mut steps = Steps::after(&received);
        let examined = self.examine(name, &received, manifest, &mut steps).await?;
        let kept = self.0.store.version(tenant, name, &received.digest).await.map_err(RegistryError::from)?;
        if let Some(row) = kept {
            return self.install_again(tenant, (name, &row), (examined, received), steps).await;
        }
        let staged = self.stage(tenant, name, (examined, received), &mut steps).await?;
        let judged = self.judge(&staged.version).await?;
        steps.done(Step::Diff);
        self.change(|registry| registry.keep(staged, judged, steps)).await
    }
}
