//! Jobs that run a program on this machine: args on its standard input, its output as the job's
//! log, JSON lines on file descriptor 3. Only commands in the config can ever be run, never through
//! a shell, and no process that they start outlives the attempt.

mod cgroup;
pub mod child_program;
pub mod containment;
mod environment;
mod exit_status;
mod fork_exec;
pub(super) mod group;
mod limits;
mod memory;
mod orphan_killer;
mod pipes;
mod spawn;
mod stop;
pub mod strays;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tokio::io::AsyncWriteExt;
use tokio::net::unix::pipe;
use tokio::sync::{Notify, oneshot, watch};

use self::group::{Ended, Group};
pub use self::limits::Limits;
use self::memory::OomKills;
use self::pipes::{Follower, Said};
use self::stop::Ran;
use crate::worker::context::Context;
use crate::worker::handler::{Completion, DynHandler, JobError, RunFuture};

/// How long output may still come after the command itself has ended, while something that it
/// started holds the pipes open.
const AFTERMATH: Duration = Duration::from_secs(1);

/// How the jobs of one kind are run by a command.
///
/// The attempt completes when the command exits with 0, fails for good with a code of
/// `permanent_exit_codes` and is retried with any other end. On a stop request its whole process group gets
/// SIGTERM (it is the leader of its own session); then only a reported result completes it. When the
/// attempt's future is dropped the group gets SIGKILL. The recorded peak memory is that of the largest
/// single process, and at least what the worker itself held.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommandSpec {
    /// The program and its arguments; no shell reads them.
    pub command: Vec<String>,
    /// Its working directory; the worker's own if `None`.
    pub working_dir: Option<PathBuf>,
    /// Variables added to its environment.
    pub env: BTreeMap<String, String>,
    /// True for an environment of only `PATH`, `HOME`, `LANG` and `env`; else it inherits the
    /// worker's without its secrets (`TIDEMILL_*`, `DATABASE_URL`, `PG*`).
    pub clean_env: bool,
    /// Exit codes after which no other attempt is made.
    pub permanent_exit_codes: Vec<i32>,
    /// Its resource limits.
    pub limits: Limits,
    /// Longer lines of output are cut, in bytes.
    pub max_line_bytes: usize,
    /// A larger result fails the job, in bytes of JSON.
    pub max_result_bytes: usize,
}

impl CommandSpec {
    /// A command with defaults for everything else.
    #[must_use]
    pub fn new(command: impl IntoIterator<Item = impl Into<String>>) -> Self {
        Self { command: command.into_iter().map(Into::into).collect(), ..Self::default() }
    }

    async fn attempt(&self, context: &Context) -> Result<Completion, JobError> {
        let oom_kills = OomKills::so_far();
        let remembered = environment::remembered(context).await?;
        let silence = context.longest_silence();
        let process = spawn::spawn(self, context.attempt(), remembered, silence).await?;
        let (last_call, last_call_seen) = watch::channel(false);
        let (drained, drained_seen) = oneshot::channel();
        let spoke = Notify::new();
        let follower = Follower::new(self, context, last_call_seen, &spoke);
        let listen = async {
            let (_, last_stderr, verdict) = tokio::join!(
                follower.log("stdout", process.stdout),
                follower.log("stderr", process.stderr),
                follower.obey(process.channel),
            );
            // There is no receiver if the aftermath has ended.
            let _ = drained.send(());
            Said { verdict, last_stderr }
        };
        let oversee = async {
            let ran = run(&process.group, process.exited, process.stdin, context, &spoke).await;
            // An error of either kind means that a process still holds the pipes.
            let _ = tokio::time::timeout(AFTERMATH, drained_seen).await;
            drop(process.group);
            last_call.send_replace(true);
            (process.ended.await.unwrap_or_else(|_| Ended::unknown()), ran)
        };
        let (said, (ended, ran)) = tokio::select! {
            both = async { tokio::join!(listen, oversee) } => both,
            () = orphan_killer::keep_alive() => unreachable!("it never ends"),
        };
        let stop = stop::stop_of(context, &ran, &ended, &said).await;
        exit_status::judge(self, &ended, said, oom_kills.rose(), stop)
    }
}

impl Default for CommandSpec {
    /// Names no command yet, so it cannot be started.
    fn default() -> Self {
        Self {
            command: Vec::new(),
            working_dir: None,
            env: BTreeMap::new(),
            clean_env: false,
            permanent_exit_codes: Vec::new(),
            limits: Limits::default(),
            max_line_bytes: 64 * 1024,
            max_result_bytes: 1024 * 1024,
        }
    }
}

impl DynHandler for CommandSpec {
    fn run(&self, context: Context) -> RunFuture<'_> {
        Box::pin(async move { self.attempt(&context).await })
    }
}

/// Writes the command's input and passes a stop request on to it, until it ends by itself.
async fn run(
    group: &Group,
    exited: oneshot::Receiver<()>,
    stdin: pipe::Sender,
    context: &Context,
    spoke: &Notify,
) -> Ran {
    let started = Instant::now();
    let (asked, handled) = (AtomicBool::new(false), AtomicU64::new(0));
    let stop = async {
        context.stopped().await;
        asked.store(true, Ordering::Relaxed);
        group.terminate();
    };
    let look = stop::note_handlers(group, context, spoke, &handled);
    tokio::select! {
        // An error means that its reaper, and so the command, has ended.
        _ = exited => {}
        // Neither of them decides the outcome.
        () = async { tokio::join!(feed(stdin, context), stop, look); std::future::pending().await } => {}
    }
    Ran { asked: asked.into_inner(), handled: handled.into_inner(), started, lasted: started.elapsed() }
}

/// Writes the args and closes the pipe. A command need not read them: then it has closed its end,
/// or ends without reading.
async fn feed(mut stdin: pipe::Sender, context: &Context) {
    let args = format!("{}\n", context.args());
    if let Err(error) = stdin.write_all(args.as_bytes()).await {
        tracing::debug!(task_id = %context.job_id(), %error, "the command did not read all of its input");
    }
}
