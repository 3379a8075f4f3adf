//! `sophia plugin push`: one file goes up, with its progress on a terminal.

use std::path::{Path, PathBuf};

use anyhow::Context;
use bytes::Bytes;
use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use reqwest::Body;
use serde_json::Value;
use sophia_domain::PluginName;
use sophia_registry::{Manifest, State, Uploaded};

use super::{grant_body, shown};
use crate::cli::{Failure, client::Client, show::Show};

/// Pieces by which progress is seen.
const CHUNK_BYTES: usize = 64 << 10;

#[derive(Debug, Args)]
pub(crate) struct PushArgs {
    /// The component
    file: PathBuf,
    /// The plugin; the name in its manifest, else that of the file, where not given
    #[arg(long)]
    name: Option<PluginName>,
    /// A manifest for a component that has none inside
    #[arg(long, value_name = "FILE")]
    manifest: Option<PathBuf>,
    /// Allow all that it asks for
    #[arg(long)]
    grant: bool,
}

pub(super) async fn run(args: PushArgs, client: &Client, show: Show) -> Result<(), Failure> {
    let component = read(&args.file)?;
    let manifest = args.manifest.as_deref().map(read_text).transpose()?;
    let name = match args.name {
        Some(name) => name,
        None => name_of(&component, manifest.as_deref(), &args.file)?,
    };
    let path = format!("/v1/plugins/{name}");
    let answer = match &manifest {
        None => upload(client, &path, "application/wasm", component).await?,
        Some(manifest) => {
            let form = Form::of(&component, manifest);
            upload(client, &path, &form.content_type, form.body).await?
        }
    };
    let uploaded: Uploaded =
        serde_json::from_value(answer.clone()).context("the answer is of another version than this client")?;
    if uploaded.state == State::Pending && args.grant {
        let granted = client.post(&format!("{path}/grants"), &grant_body(Some(uploaded.digest), None)).await?;
        return show.answer(granted, |granted: Uploaded| shown::uploaded(&granted));
    }
    let is_pending = uploaded.state == State::Pending;
    show.answer(answer, |_: Value| shown::uploaded(&uploaded))?;
    if is_pending { Err(Failure::Pending { name: name.to_string() }) } else { Ok(()) }
}

async fn upload(client: &Client, path: &str, content_type: &str, body: Vec<u8>) -> Result<Value, Failure> {
    let length = u64::try_from(body.len()).unwrap_or(u64::MAX);
    // Hidden by itself where standard error is no terminal.
    let bar = ProgressBar::new(length);
    let style = ProgressStyle::with_template("{wide_bar} {bytes}/{total_bytes} {msg}").context("the progress bar")?;
    bar.set_style(style);
    let progress = bar.clone();
    let whole = Bytes::from(body);
    let starts = (0..whole.len()).step_by(CHUNK_BYTES);
    let chunks = starts.map(move |start| {
        let end = whole.len().min(start + CHUNK_BYTES);
        progress.set_position(u64::try_from(end).unwrap_or(u64::MAX));
        if end == whole.len() {
            progress.set_message("checking and compiling");
        }
        Ok::<_, std::io::Error>(whole.slice(start..end))
    });
    let answer = client.upload(path, content_type, length, Body::wrap_stream(futures::stream::iter(chunks))).await;
    bar.finish_and_clear();
    answer
}

/// The manifest says what a plugin is called; a file without one is called as it is named.
fn name_of(component: &[u8], manifest: Option<&str>, file: &Path) -> Result<PluginName, Failure> {
    let embedded = || sophia_sandbox::inspect(component).ok().and_then(|surface| surface.manifest);
    let text = manifest.map(str::to_owned).or_else(embedded);
    if let Some(manifest) = text.and_then(|text| Manifest::parse(&text).ok()) {
        return Ok(manifest.plugin.name);
    }
    let stem = file.file_stem().map(|stem| stem.to_string_lossy().replace('_', "-")).unwrap_or_default();
    stem.parse().map_err(|wrong| Failure::Usage(format!("{wrong}; name the plugin with --name")))
}

/// A form of two parts (RFC 7578).
struct Form {
    content_type: String,
    body: Vec<u8>,
}

impl Form {
    fn of(component: &[u8], manifest: &str) -> Self {
        // 128 random bits do not occur in either part.
        let boundary = format!("sophia-{:032x}", fastrand::u128(..));
        let mut body = Vec::with_capacity(component.len() + manifest.len() + 512);
        for (name, bytes) in [("manifest", manifest.as_bytes()), ("component", component)] {
            let head = format!("--{boundary}\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n");
            body.extend_from_slice(head.as_bytes());
            body.extend_from_slice(bytes);
            body.extend_from_slice(b"\r\n");
        }
        body.extend_from_slice(format!("--{boundary}--\r\n").as_bytes());
        Self { content_type: format!("multipart/form-data; boundary={boundary}"), body }
    }
}

fn read(path: &Path) -> Result<Vec<u8>, Failure> {
    Ok(std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))?)
}

fn read_text(path: &Path) -> Result<String, Failure> {
    Ok(std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_without_a_manifest_is_called_as_it_is_named() {
        assert_eq!(name_of(b"", None, Path::new("out/hello_world.wasm")).unwrap().as_str(), "hello-world");
        assert!(matches!(name_of(b"", None, Path::new("Big.wasm")), Err(Failure::Usage(_))));
    }
}
