//! `tidemill alerts`: lists alerts; lists, sets and deletes alert rules.

use clap::{Args, Subcommand};
use reqwest::Method;
use serde_json::{Map, Value};

use super::common::client::{Client, ServerArgs};
use super::common::error::CliError;
use super::common::output::{self, cell, printable};
use super::common::time::relative;
use super::{GlobalArgs, log};

/// The arguments of `tidemill alerts`.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(super) struct AlertsArgs {
    #[command(subcommand)]
    verb: Option<Verb>,
    #[command(flatten)]
    server: ServerArgs,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// List alerts, newest first (the default)
    List {
        /// Only unresolved alerts
        #[arg(long)]
        open: bool,
        /// Only alerts of this rule
        #[arg(long, value_name = "NAME")]
        rule: Option<String>,
        #[command(flatten)]
        server: ServerArgs,
    },
    /// List the rules
    Rules(ServerArgs),
    /// Show one rule
    Show {
        /// Its name
        name: String,
        #[command(flatten)]
        server: ServerArgs,
    },
    /// Set a rule, replacing an earlier one of the same name
    Set(Box<SetArgs>),
    /// Send a notice to the addresses of a rule, which says that it is a test
    Test {
        /// Its name
        name: String,
        #[command(flatten)]
        server: ServerArgs,
    },
    /// Delete a rule and resolve its alerts
    Drop {
        /// Its name
        name: String,
        #[command(flatten)]
        server: ServerArgs,
    },
}

#[derive(Debug, Args)]
struct SetArgs {
    /// The rule's name
    name: String,
    /// The measured condition: `error_rate`, `average_time`, `queue_depth`, `no_worker`,
    /// `stuck_jobs`, `database_latency`, `database_size` or `database_horizon`
    condition: String,
    /// The threshold: a share, seconds, jobs or bytes
    #[arg(long, value_name = "N", default_value_t = 0.0)]
    above: f64,
    /// Only jobs of this kind
    #[arg(long)]
    kind: Option<String>,
    /// Only this queue
    #[arg(long)]
    queue: Option<String>,
    /// The fewest attempts in the window for a rate or average to count
    #[arg(long, value_name = "N")]
    at_least: Option<u32>,
    /// The window of rates and averages, such as 1h [default: 15m]
    #[arg(long, value_name = "TIME")]
    over: Option<String>,
    /// How long the value must be above the threshold before the rule fires [default: 1m]
    #[arg(long, value_name = "TIME")]
    hold: Option<String>,
    /// The URL that is called when the rule fires and when it is resolved
    #[arg(long, value_name = "URL")]
    webhook: Option<String>,
    /// An email address that is notified in the same cases; repeatable
    #[arg(long, value_name = "ADDRESS")]
    email: Vec<String>,
    #[command(flatten)]
    server: ServerArgs,
}

pub(super) async fn run(args: AlertsArgs, global: &GlobalArgs) -> Result<(), CliError> {
    log::start_quiet(global);
    match args.verb.unwrap_or(Verb::List { open: false, rule: None, server: args.server }) {
        Verb::List { open, rule, server } => list(open, rule, &server).await,
        Verb::Rules(server) => rules(&server).await,
        Verb::Show { name, server } => show(&name, &server).await,
        Verb::Set(set) => change(&set).await,
        Verb::Test { name, server } => {
            let client = Client::new(&server)?;
            client.ask(client.request(Method::POST, &["alert-rules", &name, "test"])).await?;
            output::line(&format!(
                "a test of alert rule {name} is on its way; tidemill alerts shows whether it arrived"
            ))
        }
        Verb::Drop { name, server } => {
            let client = Client::new(&server)?;
            client.ask(client.request(Method::DELETE, &["alert-rules", &name])).await?;
            output::line(&format!("alert rule {name} is deleted"))
        }
    }
}

