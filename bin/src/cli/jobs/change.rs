//! `tidemill jobs snooze` and `change`: change a job that is not running.

use chrono::{DateTime, Utc};
use clap::Args;
use reqwest::Method;
use serde_json::{Value, json};

use super::job_args::JobArgs;
use crate::cli::common::client::Client;
use crate::cli::common::error::CliError;
use crate::cli::common::output::{self, cell};
use crate::cli::common::time::relative;
use crate::cli::enqueue::{duration, read_priority};

/// The arguments of `tidemill jobs snooze`.
#[derive(Debug, Args)]
pub(super) struct SnoozeArgs {
    #[command(flatten)]
    job: JobArgs,
    /// The time from now until the job is due, such as 90s or 2h
    #[arg(value_parser = duration)]
    delay: String,
}

/// The arguments of `tidemill jobs change`.
#[derive(Debug, Args)]
pub(super) struct ChangeArgs {
    #[command(flatten)]
    job: JobArgs,
    #[command(flatten)]
    terms: Terms,
}

#[derive(Debug, Args)]
#[group(required = true, multiple = true)]
struct Terms {
    /// 1 (first) to 9, or critical, high, normal, low
    #[arg(long, value_parser = read_priority)]
    priority: Option<Value>,
    /// The new queue
    #[arg(long)]
    queue: Option<String>,
    /// The earliest start, such as 2030-01-31T08:00:00Z
    #[arg(long, value_name = "TIME")]
    run_at: Option<DateTime<Utc>>,
    /// The most attempts in total
    #[arg(long, value_name = "N")]
    max_attempts: Option<u32>,
    /// A tag to find the job by; replaces its present tags; repeatable
    #[arg(long = "tag")]
    tags: Vec<String>,
}

pub(super) async fn snooze(args: SnoozeArgs) -> Result<(), CliError> {
    let body = json!({ "delay": args.delay });
    send(&args.job, Method::POST, &["jobs", &args.job.id, "snooze"], &body).await
}

pub(super) async fn change(args: ChangeArgs) -> Result<(), CliError> {
    let terms = args.terms;
    let mut body = json!({});
    let fields = [
        ("priority", terms.priority),
        ("queue", terms.queue.map(Value::from)),
        ("run_at", terms.run_at.map(|time| time.to_rfc3339().into())),
        ("max_attempts", terms.max_attempts.map(Value::from)),
        ("tags", (!terms.tags.is_empty()).then(|| terms.tags.into())),
    ];
    for (name, value) in fields {
        if let Some(value) = value {
            body[name] = value;
        }
    }
    send(&args.job, Method::PATCH, &["jobs", &args.job.id], &body).await
}

async fn send(args: &JobArgs, method: Method, path: &[&str], body: &Value) -> Result<(), CliError> {
    let client = Client::new(&args.server)?;
    let answer = client.ask(client.request(method, path).json(body)).await?;
    if args.server.json {
        return output::line(&answer.text);
    }
    let job = &answer.json;
    let words = [
        format!("job {} is {}", args.id, cell(&job["status"])),
        format!("queue {}", cell(&job["queue"])),
        format!("priority {}", cell(&job["priority"])),
        format!("due {}", relative(&job["run_at"])),
    ];
    output::line(&words.join(", "))
}
