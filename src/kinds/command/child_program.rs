//! A program that a handler runs for itself, such as a browser, in its own session and process
//! group. It ends when the handler drops it or the worker is killed. Must never outlive either.

use std::io;
use std::process::{Command, ExitStatus, Stdio};
use std::thread;

use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;

use super::ended::Ended;
use super::group::{self, Group};
use super::{fork_exec, orphan_killer};

/// A running program. Dropping it kills its whole process group.
#[derive(Debug)]
pub struct Companion {
    group: Group,
    exited: CancellationToken,
    ended: oneshot::Receiver<Ended>,
}

impl Companion {
    /// Starts a program without standard input; its output goes where the command says. Resources lent to
    /// it are dropped after its end, on a separate thread.
    ///
    /// # Errors
    /// If the program cannot be started.
    pub async fn start(mut command: Command, lent: impl Send + 'static) -> io::Result<Self> {
        command.stdin(Stdio::null());
        fork_exec::confine(&mut command, Vec::new());
        let (started, starting) = oneshot::channel();
        let (exited_sender, exited) = oneshot::channel();
        let (ended_sender, ended) = oneshot::channel();
        // On a thread that stays, as that of a command does.
        let live = move || {
            let leader = group::start(&mut command, None);
            // Otherwise our ends of its pipes would stay open.
            drop(command);
            let (child, group, reaper) = match leader {
                Ok(all) => all,
                Err(error) => return drop(started.send(Err(error))),
            };
            drop(child);
            drop(started.send(Ok(group)));
            let end = reaper.run(exited_sender);
            drop(lent);
            // There is no receiver if the attempt was dropped.
            let _ = ended_sender.send(end);
        };
        thread::Builder::new().name("tidemill-companion".into()).spawn(live)?;
        let group =
            starting.await.unwrap_or_else(|_| Err(io::Error::other("the thread that starts it panicked")))?;
        let gone = CancellationToken::new();
        let notice = gone.clone();
        tokio::spawn(async move {
            // An error means that its reaper, and so the program, has ended.
            tokio::select! {
                _ = exited => {}
                () = orphan_killer::keep_alive() => {}
            }
            notice.cancel();
        });
        Ok(Self { group, exited: gone, ended })
    }

    /// Cancelled once it has ended.
    #[must_use]
    pub fn exited(&self) -> CancellationToken {
        self.exited.clone()
    }

    /// Kills it if it is still running, and waits until it and its lent resources are gone; returns its
    /// exit.
    pub async fn end(self) -> Option<ExitStatus> {
        drop(self.group);
        self.ended.await.ok()?.status
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::time::Duration;

    use super::*;

    /// Reports, when dropped, whether its program had ended.
    struct Lent(std::path::PathBuf, Option<oneshot::Sender<bool>>);

    impl Drop for Lent {
        fn drop(&mut self) {
            let pid = std::fs::read_to_string(&self.0).unwrap_or_default();
            let is_gone = !pid.is_empty() && !Path::new("/proc").join(pid.trim()).exists();
            let _ = self.1.take().map(|notice| notice.send(is_gone));
        }
    }

    #[tokio::test]
    async fn what_is_lent_to_a_program_is_removed_after_it_even_if_nobody_waits() {
        for is_dropped in [true, false] {
            let folder = tempfile::tempdir().unwrap();
            let file = folder.path().join("pid");
            let mut command = Command::new("sh");
            command.args(["-c", "echo $$ > pid.new && mv pid.new pid; exec sleep 1000"]);
            command.current_dir(folder.path());
            let (notice, gone) = oneshot::channel();
            let companion = Companion::start(command, Lent(file.clone(), Some(notice))).await.unwrap();
            while !file.exists() {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            if is_dropped {
                drop(companion);
                assert!(gone.await.unwrap());
            } else {
                companion.end().await;
                assert_eq!({ gone }.try_recv(), Ok(true), "before its end was reported");
            }
        }
    }
}
