use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

/// What xtask asks of a child process, on std's own `Command`.
pub(crate) trait Run {
    /// Shows the command, lets it write to the terminal, waits; fails as it fails.
    fn run(&mut self) -> Result<()>;
    /// As `run`, but what it writes is shown only when it fails.
    fn run_quietly(&mut self) -> Result<()>;
    /// What it wrote to stdout. Fails as it fails, with what it wrote to stderr.
    fn read(&mut self) -> Result<String>;
}

impl Run for Command {
    fn run(&mut self) -> Result<()> {
        eprintln!("  $ {}", shown(self));
        // stdout is kept for what xtask itself answers, such as `--json`.
        let status =
            self.stdout(std::io::stderr()).status().with_context(|| format!("cannot start {}", shown(self)))?;
        if !status.success() {
            bail!("`{}` failed ({status})", shown(self));
        }
        Ok(())
    }

    fn run_quietly(&mut self) -> Result<()> {
        self.read().map(drop)
    }

    fn read(&mut self) -> Result<String> {
        let output = self.stdin(Stdio::null()).output().with_context(|| format!("cannot start {}", shown(self)))?;
        let stdout = String::from_utf8_lossy(&output.stdout).into_owned();
        if !output.status.success() {
            let stderr = String::from_utf8_lossy(&output.stderr);
            bail!("`{}` failed ({})\n{stdout}{stderr}", shown(self), output.status);
        }
        Ok(stdout)
    }
}

/// The command as a person would type it, without its environment.
pub(crate) fn shown(command: &Command) -> String {
    let program = command.get_program().to_string_lossy();
    let name = program.rsplit('/').next().unwrap_or(&program).to_owned();
    command.get_args().fold(name, |line, arg| {
        let arg = arg.to_string_lossy();
        if arg.is_empty() || arg.contains([' ', '"', '*', '{']) {
            format!("{line} '{arg}'")
        } else {
            format!("{line} {arg}")
        }
    })
}
