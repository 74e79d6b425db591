//! One attempt of a command: starts it, gives it the args, follows its output, passes a stop on, and judges its end.
//! Must leave no process of it behind.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tokio::io::AsyncWriteExt;
use tokio::net::unix::pipe;
use tokio::sync::{Notify, oneshot, watch};

use super::ended::Ended;
use super::group::Group;
use super::memory::OomKills;
use super::pipes::{CommandOutput, Follower};
use super::spec::CommandSpec;
use super::stop::Ran;
use super::{environment, exit_status, orphan_killer, spawn, stop};
use crate::worker::context::Context;
use crate::worker::handler::{Completion, DynHandler, JobError, RunFuture};

/// How long output may still come after the command itself has ended, while something that it
/// started holds the pipes open.
const AFTERMATH: Duration = Duration::from_secs(1);

impl CommandSpec {
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
            CommandOutput { verdict, last_stderr }
        };
        let oversee = async {
            let ran = run(&process.group, process.exited, process.stdin, context, &spoke).await;
            // An error of either kind means that a process still holds the pipes.
            let _ = tokio::time::timeout(AFTERMATH, drained_seen).await;
            drop(process.group);
            last_call.send_replace(true);
            (process.ended.await.unwrap_or_else(|_| Ended::unknown()), ran)
        };
        let (output, (ended, ran)) = tokio::select! {
            both = async { tokio::join!(listen, oversee) } => both,
            () = orphan_killer::keep_alive() => unreachable!("it never ends"),
        };
        let stop = stop::stop_of(context, &ran, &ended, &output).await;
        exit_status::outcome_of(self, &ended, output, oom_kills.rose(), stop)
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
