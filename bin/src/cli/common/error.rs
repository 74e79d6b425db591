//! The errors of commands, their messages and their exit codes. Every exit code is part of the
//! contract with scripts.

use std::io;

use serde_json::Value;

use tidemill_settings::error::ConfigError;

/// The exit codes as `--help` prints them.
pub(crate) const EXIT_CODES: &str = "Exit codes:
  0  done
  1  the job failed or was cancelled, or the server refused the request or could not carry it out
  2  wrong usage, or a wrong setting
  3  the server cannot be reached, or is not ready
  4  no such job, queue or worker
  5  the key is missing or unknown, or its scopes do not allow the request
  6  the state of the installation is unknown, because its data is stale";

/// The remedy for a missing or wrong key.
const KEY_REMEDY: &str = "Set TIDEMILL_KEY, or --key, to a key; `tidemill keys create` makes one.";

/// Why a command did not succeed.
#[derive(Debug, thiserror::Error)]
pub enum CliError {
    /// Settings are wrong.
    #[error("{0}")]
    Config(#[from] ConfigError),
    /// The command line is wrong in a way that only its execution shows.
    #[error("{0}")]
    Usage(String),
    /// No server answers at its URL.
    #[error(
        "no Tidemill answers at {url} ({found_by}): {cause}\nStart a server with `tidemill dev`, or name \
         yours with --url or TIDEMILL_URL."
    )]
    Unreachable {
        /// The URL.
        url: String,
        /// The source of the URL.
        found_by: String,
        /// The network error.
        cause: String,
        /// The server accepted the request and then stayed silent for too long.
        silent: bool,
    },
    /// Requests are accepted at the URL, but no event stream starts.
    #[error(
        "the event stream from {url} did not start within {seconds} s, although the request was accepted: a \
         proxy in between holds back answers until they are complete\nTurn its buffering off for /api/v1 \
         (lighttpd: server.stream-response-body = 2; nginx: proxy_buffering off), or name the server itself \
         with --url. `tidemill jobs show` and `/result?wait=30s` work through such a proxy."
    )]
    HeldBack {
        /// The URL of the request.
        url: String,
        /// The time that was waited.
        seconds: u64,
    },
    /// The server answered with a problem.
    #[error("{0}")]
    Refused(Box<Refusal>),
    /// The job that was followed did not complete.
    #[error("{0}")]
    JobEnded(String),
    /// The data for a verdict is stale.
    #[error("the state of the installation is unknown, because its data is stale")]
    Stale,
    /// Any other failure.
    #[error("{0}")]
    Failed(String),
    /// The reader of the output closed it; that is not a failure.
    #[error("the output was closed")]
    OutputClosed,
}

impl CliError {
    /// The exit code of the process.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::OutputClosed => 0,
            Self::JobEnded(_) | Self::Failed(_) => 1,
            Self::Config(_) | Self::Usage(_) => 2,
            Self::Stale => 6,
            Self::Unreachable { .. } | Self::HeldBack { .. } => 3,
            Self::Refused(problem) => match problem.status {
                401 | 403 => 5,
                404 | 410 => 4,
                502..=504 => 3,
                _ => 1,
            },
        }
    }

    /// Whether the same request may succeed later.
    #[must_use]
    pub fn is_passing(&self) -> bool {
        match self {
            Self::Unreachable { .. } | Self::HeldBack { .. } => true,
            Self::Refused(problem) => problem.status == 429 || problem.status >= 500,
            _ => false,
        }
    }
}

/// Any error, as the end of a command.
pub(crate) fn failed(error: impl std::error::Error) -> CliError {
    CliError::Failed(error.to_string())
}

impl From<io::Error> for CliError {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::BrokenPipe => Self::OutputClosed,
            _ => Self::Failed(error.to_string()),
        }
    }
}

/// The parts of a problem document that a person needs.
#[derive(Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The answer's status.
    pub status: u16,
    title: String,
    detail: Option<String>,
    field: Option<String>,
    remedy: Option<String>,
    /// The time to wait before the next request.
    retry_after_seconds: Option<u64>,
}

impl Refusal {
    /// Reads the body of a failed answer, which need not be a problem document.
    #[must_use]
    pub fn read(status: u16, body: &str) -> Self {
        let document: Value = serde_json::from_str(body).unwrap_or_default();
        let text = |name: &str| document[name].as_str().map(str::to_owned);
        Self {
            status,
            title: text("title").unwrap_or_else(|| format!("the server answered with status {status}")),
            detail: text("detail"),
            field: text("field"),
            // That of the server speaks of the header.
            remedy: if status == 401 { Some(KEY_REMEDY.to_owned()) } else { text("remedy") },
            retry_after_seconds: None,
        }
    }

    /// Adds the value of the header `Retry-After`, which a person does not see otherwise.
    #[must_use]
    pub fn retry_after(mut self, seconds: Option<u64>) -> Self {
        self.retry_after_seconds = seconds;
        self
    }
}

impl std::fmt::Display for Refusal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.title)?;
        if let Some(field) = &self.field {
            write!(f, " ({field})")?;
        }
        if let Some(detail) = &self.detail {
            write!(f, "\n{detail}")?;
        }
        if let Some(remedy) = &self.remedy {
            write!(f, "\n{remedy}")?;
        }
        if let Some(seconds) = self.retry_after_seconds {
            write!(f, "\nRetry-After: {seconds} s")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_problem_is_printed_completely() {
        let body = r#"{"title":"A value is not acceptable","detail":"kind is empty","field":"/kind","remedy":"Name one."}"#;
        let shown = Refusal::read(422, body).to_string();
        assert_eq!(shown, "A value is not acceptable (/kind)\nkind is empty\nName one.");
        let shown = Refusal::read(429, r#"{"title":"Full"}"#).retry_after(Some(25)).to_string();
        assert_eq!(shown, "Full\nRetry-After: 25 s");
        let shown = Refusal::read(401, r#"{"title":"No key","remedy":"Send a header."}"#).to_string();
        assert_eq!(shown, format!("No key\n{KEY_REMEDY}"));
        assert_eq!(Refusal::read(500, "<html>").to_string(), "the server answered with status 500");
    }

    #[test]
    fn codes_are_those_of_the_help() {
        let refused = |status| CliError::Refused(Box::new(Refusal::read(status, ""))).exit_code();
        assert_eq!([401, 403, 404, 409, 422, 500, 503].map(refused), [5, 5, 4, 1, 1, 1, 3]);
        assert_eq!(CliError::from(io::Error::from(io::ErrorKind::BrokenPipe)).exit_code(), 0);
    }
}
