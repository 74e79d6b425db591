//! A terminal of its own: one bash, that keeps its variables and background processes from one block to the next.

use std::fs::{self, File};
use std::io::Write as _;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Stdio};
use std::time::Duration;

use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;

use crate::checkout::command;
use crate::lines::Lines;

const END_OF_BLOCK: &str = "--- end of block:";

pub(crate) struct Shell {
    bash: Child,
    input: ChildStdin,
    output: Lines,
    /// Standard error, also of what runs in the background.
    log: PathBuf,
}

impl Shell {
    pub(crate) fn open(folder: &Path, name: &str) -> Self {
        let log = folder.join(format!("{name}.log"));
        let mut bash = command("bash", folder)
            .args(["--noprofile", "--norc"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(File::create(&log).unwrap())
            .process_group(0)
            .spawn()
            .unwrap();
        let input = bash.stdin.take().unwrap();
        let output = Lines::of(bash.stdout.take().unwrap());
        Self { bash, input, output, log }
    }

    /// Types a block and waits for its end; what it wrote to standard output, and the status of its last command.
    pub(crate) fn try_run(&mut self, block: &str, limit: Duration) -> (String, i32) {
        writeln!(self.input, "{block}\nprintf '\\n{END_OF_BLOCK} %s\\n' $?").unwrap();
        let mut lines = self.output.until(limit, |line| line.starts_with(END_OF_BLOCK));
        let status = lines.pop().and_then(|line| line.rsplit(' ').next()?.parse().ok());
        (lines.join("\n"), status.expect("bash writes a number"))
    }

    /// Types a block that must succeed.
    pub(crate) fn run(&mut self, block: &str, limit: Duration) -> String {
        let (output, status) = self.try_run(block, limit);
        assert_eq!(status, 0, "{block}\nended with {status} and wrote:\n{output}");
        output
    }
}

impl Drop for Shell {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("{}", fs::read_to_string(&self.log).unwrap_or_default());
        }
        // With all that it started in the background.
        let _ = killpg(Pid::from_raw(self.bash.id().cast_signed()), Signal::SIGKILL);
        let _ = self.bash.wait();
    }
}
