//! Starts a command with its pipes, on a thread that stays until the command is reaped: the kernel
//! sends the parent-death signal when the *thread* that forked ends, and threads of the runtime
//! come and go.

use std::io;
use std::os::fd::OwnedFd;
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use command_fds::{CommandFdExt, FdMapping};
use tokio::net::unix::pipe;
use tokio::sync::oneshot;

use super::ended::Ended;
use super::environment::Remembered;
use super::group::{self, Group, Reaper};
use super::spec::CommandSpec;
use super::{environment, fork_exec};
use crate::worker::context::Attempt;
use crate::worker::handler::JobError;

/// The descriptor of a command's channel for progress and result.
pub(super) const CHANNEL_DESCRIPTOR: i32 = 3;
/// Enough for fork, exec and waiting.
const STACK_BYTES: usize = 256 * 1024;

/// A running command. Dropping it kills its whole process group.
#[derive(Debug)]
pub(super) struct Process {
    pub(super) group: Group,
    /// Notified when the command itself has ended.
    pub(super) exited: oneshot::Receiver<()>,
    /// Notified when it is reaped, which needs `group` to be dropped first.
    pub(super) ended: oneshot::Receiver<Ended>,
    pub(super) stdin: pipe::Sender,
    pub(super) stdout: pipe::Receiver,
    pub(super) stderr: pipe::Receiver,
    pub(super) channel: pipe::Receiver,
}

/// Our ends of the pipes.
struct Pipes {
    stdin: OwnedFd,
    stdout: OwnedFd,
    stderr: OwnedFd,
    channel: OwnedFd,
}

/// Starts the command for one attempt.
pub(super) async fn spawn(
    spec: &CommandSpec,
    attempt: &Attempt,
    remembered: Remembered,
    silence: Duration,
) -> Result<Process, JobError> {
    let failed = |error: io::Error| JobError::retry(explain(spec, attempt, &error)).class("spawn");
    let (command, channel) = prepare(spec, attempt, remembered).map_err(failed)?;
    let (started, starting) = oneshot::channel();
    let (exited_sender, exited) = oneshot::channel();
    let (ended_sender, ended) = oneshot::channel();
    let live = move || {
        let (group, pipes, reaper) = match start(command, channel, silence) {
            Ok(all) => all,
            Err(error) => return drop(started.send(Err(error))),
        };
        // If the attempt has already ended, this drops the group and so kills it.
        drop(started.send(Ok((group, pipes))));
        // There is no receiver if the attempt was dropped.
        let _ = ended_sender.send(reaper.run(exited_sender));
    };
    thread::Builder::new()
        .name("tidemill-command".into())
        .stack_size(STACK_BYTES)
        .spawn(live)
        .map_err(failed)?;
    let (group, pipes) = starting
        .await
        .unwrap_or_else(|_| Err(io::Error::other("the thread that starts it panicked")))
        .map_err(failed)?;
    let pipes = pipes.into_async().map_err(failed)?;
    let (stdin, stdout, stderr, channel) = pipes;
    Ok(Process { group, exited, ended, stdin, stdout, stderr, channel })
}

fn prepare(spec: &CommandSpec, attempt: &Attempt, remembered: Remembered) -> io::Result<(Command, OwnedFd)> {
    let [program, arguments @ ..] = &spec.command[..] else {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "it is empty"));
    };
    let (channel, theirs) = io::pipe()?;
    let mut command = Command::new(program);
    command
        .args(arguments)
        .env_clear()
        .envs(environment::variables(spec, attempt))
        .envs(remembered)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    if let Some(working_dir) = &spec.working_dir {
        command.current_dir(working_dir);
    }
    command
        .fd_mappings(vec![FdMapping { parent_fd: theirs.into(), child_fd: CHANNEL_DESCRIPTOR }])
        .map_err(io::Error::other)?;
    fork_exec::confine(&mut command, spec.limits.rlimits()?);
    Ok((command, channel.into()))
}

/// Consumes the command, so that its ends of the pipes are closed here when it is running.
fn start(mut command: Command, channel: OwnedFd, silence: Duration) -> io::Result<(Group, Pipes, Reaper)> {
    let (child, group, reaper) = group::start(&mut command, Some(silence))?;
    let (Some(stdin), Some(stdout), Some(stderr)) = (child.stdin, child.stdout, child.stderr) else {
        unreachable!("all three were requested as pipes");
    };
    let pipes = Pipes { stdin: stdin.into(), stdout: stdout.into(), stderr: stderr.into(), channel };
    Ok((group, pipes, reaper))
}

impl Pipes {
    fn into_async(self) -> io::Result<(pipe::Sender, pipe::Receiver, pipe::Receiver, pipe::Receiver)> {
        Ok((
            pipe::Sender::from_owned_fd(self.stdin)?,
            pipe::Receiver::from_owned_fd(self.stdout)?,
            pipe::Receiver::from_owned_fd(self.stderr)?,
            pipe::Receiver::from_owned_fd(self.channel)?,
        ))
    }
}

/// The error with its place and advice. Always worth a retry: another worker may have the program.
fn explain(spec: &CommandSpec, attempt: &Attempt, error: &io::Error) -> String {
    let program = spec.command.first().map_or("", String::as_str);
    let kind = &attempt.kind;
    let beginning = format!("the command `{program}` of kind {kind} could not be started on this worker");
    let missing_dir = spec.working_dir.as_ref().filter(|dir| !dir.is_dir());
    match (missing_dir, error.kind()) {
        (Some(dir), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
            format!("{beginning}: its working directory {} does not exist", dir.display())
        }
        (None, io::ErrorKind::NotFound) => format!(
            "{beginning}: no such program; install it there (for every worker that serves {kind}), \
             or name it by its full path in the config"
        ),
        (_, io::ErrorKind::PermissionDenied) => {
            format!("{beginning}: {error}; it must be an executable file for the worker's user")
        }
        _ => format!("{beginning}: {error}"),
    }
}
