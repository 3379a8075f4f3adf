//! Compiling, in a child process: untrusted code may make a compiler slow or large, so it runs
//! where its limits are the operating system's and its death costs nothing but the upload.

mod child;

use std::{path::Path, process::Stdio, time::Duration};

use tokio::{
    io::AsyncReadExt,
    process::{Child, Command},
};

use crate::{EngineKind, Sandbox, SealedAot};

pub use child::compile_child;

/// Longest compilation. 18 MB of Python take 3.6 s on two cores; idle priority on a busy node
/// may take ten times as long.
const TIMEOUT: Duration = Duration::from_secs(120);
/// Largest compiled code; 18 MB of Python make 60 MB.
const MAX_CODE_BYTES: u64 = 512 << 20;
/// Most of the child's last words that are kept.
const MAX_REASON_BYTES: u64 = 4 << 10;
/// Exit status of a child whose input was no valid component.
pub(crate) const EXIT_INVALID: u8 = 10;

/// Why a component could not be compiled.
#[derive(Debug, thiserror::Error)]
pub enum CompileError {
    /// The component is not valid WebAssembly, or uses features that are off.
    #[error("the component is not valid: {0}")]
    Invalid(String),
    /// The child used up its time, memory or size: the component is too costly to compile here.
    #[error("the component takes more than this node gives to compiling: {0}")]
    TooCostly(String),
    /// The child could not be started or spoken to.
    #[error("the compiling process could not be run")]
    Child(#[source] std::io::Error),
}

impl Sandbox {
    /// Compiles a component in a child process and seals the code.
    ///
    /// The child is killed when the future is dropped.
    ///
    /// # Errors
    /// See [`CompileError`]; the text of `Invalid` and `TooCostly` may be shown to the deployer.
    pub async fn compile(&self, wasm: &Path, kind: EngineKind) -> Result<SealedAot, CompileError> {
        let child = self.spawn_compiler(wasm, kind).map_err(CompileError::Child)?;
        let code = tokio::time::timeout(TIMEOUT, finish(child))
            .await
            .map_err(|_| CompileError::TooCostly(format!("over {} s", TIMEOUT.as_secs())))??;
        Ok(self.seal.seal(&code))
    }

    fn spawn_compiler(&self, wasm: &Path, kind: EngineKind) -> std::io::Result<Child> {
        let mut command = Command::new(self.compiler.as_path());
        command.arg("compile-child").arg(kind.as_str());
        if self.engines.inspector.is_some() {
            command.arg("inspected");
        }
        command
            // No environment: it may hold keys.
            .env_clear()
            .stdin(std::fs::File::open(wasm)?)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
    }
}

async fn finish(mut child: Child) -> Result<Vec<u8>, CompileError> {
    let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
    let (code, reason) =
        futures::future::try_join(read_all(stdout, MAX_CODE_BYTES), read_all(stderr, MAX_REASON_BYTES))
            .await
            .map_err(CompileError::Child)?;
    let status = child.wait().await.map_err(CompileError::Child)?;
    let reason = String::from_utf8_lossy(&reason).trim().to_owned();
    match status.code() {
        Some(0) if !code.is_empty() => Ok(code),
        Some(code) if code == i32::from(EXIT_INVALID) => Err(CompileError::Invalid(reason)),
        Some(_) | None => Err(CompileError::TooCostly(died(&status, &reason))),
    }
}

async fn read_all(source: Option<impl tokio::io::AsyncRead + Unpin>, limit: u64) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    if let Some(source) = source {
        source.take(limit).read_to_end(&mut bytes).await?;
    }
    Ok(bytes)
}

/// How a child died, in words for the deployer. An allocation that fails aborts the child and
/// leaves its message; a CPU limit leaves only the signal.
fn died(status: &std::process::ExitStatus, reason: &str) -> String {
    use std::os::unix::process::ExitStatusExt;
    match (status.signal(), reason.lines().next()) {
        (Some(signal), Some(line)) => format!("signal {signal}, {line}"),
        (Some(signal), None) => format!("signal {signal}"),
        (None, Some(line)) => line.to_owned(),
        (None, None) => status.to_string(),
    }
}
