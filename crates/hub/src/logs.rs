//! `hub.logs`: the last log lines of the containers of one service or of all services. A log that
//! is too long for a result loses its oldest lines, and the result says so.

use std::fmt::Write as _;
use std::pin::pin;

use bollard::errors::Error;
use bollard::query_parameters::LogsOptionsBuilder;
use futures_util::StreamExt;
use serde_json::{Map, Value, json};

use super::engine::{called, id_of};
use super::engine_error::{failed, is_not_supported};
use super::work::{Work, stopped};
use crate::containers::lookup::{self, ProjectContainers};
use tidemill::JobError;
use tidemill::extension::jobs::storable_text;

/// The default number of lines.
const LINES: u32 = 100;
/// The most text of one result, which may be seven times as long when it is written as JSON.
const MOST_BYTES: usize = 128 * 1024;

pub(super) async fn run(work: &Work<'_>) -> Result<Value, JobError> {
    tokio::select! {
        ended = logs(work) => ended,
        reason = work.context.stopped() => Err(stopped(reason)),
    }
}

async fn logs(work: &Work<'_>) -> Result<Value, JobError> {
    work.progress.running(80.0, "Reading logs...").await;
    let lines = work.args.lines.unwrap_or(LINES);
    let ProjectContainers { name, containers } = lookup::some(work).await?;
    let limit = MOST_BYTES / containers.len().max(1);
    let mut services = Map::new();
    let mut all = String::new();
    for container in &containers {
        let service = called(container);
        let read = last_bytes(work, id_of(container), lines, limit).await;
        let read_failed = |error: &Error| failed(&format!("reading the log of {service}"), error);
        if containers.len() > 1 {
            // As `tail` separates several files.
            let _ = writeln!(all, "==> {service} <==");
        }
        let (bytes, truncated) = match read {
            // A container without a log must not hide the logs of others.
            Err(error) if containers.len() > 1 && is_not_supported(&error) => {
                let _ = writeln!(all, "{}", read_failed(&error));
                (Vec::new(), false)
            }
            read => read.map_err(|error| read_failed(&error))?,
        };
        all.push_str(&storable_text(String::from_utf8_lossy(&bytes).into_owned()));
        services.insert(service, json!({ "bytes": bytes.len(), "truncated": truncated }));
    }
    Ok(json!({ "logs": all, "lines": lines, "project": name, "services": services }))
}

/// The last lines of a container, and whether they were cut.
async fn last_bytes(work: &Work<'_>, id: &str, lines: u32, limit: usize) -> Result<(Vec<u8>, bool), Error> {
    let options = LogsOptionsBuilder::new().stdout(true).stderr(true).tail(&lines.to_string()).build();
    let mut output = pin!(work.engine.logs(id, Some(options)));
    let mut bytes = Vec::new();
    let mut cut = false;
    while let Some(piece) = output.next().await {
        bytes.extend_from_slice(piece?.as_ref());
        if bytes.len() > 2 * limit {
            bytes.drain(..bytes.len() - limit);
            cut = true;
        }
    }
    if bytes.len() > limit {
        bytes.drain(..bytes.len() - limit);
        cut = true;
    }
    Ok((bytes, cut))
}
