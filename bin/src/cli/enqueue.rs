//! `tidemill enqueue`: enqueues one job and, with `--follow`, follows it until it has finished.

use std::io::{IsTerminal, Read, stderr, stdin};
use std::path::PathBuf;

use chrono::{DateTime, Utc};
use clap::Args;
use reqwest::Method;
use serde_json::{Map, Value, json};

use super::common::client::{Client, ServerArgs};
use super::common::error::CliError;
use super::common::{json, output};
use super::jobs::tail;
use super::{GlobalArgs, log};
use tidemill::job::priority;

/// The arguments of `tidemill enqueue`.
#[derive(Debug, Args)]
pub(super) struct EnqueueArgs {
    /// The job's kind
    kind: String,
    /// Single args: name=text, or name:=JSON for numbers, true, false, null, lists and objects
    #[arg(value_name = "NAME=VALUE")]
    pairs: Vec<String>,
    /// The args as a JSON object
    #[arg(long, value_name = "JSON", conflicts_with = "args_file")]
    args: Option<String>,
    /// A file with the args as a JSON object; - is standard input
    #[arg(long, value_name = "FILE")]
    args_file: Option<PathBuf>,
    /// The queue [default: the kind's]
    #[arg(long)]
    queue: Option<String>,
    /// 1 (first) to 9, or critical, high, normal, low [default: the kind's]
    #[arg(long, value_parser = read_priority)]
    priority: Option<Value>,
    /// The delay before the job may start, such as 90s or 2h
    #[arg(long, value_parser = duration, conflicts_with = "run_at")]
    delay: Option<String>,
    /// The earliest start, such as 2030-01-31T08:00:00Z
    #[arg(long, value_name = "TIME")]
    run_at: Option<DateTime<Utc>>,
    /// Your own name for this piece of work; at most one job has it
    #[arg(long, value_name = "NAME")]
    execution_id: Option<String>,
    /// A tag to find the job by; repeatable
    #[arg(long = "tag")]
    tags: Vec<String>,
    /// The most attempts in total [default: the kind's]
    #[arg(long, value_name = "N")]
    max_attempts: Option<u32>,
    /// A limit that the job counts against: its name, or name:key for a separate count per key;
    /// repeatable
    #[arg(long = "concurrency-key", value_name = "KEY")]
    concurrency_keys: Vec<String>,
    /// The group of the job for fairness; jobs of different groups take turns
    #[arg(long, value_name = "KEY")]
    fair_key: Option<String>,
    /// The unique rule as JSON: the job is not stored while another one holds its key; {} means the
    /// same kind and args
    #[arg(long, value_name = "JSON", value_parser = json::read)]
    unique: Option<Value>,
    /// Cancel the job if it has not started within this time
    #[arg(long, value_parser = duration)]
    expires_in: Option<String>,
    /// A job to wait for, by its id or as execution:NAME; repeatable
    #[arg(long, value_name = "JOB")]
    after: Vec<String>,
    /// The outcomes of those jobs after which this job runs [default: all must complete]
    #[arg(long, value_name = "WORD", requires = "after", value_parser = ["all_completed", "all_finished", "any_completed", "any_failed"])]
    run_if: Option<String>,
    /// A key that makes repeating this command safe: the same key and job are enqueued once
    #[arg(long, value_name = "KEY")]
    idempotency_key: Option<String>,
    /// Follow the job until it has finished; its outcome sets the exit code
    #[arg(long, short)]
    follow: bool,
    #[command(flatten)]
    server: ServerArgs,
}

pub(super) async fn run(args: EnqueueArgs, global: &GlobalArgs) -> Result<(), CliError> {
    log::start_quiet(global);
    let body = body(&args)?;
    let client = Client::new(&args.server)?;
    let mut request = client.request(Method::POST, &["jobs"]).json(&body);
    if let Some(key) = &args.idempotency_key {
        request = request.header("Idempotency-Key", key);
    }
    let answer = client.ask(request).await?;
    let id = answer.json["id"].as_str().or_else(|| answer.json["job"]["id"].as_str());
    let id =
        id.ok_or_else(|| CliError::Failed(format!("the server answered without an id: {}", answer.text)))?;
    if args.server.json {
        output::line(&answer.text)?;
    } else {
        // Alone on its line, so that a script can take it.
        output::line(id)?;
    }
    if !args.server.json && (args.follow || stderr().is_terminal()) {
        warn_if_unserved(&client, id).await;
    }
    if args.follow {
        return tail::follow_job(&client, id, args.server.json).await;
    }
    if !args.server.json && output::is_terminal() && stderr().is_terminal() {
        output::note(&format!("Follow it with: tidemill jobs tail {id}"));
    }
    Ok(())
}

