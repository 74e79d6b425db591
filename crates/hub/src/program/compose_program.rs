//! The program `docker compose` on this machine, which supports all of compose. From the worker's
//! environment it gets only the variables that find programs and logins: the rest may be secrets
//! that do not belong to the project.

use std::collections::VecDeque;
use std::io::{self, Write as _};
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use serde_json::json;
use tempfile::NamedTempFile;
use tokio::io::AsyncReadExt;
use tokio::net::unix::pipe;

use crate::output::Logged;
use crate::spec::ProjectSource;
use crate::work::Work;
use tidemill::JobError;
use tidemill::extension::kinds::Companion;

/// The remedy for a description that the hub itself does not support.
pub(crate) const NEEDS_PROGRAM: &str = "install the program docker compose on the worker's machine, which supports all of compose (hub.compose = \"auto\")";

/// Version 2, a plugin of the engine's client, is preferred to the older standalone program.
const PROGRAMS: [&[&str]; 2] = [&["docker", "compose"], &["docker-compose"]];
/// The variables that it gets from the worker's environment: paths of programs and of registry logins.
const INHERITED: [&str; 4] = ["PATH", "HOME", "DOCKER_CONFIG", "LANG"];
/// How long it may take to print its version or to read a file.
const READS_WITHIN: Duration = Duration::from_mins(1);
/// How long output may still arrive after its end.
const AFTERMATH: Duration = Duration::from_secs(1);
/// The number of its last lines shown after a failure.
const LAST_LINES: usize = 12;

/// The program with the options of a project.
pub(crate) struct Program<'a> {
    work: &'a Work<'a>,
    words: &'static [&'static str],
    file: PathBuf,
    folder: PathBuf,
    name: String,
    /// The description file and an empty variables file, if the config itself describes the project.
    written: Option<[NamedTempFile; 2]>,
}

/// A run of the program. Killed when dropped.
pub(crate) struct Run<'a> {
    program: Companion,
    output: pipe::Receiver,
    logged: Logged<'a>,
    last: VecDeque<String>,
}

/// How a run of it ended.
pub(crate) struct Ran {
    pub(crate) good: bool,
    /// Its last lines of output.
    pub(crate) words: String,
}

/// Finds the program.
pub(crate) async fn find() -> Option<&'static [&'static str]> {
    for words in PROGRAMS {
        let mut command = Command::new(words[0]);
        command.args(&words[1..]).args(["version", "--short"]);
        if output(command).await.is_ok_and(|output| output.status.success()) {
            return Some(words);
        }
    }
    None
}

impl<'a> Program<'a> {
    /// Sets the project with the engine's name `name`.
    pub(crate) fn of(work: &'a Work<'a>, words: &'static [&'static str], name: &str) -> io::Result<Self> {
        let (file, folder, written) = match &work.spec.source {
            ProjectSource::File(file) => {
                (file.clone(), file.parent().map(PathBuf::from).unwrap_or_default(), None)
            }
            ProjectSource::Services(services, folder) => {
                let mut written = tempfile::Builder::new().suffix(".json").tempfile()?;
                written.write_all(json!({ "services": services }).to_string().as_bytes())?;
                (written.path().to_owned(), folder.clone(), Some([written, NamedTempFile::new()?]))
            }
        };
        Ok(Self { work, words, file, folder, name: name.to_owned(), written })
    }

    /// The names of the services, which it reads from the whole description; otherwise its error.
    pub(crate) async fn services(&self) -> Result<Vec<String>, JobError> {
        let output = output(self.command(&["config", "--services"])).await?;
        if output.status.success() {
            let names = String::from_utf8_lossy(&output.stdout);
            return Ok(names
                .lines()
                .map(str::trim)
                .filter(|name| !name.is_empty())
                .map(str::to_owned)
                .collect());
        }
        let stderr = String::from_utf8_lossy(&output.stderr);
        let remedy = if stderr.contains("'name' does not match") {
            "This old version does not support a name at the top: remove it, or install version 2"
        } else {
            "Correct the file"
        };
        Err(JobError::permanent(format!(
            "{}: docker compose refuses it:\n{}\n{remedy}, then start the project again.",
            self.file.display(),
            stderr.trim()
        ))
        .class("bad_compose"))
    }

    /// Starts a run.
    pub(crate) async fn run(&self, verb: &[&str], environment: &[(&str, &str)]) -> Result<Run<'a>, JobError> {
        let (theirs, ours) = io::pipe()?;
        let mut command = self.command(verb);
        command.envs(environment.iter().copied()).stdout(ours.try_clone()?).stderr(ours);
        let program = Companion::start(command, ()).await?;
        Ok(Run {
            program,
            output: pipe::Receiver::from_owned_fd(theirs.into())?,
            logged: Logged::new(self.work.context, "compose"),
            last: VecDeque::new(),
        })
    }

    fn command(&self, verb: &[&str]) -> Command {
        let mut command = Command::new(self.words[0]);
        command
            .args(&self.words[1..])
            .arg("--file")
            .arg(&self.file)
            .arg("--project-directory")
            .arg(&self.folder)
            .args(["--project-name", &self.name]);
        if let Some([_, no_variables]) = &self.written {
            // Otherwise it would read the `.env` next to the config, which may contain Tidemill's own
            // secrets.
            command.arg("--env-file").arg(no_variables.path());
        }
        command
            .args(verb)
            .current_dir(&self.folder)
            .env_clear()
            .envs(std::env::vars_os().filter(|(name, _)| INHERITED.iter().any(|known| name == known)))
            .envs(&self.work.spec.env)
            .envs([
                ("DOCKER_HOST", self.work.settings.engine.as_str()),
                ("BUILDKIT_PROGRESS", "plain"),
                ("COMPOSE_ANSI", "never"),
                ("COMPOSE_MENU", "false"),
            ]);
        command
    }
}

