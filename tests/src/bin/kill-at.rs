//! `kill-at DIR DATA PROGRAM [ARGUMENT…]`: runs a program, follows its system calls with ptrace and
//! kills it just before its n-th write, where n stands in `DIR/armed`. Each write that is seen while
//! that file is there becomes a line in `DIR/writes`; the program's id stands in `DIR/pid`.
//!
//! A write is a call that changes something durable: data into a file under DATA, a file made,
//! renamed or removed, a sync. Sockets, pipes and the log are none. Children of the program are not
//! followed, its threads are. Ends with the program, and takes it along when killed itself.

use std::{ffi::OsString, os::unix::process::CommandExt, process::Command};

/// First argument of the stage that lets itself be traced and then becomes the program.
const TRACED: &str = "--traced";

fn main() -> anyhow::Result<()> {
    let arguments: Vec<OsString> = std::env::args_os().skip(1).collect();
    match arguments.as_slice() {
        [traced, program, rest @ ..] if traced == TRACED => {
            tracing::ask()?;
            Err(Command::new(program).args(rest).exec().into())
        }
        [dir, data, program @ ..] if !program.is_empty() => {
            let child = Command::new(std::env::current_exe()?).arg(TRACED).args(program).spawn()?;
            std::fs::write(std::path::Path::new(dir).join("pid"), child.id().to_string())?;
            tracing::follow(i32::try_from(child.id())?, dir.as_ref(), data.as_ref())
        }
        _ => anyhow::bail!("usage: kill-at DIR DATA PROGRAM [ARGUMENT…]"),
    }
}

#[cfg(not(all(target_os = "linux", target_arch = "x86_64")))]
mod tracing {
    pub(crate) fn ask() -> anyhow::Result<()> {
        Ok(())
    }

    /// Knows no other system's calls.
    pub(crate) fn follow(_: i32, _: &std::path::Path, _: &std::path::Path) -> anyhow::Result<()> {
        anyhow::bail!("kill-at knows the system calls of Linux on x86-64 only")
    }
}

#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
mod tracing {
    use std::{
        collections::HashSet,
        fs::{self, File},
        io::Write,
        path::{Path, PathBuf},
    };

    use anyhow::{Context, Result};
    use nix::{
        errno::Errno,
        libc,
        sys::{
            ptrace::{self, Options},
            signal::{Signal, kill},
            wait::{WaitPidFlag, WaitStatus, waitpid},
        },
        unistd::Pid,
    };