/// Says on standard error if no worker that is there would run the job: a wrong kind or queue shows only so.
async fn warn_if_unserved(client: &Client, id: &str) {
    // The job is stored, so a failure of this question is none of the command.
    let Ok(answer) = client.get(&["jobs", id, "explain"], &[]).await else { return };
    let reasons = answer.json["reasons"].as_array().cloned().unwrap_or_default();
    let is_unserved =
        |reason: &&Value| ["no_worker", "no_worker_in_queue"].iter().any(|code| reason["code"] == *code);
    if let Some(reason) = reasons.iter().find(is_unserved) {
        let message = reason["message"].as_str().unwrap_or_default();
        output::note(&format!("The job waits: {message}. `tidemill explain {id}` says more."));
    }
}

/// The body of POST /jobs.
fn body(args: &EnqueueArgs) -> Result<Value, CliError> {
    let mut body = json!({ "kind": args.kind, "args": job_args(args)? });
    let optional = [
        ("queue", args.queue.as_ref().map(|queue| json!(queue))),
        ("priority", args.priority.clone()),
        ("delay", args.delay.as_ref().map(|delay| json!(delay))),
        ("run_at", args.run_at.map(|time| json!(time.to_rfc3339()))),
        ("execution_id", args.execution_id.as_ref().map(|name| json!(name))),
        ("tags", (!args.tags.is_empty()).then(|| json!(args.tags))),
        ("concurrency_key", (!args.concurrency_keys.is_empty()).then(|| json!(args.concurrency_keys))),
        ("fair_key", args.fair_key.as_ref().map(|key| json!(key))),
        ("unique", args.unique.clone()),
        ("expires_in", args.expires_in.as_ref().map(|lasting| json!(lasting))),
        ("after", (!args.after.is_empty()).then(|| json!(args.after))),
        ("run_if", args.run_if.as_ref().map(|word| json!(word))),
        ("max_attempts", args.max_attempts.map(|count| json!(count))),
    ];
    for (name, value) in optional {
        if let Some(value) = value {
            body[name] = value;
        }
    }
    Ok(body)
}

/// The job's args: the given object, overridden by the pairs.
fn job_args(args: &EnqueueArgs) -> Result<Map<String, Value>, CliError> {
    let mut object = match (&args.args, &args.args_file) {
        (Some(text), _) => object("--args", text)?,
        (None, Some(path)) if path.as_os_str() == "-" => {
            let mut text = String::new();
            stdin().read_to_string(&mut text)?;
            object("standard input", &text)?
        }
        (None, Some(path)) => {
            let name = path.display().to_string();
            let text = std::fs::read_to_string(path)
                .map_err(|error| CliError::Usage(format!("{name}: cannot be read: {error}")))?;
            object(&name, &text)?
        }
        (None, None) => Map::new(),
    };
    for text in &args.pairs {
        let (name, value) = pair(text)?;
        object.insert(name, value);
    }
    Ok(object)
}

fn object(source: &str, text: &str) -> Result<Map<String, Value>, CliError> {
    match json::read(text) {
        Ok(Value::Object(object)) => Ok(object),
        Ok(_) => {
            Err(CliError::Usage(format!("{source}: the args must be a JSON object, such as {{\"n\": 20}}")))
        }
        Err(error) => Err(CliError::Usage(format!("{source}: {error}"))),
    }
}

/// Reads `name=text` or `name:=JSON`.
fn pair(text: &str) -> Result<(String, Value), CliError> {
    let wrong = |why: &str| CliError::Usage(format!("{text:?}: {why}"));
    let (name, value) = text.split_once('=').ok_or_else(|| wrong("write name=text or name:=JSON"))?;
    let (name, value) = match name.strip_suffix(':') {
        Some(name) => {
            let value = json::read(value).map_err(|error| wrong(&format!("the value after :=: {error}")))?;
            (name, value)
        }
        None => (name, json!(value)),
    };
    if name.is_empty() {
        return Err(wrong("there is no name before ="));
    }
    Ok((name.to_owned(), value))
}

pub(super) fn read_priority(text: &str) -> Result<Value, String> {
    if priority::named(text).is_some() {
        return Ok(json!(text));
    }
    match text.parse::<u8>() {
        Ok(number @ 1..=9) => Ok(json!(number)),
        _ => Err("1 (first) to 9, or critical, high, normal, low".into()),
    }
}

pub(super) fn duration(text: &str) -> Result<String, String> {
    match humantime::parse_duration(text) {
        Ok(_) => Ok(text.to_owned()),
        Err(_) => Err("a duration with its unit, such as 200ms, 30s, 50m or 1h30m".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairs_are_text_unless_they_say_json() {
        assert_eq!(pair("version=1.10").unwrap(), ("version".into(), json!("1.10")));
        assert_eq!(pair("n:=20").unwrap(), ("n".into(), json!(20)));
        assert_eq!(pair("q=a=b:=c").unwrap(), ("q".into(), json!("a=b:=c")));
        for bad in ["n", "=1", ":=1", "n:=x", "wei:=25000000000000000001"] {
            assert!(matches!(pair(bad), Err(CliError::Usage(_))), "{bad}");
        }
    }
}
