//! A program that a handler of ours runs for itself, such as a browser: in a session and process group of its own,
//! that ends when the handler lets go of it or the worker is killed. Must never outlive either.

use std::io;
use std::process::{Command, ExitStatus, Stdio};
use std::thread;

use nix::unistd::Pid;
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;

use super::group::{self, Ended, Group};
use super::kernel;

/// A program that runs. Dropping it kills its whole process group.
#[derive(Debug)]
pub(in crate::kinds) struct Companion {
    group: Group,
    exited: CancellationToken,
    ended: oneshot::Receiver<Ended>,
}

impl Companion {
    /// Starts a program without standard input; what it says goes where the command says.
    pub(in crate::kinds) async fn start(mut command: Command) -> io::Result<Self> {
        command.stdin(Stdio::null());
        kernel::confine(&mut command, Vec::new());
        let (started, starting) = oneshot::channel();
        let (exited_sender, exited) = oneshot::channel();
        let (ended_sender, ended) = oneshot::channel();
        // On a thread that stays, as that of a command does.
        let live = move || {
            let leader =
                command.spawn().and_then(|child| i32::try_from(child.id()).map_err(io::Error::other));
            // Else our ends of its pipes would stay open.
            drop(command);
            let (group, reaper) = match leader {
                Ok(leader) => group::of(Pid::from_raw(leader)),
                Err(error) => return drop(started.send(Err(error))),
            };
            drop(started.send(Ok(group)));
            reaper.run(exited_sender, ended_sender);
        };
        thread::Builder::new().name("tidemill-companion".into()).spawn(live)?;
        let group =
            starting.await.unwrap_or_else(|_| Err(io::Error::other("the thread that starts it panicked")))?;
        let gone = CancellationToken::new();
        let told = gone.clone();
        tokio::spawn(async move {
            // An error means that its reaper is gone, and so is the program.
            let _ = exited.await;
            told.cancel();
        });
        Ok(Self { group, exited: gone, ended })
    }

    /// Cancelled once it has ended.
    pub(in crate::kinds) fn exited(&self) -> CancellationToken {
        self.exited.clone()
    }

    /// Kills it, if it still runs, and waits until it is gone; answers how it ended.
    pub(in crate::kinds) async fn end(self) -> Option<ExitStatus> {
        drop(self.group);
        self.ended.await.ok()?.status
    }
}
