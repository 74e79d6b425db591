//! Handles the signals that supervisors and terminals send. The first termination signal asks for a
//! graceful shutdown, the second for an immediate one, and the third ends the process at once; no
//! other signal may end it by accident.

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::mpsc;

use tidemill::worker::Shutdown;

/// The meaning of a signal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum SignalAction {
    /// An end.
    End,
    /// The same, unless the process was started with the signal ignored, as by `nohup`.
    EndUnlessIgnored,
    /// A signal with a meaning in other programs, such as reopening a log. Its default action would kill.
    Nothing,
}

/// All signals that would end the process, except those caused by its own faults.
const SIGNALS: [(&str, libc::c_int, SignalAction); 6] = [
    ("SIGTERM", libc::SIGTERM, SignalAction::End),
    ("SIGINT", libc::SIGINT, SignalAction::End),
    ("SIGHUP", libc::SIGHUP, SignalAction::EndUnlessIgnored),
    ("SIGQUIT", libc::SIGQUIT, SignalAction::EndUnlessIgnored),
    ("SIGUSR1", libc::SIGUSR1, SignalAction::Nothing),
    ("SIGUSR2", libc::SIGUSR2, SignalAction::Nothing),
];

/// A signal that came: its name and its number.
type Heard = (&'static str, libc::c_int);

/// Starts to listen to signals; the answer is cancelled step by step as they come.
pub(crate) fn shutdown() -> Shutdown {
    let shutdown = Shutdown::default();
    let (heard, hearing) = mpsc::channel(1);
    for (name, number, action) in SIGNALS {
        if action == SignalAction::EndUnlessIgnored && is_ignored(number) {
            continue;
        }
        match signal(SignalKind::from_raw(number)) {
            Ok(signals) if action == SignalAction::Nothing => drop(tokio::spawn(pass_over(signals, name))),
            Ok(signals) => drop(tokio::spawn(hear(signals, (name, number), heard.clone()))),
            Err(error) => tracing::error!(%error, name, "a signal handler could not be installed"),
        }
    }
    tokio::spawn(end(shutdown.clone(), hearing));
    shutdown
}

async fn hear(mut signals: Signal, which: Heard, heard: mpsc::Sender<Heard>) {
    while signals.recv().await.is_some() && heard.send(which).await.is_ok() {}
}

async fn pass_over(mut signals: Signal, name: &'static str) {
    while signals.recv().await.is_some() {
        tracing::info!("{name} is ignored; to stop the process, send SIGTERM");
    }
}

async fn end(shutdown: Shutdown, mut heard: mpsc::Receiver<Heard>) {
    for signals in 1.. {
        let Some((name, number)) = heard.recv().await else { return };
        shutdown.by_signal(number);
        match signals {
            1 => {
                tracing::info!(signal = name, "shutting down; signal again to stop running jobs at once");
                shutdown.graceful.cancel();
            }
            2 => {
                tracing::warn!(signal = name, "stopping running jobs and handing them back");
                shutdown.immediate.cancel();
            }
            _ => std::process::exit(130),
        }
    }
}

/// Whether a signal was ignored when the process started.
fn is_ignored(number: libc::c_int) -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let ignored = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let ignored = ignored.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or_default();
    ignored >> (number - 1) & 1 == 1
}

#[cfg(test)]
mod tests {
    use super::is_ignored;

    #[test]
    fn the_standard_library_ignores_one_signal() {
        assert!(is_ignored(libc::SIGPIPE) && !is_ignored(libc::SIGTERM));
    }
}
