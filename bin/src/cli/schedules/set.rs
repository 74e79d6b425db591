//! `tidemill schedules set` and `preview`: turn flags into API requests. The server validates the
//! values.

use chrono::{DateTime, Utc};
use clap::Args;
use reqwest::Method;
use serde_json::{Map, Value, json};

use crate::cli::common::client::{Client, ServerArgs};
use crate::cli::common::error::CliError;
use crate::cli::common::json::read;
use crate::cli::common::output::{self, cell};
use crate::cli::common::time::relative;

/// When it falls due.
#[derive(Debug, Args)]
#[group(required = true, multiple = false, id = "times")]
struct TimesArgs {
    /// Minute, hour, day of month, month, day of week; with seconds before them if there are six
    #[arg(long, value_name = "TEXT")]
    cron: Option<String>,
    /// The interval between slots, such as 90s or 2h
    #[arg(long, value_name = "DURATION")]
    every: Option<String>,
    /// The single time, such as 2030-01-31T08:00:00Z
    #[arg(long, value_name = "TIME")]
    at: Option<DateTime<Utc>>,
}

/// The arguments of `tidemill schedules set`.
#[derive(Debug, Args)]
pub(super) struct SetArgs {
    /// The schedule's name
    name: String,
    #[command(flatten)]
    times: TimesArgs,
    /// The time zone of the cron expression, such as Europe/Berlin [default: UTC]
    #[arg(long, value_name = "ZONE")]
    timezone: Option<String>,
    /// The kind of the jobs
    #[arg(long)]
    kind: String,
    /// The jobs' args as a JSON object
    #[arg(long, value_name = "JSON")]
    args: Option<String>,
    /// The jobs' queue [default: the kind's]
    #[arg(long)]
    queue: Option<String>,
    /// 1 (first) to 9, or critical, high, normal, low [default: the kind's]
    #[arg(long)]
    priority: Option<String>,
    /// The most attempts of each job in total [default: the kind's]
    #[arg(long, value_name = "N")]
    max_attempts: Option<u32>,
    /// A tag to find the jobs by; repeatable
    #[arg(long = "tag")]
    tags: Vec<String>,
    /// The missed slots that fire: skip (none), one (the latest) or all [default: one]
    #[arg(long, value_name = "POLICY")]
    missed: Option<String>,
    /// The most missed slots that fire with `all` [default: 10]
    #[arg(long, value_name = "N")]
    missed_limit: Option<u32>,
    /// The action while an earlier job is not finished: skip, queue, allow or cancel [default:
    /// skip]
    #[arg(long, value_name = "POLICY")]
    overlap: Option<String>,
    /// The maximum random delay before a job starts [default: 0s]
    #[arg(long, value_name = "DURATION")]
    jitter: Option<String>,
    #[command(flatten)]
    server: ServerArgs,
}

/// The arguments of `tidemill schedules preview`.
#[derive(Debug, Args)]
pub(super) struct PreviewArgs {
    #[command(flatten)]
    times: TimesArgs,
    /// The time zone of the cron expression, such as Europe/Berlin [default: UTC]
    #[arg(long, value_name = "ZONE")]
    timezone: Option<String>,
    /// The number of slots
    #[arg(long, value_name = "N", default_value_t = 5)]
    next: u32,
    #[command(flatten)]
    server: ServerArgs,
}

pub(super) async fn run(args: &SetArgs) -> Result<(), CliError> {
    let job = object([
        ("kind", Some(json!(args.kind))),
        ("args", args.args.as_deref().map(job_args).transpose()?),
        ("queue", args.queue.as_ref().map(|queue| json!(queue))),
        (
            "priority",
            args.priority
                .as_deref()
                .map(|text| text.parse::<i64>().map_or_else(|_| json!(text), Value::from)),
        ),
        ("max_attempts", args.max_attempts.map(Value::from)),
        ("tags", (!args.tags.is_empty()).then(|| json!(args.tags))),
    ]);
    let mut body = args.times.body(args.timezone.as_deref());
    body.append(&mut object([
        ("job", Some(Value::Object(job))),
        ("missed", args.missed.as_ref().map(|word| json!(word))),
        ("missed_limit", args.missed_limit.map(Value::from)),
        ("overlap", args.overlap.as_ref().map(|word| json!(word))),
        ("jitter", args.jitter.as_ref().map(|jitter| json!(jitter))),
    ]));
    let client = Client::new(&args.server)?;
    let answer = client.ask(client.request(Method::PUT, &["schedules", &args.name]).json(&body)).await?;
    if args.server.json {
        return output::line(&answer.text);
    }
    let next = &answer.json["upcoming"][0];
    output::line(&format!("schedule {} is set; next {} ({})", args.name, cell(next), relative(next)))
}

pub(super) async fn preview(args: &PreviewArgs) -> Result<(), CliError> {
    let mut body = args.times.body(args.timezone.as_deref());
    body.insert("next".into(), args.next.into());
    let client = Client::new(&args.server)?;
    let answer = client.ask(client.request(Method::POST, &["schedules", "preview"]).json(&body)).await?;
    if args.server.json {
        return output::line(&answer.text);
    }
    for slot in answer.json["slots"].as_array().into_iter().flatten() {
        output::line(&format!("{}  {}", cell(slot), relative(slot)))?;
    }
    Ok(())
}

impl TimesArgs {
    fn body(&self, timezone: Option<&str>) -> Map<String, Value> {
        object([
            ("cron", self.cron.as_ref().map(|cron| json!(cron))),
            ("every", self.every.as_ref().map(|every| json!(every))),
            ("at", self.at.map(|at| json!(at.to_rfc3339()))),
            ("timezone", timezone.map(|timezone| json!(timezone))),
        ])
    }
}

/// The fields that are set.
fn object<const N: usize>(members: [(&str, Option<Value>); N]) -> Map<String, Value> {
    members.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))).collect()
}

fn job_args(text: &str) -> Result<Value, CliError> {
    match read(text) {
        Ok(value @ Value::Object(_)) => Ok(value),
        Err(error) => Err(CliError::Usage(format!("--args: {error}"))),
        Ok(_) => Err(CliError::Usage("--args: the args must be a JSON object, such as {\"n\": 20}".into())),
    }
}