impl Run<'_> {
    /// The lines since the last call; `None` once it has ended. They are already in the log.
    pub(crate) async fn lines(&mut self) -> Result<Option<Vec<String>>, JobError> {
        let mut bytes = vec![0; 8 * 1024];
        let exited = self.program.exited();
        let finished = async {
            exited.cancelled().await;
            // A process that it started may still hold the pipe.
            tokio::time::sleep(AFTERMATH).await;
        };
        let read = tokio::select! {
            read = self.output.read(&mut bytes) => read?,
            () = finished => 0,
        };
        if read == 0 {
            return Ok(None);
        }
        let lines = self.logged.take(&bytes[..read]).await;
        self.last.extend(lines.iter().cloned());
        self.last.drain(..self.last.len().saturating_sub(LAST_LINES));
        Ok(Some(lines))
    }

    /// How it ended.
    pub(crate) async fn end(self) -> Ran {
        self.logged.finish().await;
        self.program.exited().cancelled().await;
        let good = self.program.end().await.is_some_and(|status| status.success());
        let words: Vec<_> = self.last.into();
        Ran { good, words: words.join("\n").trim().to_owned() }
    }
}

impl Ran {
    /// The line with the cause of a failure: the last line about an error, except lines that only report
    /// that there was one. Earlier lines may be the output of a step.
    pub(crate) fn error(&self) -> &str {
        let is_error = |line: &&str| {
            let line = line.trim().to_lowercase();
            let empty = line.starts_with("encountered errors") || line.ends_with(": build failed");
            (line.contains("error") || line.contains("failed")) && !empty
        };
        self.words.lines().rev().find(is_error).or_else(|| self.words.lines().last()).unwrap_or_default()
    }
}

/// The output of a short run.
async fn output(command: Command) -> io::Result<Output> {
    let mut command = tokio::process::Command::from(command);
    let output = command.stdin(Stdio::null()).kill_on_drop(true).output();
    tokio::time::timeout(READS_WITHIN, output).await.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_with_the_error_is_found() {
        for (words, error) in [
            (
                "manifest for x\nERROR: Service 'web' failed to build: it returned 1",
                "ERROR: Service 'web' failed to build: it returned 1",
            ),
            (
                "ERROR: failed to solve: no\nERROR: Service 'web' failed to build : Build failed",
                "ERROR: failed to solve: no",
            ),
            (
                "ERROR: for web  no port\nEncountered errors while bringing up the project.",
                "ERROR: for web  no port",
            ),
            ("web Pulling\nodd", "odd"),
            ("", ""),
        ] {
            assert_eq!(Ran { good: false, words: words.into() }.error(), error);
        }
    }
}