    /// What a system call does to the disk, as far as it can be told from its registers.
    enum Effect {
        /// It changes the file behind the descriptor in its first argument.
        OnDescriptor(&'static str),
        /// It changes names.
        OnNames(&'static str),
    }

    struct Tracer {
        main: Pid,
        armed: PathBuf,
        writes: File,
        data: PathBuf,
        count: u64,
    }

    /// Asks to be traced by the parent, from the next `exec` on.
    pub(crate) fn ask() -> Result<()> {
        ptrace::traceme().context("ptrace is not permitted here")
    }

    /// Follows a process to its end.
    pub(crate) fn follow(pid: i32, dir: &Path, data: &Path) -> Result<()> {
        let writes = File::create(dir.join("writes"))?;
        let (main, armed, data) = (Pid::from_raw(pid), dir.join("armed"), data.to_owned());
        let mut tracer = Tracer { main, armed, writes, data, count: 0 };
        match waitpid(main, None)? {
            WaitStatus::Stopped(_, Signal::SIGTRAP) => {}
            other => anyhow::bail!("the program does not begin: {other:?}"),
        }
        let all = Options::PTRACE_O_TRACECLONE | Options::PTRACE_O_TRACEEXEC | Options::PTRACE_O_TRACESYSGOOD;
        ptrace::setoptions(main, all | Options::PTRACE_O_EXITKILL)?;
        go_on(main, None)?;
        let mut threads = HashSet::from([main]);
        loop {
            match waitpid(None, Some(WaitPidFlag::__WALL)) {
                Ok(WaitStatus::Exited(thread, code)) if thread == main => std::process::exit(code),
                Ok(WaitStatus::Signaled(thread, signal, _)) if thread == main => {
                    std::process::exit(128 + signal as i32)
                }
                Ok(WaitStatus::PtraceSyscall(thread)) => {
                    tracer.at_system_call(thread)?;
                    go_on(thread, None)?;
                }
                // A new thread begins with a stop of the kernel's, which is not for the program.
                Ok(WaitStatus::Stopped(thread, Signal::SIGSTOP)) if threads.insert(thread) => go_on(thread, None)?,
                Ok(WaitStatus::Stopped(thread, signal)) => go_on(thread, Some(signal))?,
                Ok(WaitStatus::PtraceEvent(thread, ..)) => go_on(thread, None)?,
                Ok(_) | Err(Errno::EINTR) => {}
                Err(e) => return Err(e.into()),
            }
        }
    }

    /// Lets a thread run to its next system call. One that is gone meanwhile needs no help.
    fn go_on(thread: Pid, signal: Option<Signal>) -> Result<()> {
        match ptrace::syscall(thread, signal) {
            Ok(()) | Err(Errno::ESRCH) => Ok(()),
            Err(e) => Err(e.into()),
        }
    }

    impl Tracer {
        /// Counts a write that is about to be made, and kills the program before the n-th.
        fn at_system_call(&mut self, thread: Pid) -> Result<()> {
            let registers = match ptrace::getregs(thread) {
                Ok(registers) => registers,
                Err(Errno::ESRCH) => return Ok(()),
                Err(e) => return Err(e.into()),
            };
            // On the way in the kernel has put -ENOSYS there; on the way out it is the result.
            let is_entry = registers.rax.cast_signed() == -i64::from(libc::ENOSYS);
            let Some(effect) = is_entry.then(|| effect(registers.orig_rax, registers.rsi, registers.rdx)).flatten()
            else {
                return Ok(());
            };
            let what = match effect {
                Effect::OnNames(call) => call.to_owned(),
                Effect::OnDescriptor(call) => {
                    let target = fs::read_link(format!("/proc/{}/fd/{}", self.main, registers.rdi));
                    let Some(name) = target.ok().and_then(|t| Some(t.strip_prefix(&self.data).ok()?.to_owned())) else {
                        return Ok(());
                    };
                    format!("{call} {}", name.display())
                }
            };
            let Ok(armed) = fs::read_to_string(&self.armed) else { return Ok(()) };
            self.count += 1;
            if self.count == armed.trim().parse::<u64>()? {
                // The line first: whoever notices the end looks for it.
                writeln!(self.writes, "kill {what}")?;
                kill(self.main, Signal::SIGKILL)?;
            } else {
                writeln!(self.writes, "{what}")?;
            }
            Ok(())
        }
    }

    /// What a call changes, none where nothing durable.
    fn effect(call: u64, second: u64, third: u64) -> Option<Effect> {
        let creates = |flags: u64| flags & u64::from(libc::O_CREAT.cast_unsigned()) != 0;
        match i64::try_from(call).ok()? {
            libc::SYS_write => Some(Effect::OnDescriptor("write")),
            libc::SYS_pwrite64 => Some(Effect::OnDescriptor("pwrite")),
            libc::SYS_writev => Some(Effect::OnDescriptor("writev")),
            libc::SYS_pwritev => Some(Effect::OnDescriptor("pwritev")),
            libc::SYS_ftruncate => Some(Effect::OnDescriptor("ftruncate")),
            libc::SYS_fallocate => Some(Effect::OnDescriptor("fallocate")),
            libc::SYS_fsync => Some(Effect::OnDescriptor("fsync")),
            libc::SYS_fdatasync => Some(Effect::OnDescriptor("fdatasync")),
            libc::SYS_open if creates(second) => Some(Effect::OnNames("create")),
            libc::SYS_openat if creates(third) => Some(Effect::OnNames("create")),
            libc::SYS_rename | libc::SYS_renameat | libc::SYS_renameat2 => Some(Effect::OnNames("rename")),
            libc::SYS_link | libc::SYS_linkat => Some(Effect::OnNames("link")),
            libc::SYS_unlink | libc::SYS_unlinkat => Some(Effect::OnNames("unlink")),
            libc::SYS_mkdir | libc::SYS_mkdirat => Some(Effect::OnNames("mkdir")),
            _ => None,
        }
    }
}
