use sophia_domain::{Limits, PluginName};
use sophia_sandbox::Surface;

use super::{Received, Step, Steps, UploadError};
use crate::{Manifest, Registry};

/// What a component says of itself, checked.
pub(super) struct Examined {
    pub(super) manifest: Manifest,
    /// The manifest as written; none where there was none.
    pub(super) text: Option<String>,
    pub(super) surface: Surface,
}

impl Registry {
    /// `validate`, `world`, `manifest`, `signature`.
    pub(super) async fn examine(
        &self,
        name: &PluginName,
        received: &Received,
        part: Option<String>,
        steps: &mut Steps,
    ) -> Result<Examined, UploadError> {
        let surface = self.read_surface(received).await?;
        steps.done(Step::Validate);
        steps.done_with(Step::World, surface.world.as_str());
        let (manifest, text) = {
            let (name, surface) = (name.clone(), surface.clone());
            // Its patterns take longer to read than an async thread has.
            let read = tokio::task::spawn_blocking(move || read_manifest(&name, &surface, part));
            read.await.unwrap_or_else(|join| Err(UploadError::Temporary(std::io::Error::other(join))))?
        };
        let notes = notes(&manifest, &self.0.config.caps);
        match notes.is_empty() {
            true => steps.done(Step::Manifest),
            false => steps.done_with(Step::Manifest, notes.join("; ")),
        }
        steps.done_with(Step::Signature, "not checked: signatures come later");
        Ok(Examined { manifest, text, surface })
    }

    async fn read_surface(&self, received: &Received) -> Result<Surface, UploadError> {
        // Bounds how many components are in memory.
        let _permit = self.0.compiles.acquire().await;
        let path = received.file.path().to_owned();
        let inspected = tokio::task::spawn_blocking(move || {
            let bytes = std::fs::read(path).map_err(UploadError::Temporary)?;
            Ok(sophia_sandbox::inspect(&bytes)?)
        });
        inspected.await.unwrap_or_else(|join| Err(UploadError::Temporary(std::io::Error::other(join))))
    }
}

/// The manifest that counts, and its text: the component's own, or the one beside it, or none.
fn read_manifest(
    name: &PluginName,
    surface: &Surface,
    part: Option<String>,
) -> Result<(Manifest, Option<String>), UploadError> {
    let text = match (surface.manifest.clone(), part) {
        (Some(_), Some(_)) => return Err(UploadError::ManifestTwice),
        (own, part) => own.or(part),
    };
    let Some(text) = text else {
        return Ok((Manifest::of_silent(name.clone(), surface.world), None));
    };
    let manifest = Manifest::parse(&text)?;
    if manifest.plugin.name != *name {
        return Err(UploadError::AnotherName { manifest: manifest.plugin.name, given: name.clone() });
    }
    if manifest.plugin.world != surface.world {
        return Err(UploadError::AnotherWorld { manifest: manifest.plugin.world, component: surface.world });
    }
    Ok((manifest, Some(text)))
}

/// What a deployer would want to know before a call surprises: limits above the operator's.
fn notes(manifest: &Manifest, caps: &Limits) -> Vec<String> {
    let asks = &manifest.limits;
    let capped = [
        ("memory", asks.memory.is_some_and(|ask| ask > caps.memory), caps.memory.to_string()),
        ("cpu", asks.cpu.is_some_and(|ask| ask > caps.cpu), caps.cpu.to_string()),
        ("wall", asks.wall.is_some_and(|ask| ask > caps.wall), caps.wall.to_string()),
        ("request", asks.request.is_some_and(|ask| ask > caps.request), caps.request.to_string()),
        ("response", asks.response.is_some_and(|ask| ask > caps.response), caps.response.to_string()),
        ("host_calls", asks.host_calls.is_some_and(|ask| ask > caps.host_calls), caps.host_calls.to_string()),
        ("log", asks.log.is_some_and(|ask| ask > caps.log), caps.log.to_string()),
        ("reuse", asks.reuse.is_some_and(|ask| ask > caps.reuse), caps.reuse.to_string()),
    ];
    let capped = capped.into_iter().filter(|(_, is_capped, _)| *is_capped);
    capped.map(|(name, _, cap)| format!("{name} is capped at {cap}")).collect()
}

#[cfg(test)]
mod tests {
    use sophia_domain::{ByteSize, World};

    use super::*;

    fn surface(manifest: Option<&str>) -> Surface {
        Surface {
            world: World::Connector,
            http: None,
            hooks: Vec::new(),
            imports: Vec::new(),
            exports: Vec::new(),
            manifest: manifest.map(str::to_owned),
        }
    }

    fn text(name: &str, world: &str) -> String {
        format!("[plugin]\nname = \"{name}\"\nversion = \"1.2.3\"\nworld = \"{world}\"\n")
    }

    #[test]
    fn takes_the_manifest_from_wherever_it_is() {
        let name: PluginName = "hubspot".parse().unwrap();
        let own = text("hubspot", "connector");
        let (embedded, _) = read_manifest(&name, &surface(Some(&own)), None).unwrap();
        let (beside, kept) = read_manifest(&name, &surface(None), Some(own.clone())).unwrap();
        assert_eq!(embedded, beside);
        assert_eq!(kept, Some(own));
        let (none, kept) = read_manifest(&name, &surface(None), None).unwrap();
        assert_eq!((none.plugin.version.to_string().as_str(), none.plugin.world), ("0.0.0", World::Connector));
        assert!(none.asks().is_empty() && kept.is_none());
    }

    #[test]
    fn refuses_a_manifest_of_something_else() {
        let name: PluginName = "hubspot".parse().unwrap();
        let read = |own: Option<&str>, part: Option<String>| read_manifest(&name, &surface(own), part);
        let good = text("hubspot", "connector");
        assert!(matches!(read(Some(&good), Some(good.clone())), Err(UploadError::ManifestTwice)));
        assert!(matches!(read(None, Some(text("linear", "connector"))), Err(UploadError::AnotherName { .. })));
        assert!(matches!(read(None, Some(text("hubspot", "policy"))), Err(UploadError::AnotherWorld { .. })));
        assert!(matches!(read(None, Some(format!("{good}x = 1"))), Err(UploadError::Manifest(_))));
    }

    #[test]
    fn notes_what_will_not_be_as_asked() {
        let caps = Limits { memory: ByteSize::mib(32), ..Limits::default() };
        let asks = "[limits]\nmemory = \"64MiB\"\ncpu = \"1ms\"";
        let manifest = Manifest::parse(&format!("{}{asks}", text("a", "connector"))).unwrap();
        assert_eq!(notes(&manifest, &caps), ["memory is capped at 32MiB"]);
    }
}