async fn list(open: bool, rule: Option<String>, server: &ServerArgs) -> Result<(), CliError> {
    let query: Vec<_> =
        [("open", open.to_string())].into_iter().chain(rule.map(|rule| ("rule", rule))).collect();
    let answer = Client::new(server)?.get(&["alerts"], &query).await?;
    if server.json {
        return output::line(&answer.text);
    }
    let alerts = answer.json["items"].as_array().cloned().unwrap_or_default();
    let row = |alert: &Value| {
        vec![
            cell(&alert["state"]),
            cell(&alert["rule"]),
            cell(&alert["subject"]),
            cell(&alert["message"]),
            relative(&alert["since"]),
            cell(&alert["undelivered"]),
            cell(&alert["last_error"]),
        ]
    };
    output::table(
        &["STATE", "RULE", "SUBJECT", "MESSAGE", "SINCE", "UNDELIVERED", "LAST ERROR"],
        alerts.iter().map(row).collect(),
    )
}

async fn rules(server: &ServerArgs) -> Result<(), CliError> {
    let answer = Client::new(server)?.get(&["alert-rules"], &[]).await?;
    if server.json {
        return output::line(&answer.text);
    }
    let rules = answer.json["items"].as_array().cloned().unwrap_or_default();
    let row = |rule: &Value| {
        vec![
            cell(&rule["name"]),
            cell(&rule["condition"]),
            cell(&rule["above"]),
            cell(&rule["kind"]),
            cell(&rule["queue"]),
            cell(&rule["over_seconds"]),
            cell(&rule["hold_seconds"]),
            cell(&rule["webhook"]),
        ]
    };
    output::table(
        &["NAME", "CONDITION", "ABOVE", "KIND", "QUEUE", "OVER (S)", "HOLD (S)", "WEBHOOK"],
        rules.iter().map(row).collect(),
    )
}

async fn show(name: &str, server: &ServerArgs) -> Result<(), CliError> {
    let answer = Client::new(server)?.get(&["alert-rules", name], &[]).await?;
    if server.json {
        return output::line(&answer.text);
    }
    let rule = &answer.json;
    let facts = [
        ("name", cell(&rule["name"])),
        ("condition", cell(&rule["condition"])),
        ("above", cell(&rule["above"])),
        ("kind", cell(&rule["kind"])),
        ("queue", cell(&rule["queue"])),
        ("at least", cell(&rule["at_least"])),
        ("over", format!("{} s", cell(&rule["over_seconds"]))),
        ("hold", format!("{} s", cell(&rule["hold_seconds"]))),
        ("webhook", cell(&rule["webhook"])),
        ("email", cell(&rule["email"])),
        (
            "from",
            if rule["from_config"] == true {
                format!("the config of {}", super::common::output::cell(&rule["owner"]))
            } else {
                String::new()
            },
        ),
        ("changed", relative(&rule["updated_at"])),
    ];
    for (name, value) in facts.into_iter().filter(|(_, value)| !value.is_empty()) {
        output::line(&format!("{name:<10} {}", printable(&value)))?;
    }
    Ok(())
}

async fn change(set: &SetArgs) -> Result<(), CliError> {
    let fields: [(&str, Option<Value>); 9] = [
        ("condition", Some(set.condition.clone().into())),
        ("above", Some(set.above.into())),
        ("kind", set.kind.clone().map(Value::from)),
        ("queue", set.queue.clone().map(Value::from)),
        ("at_least", set.at_least.map(Value::from)),
        ("over", set.over.clone().map(Value::from)),
        ("hold", set.hold.clone().map(Value::from)),
        ("webhook", set.webhook.clone().map(Value::from)),
        ("email", Some(set.email.clone().into())),
    ];
    let body: Map<String, Value> =
        fields.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))).collect();
    let client = Client::new(&set.server)?;
    let answer = client.ask(client.request(Method::PUT, &["alert-rules", &set.name]).json(&body)).await?;
    if set.server.json {
        return output::line(&answer.text);
    }
    output::line(&format!("alert rule {} is set", set.name))
}
