//! The binary: parses the command line, runs the command, and exits with its code.

#![warn(clippy::pedantic)]

use std::io::{Write, stderr};
use std::process::ExitCode;

use clap::Parser;
use tidemill_bin::cli::{self, Cli};
use tidemill_bin::extensions;

#[tokio::main]
async fn main() -> ExitCode {
    match cli::run(Cli::parse(), extensions()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let code = error.exit_code();
            if code != 0 {
                // If nobody can read this, the exit code still reports it.
                let _ = writeln!(stderr(), "tidemill: {error}");
            }
            ExitCode::from(code)
        }
    }
}
