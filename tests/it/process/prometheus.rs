//! What people read of a live server through Prometheus: the rules and the dashboard of `deploy/` against what
//! `serve` and `worker` really serve. A real Prometheus and its `promtool`; without them the test says so.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use serde_json::{Value, json};
use tidemill::NewJob;
use tokio::io::AsyncWriteExt;
use tokio::process::Command;

use super::answering::Answering;
use crate::support::{Db, free_port, job, wait_for};

const KINDS: &str = "[kinds.good]\ncommand = ['true']\n\
    [kinds.bad]\ncommand = ['false']\nmax_attempts = 2\nbackoff.first = '0s'\nbreaker.after = 3\n\
    [kinds.slow]\ncommand = ['sleep', '1000']\n\
    [kinds.later]\ncommand = ['sh', '-c', 'echo {\\\"snooze\\\": \\\"10m\\\"} >&3']\n\
    [alerts.nobody]\ncondition = 'no_worker'\n";
/// What must have become of attempts before anything is asked.
const OUTCOMES: [&str; 5] = ["completed", "failed", "retried", "cancelled", "snoozed"];

/// A process of the binary on a database.
async fn tidemill(db: &Db, command: &str) -> Answering {
    Answering::tidemill(db, command, KINDS, &[]).await
}

/// A Prometheus that scrapes these, with the rules of `deploy/`.
async fn prometheus(targets: &[&Answering]) -> Answering {
    let folder = tempfile::tempdir().unwrap();
    let addresses: Vec<_> = targets.iter().map(|target| &target.address).collect();
    // JSON is YAML.
    let config = json!({
        "global": {"scrape_interval": "200ms", "scrape_timeout": "200ms", "evaluation_interval": "200ms"},
        "rule_files": [deploy("prometheus-rules.yaml")],
        "scrape_configs": [{"job_name": "tidemill", "static_configs": [{"targets": addresses}]}],
    });
    fs::write(folder.path().join("prometheus.yml"), config.to_string()).unwrap();
    let listen = format!("127.0.0.1:{}", free_port());
    let words = [
        "--config.file=prometheus.yml",
        "--storage.tsdb.path=data",
        &format!("--web.listen-address={listen}"),
    ];
    Answering::start(Path::new("prometheus"), &words, &listen, folder, "/-/ready", &[]).await
}

/// What Prometheus answers to a question.
async fn ask(prometheus: &Answering, path: &str, query: &[(&str, &str)]) -> Value {
    let text = prometheus.get(path, query).await.unwrap_or_else(|| panic!("Prometheus refuses {query:?}"));
    serde_json::from_str::<Value>(&text).unwrap()["data"].take()
}

/// The series that a selector finds.
async fn series(prometheus: &Answering, selector: &str) -> Vec<Value> {
    let found = ask(prometheus, "/api/v1/series", &[("match[]", selector)]).await;
    found.as_array().unwrap().clone()
}

fn deploy(file: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy").join(file)
}

/// Whether Prometheus is installed.
async fn is_installed() -> bool {
    let has = async |program: &str| {
        Command::new(program)
            .arg("--version")
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()
            .await
            .is_ok()
    };
    has("promtool").await && has("prometheus").await
}

/// Runs `promtool` on a text; anything but its approval is a failure.
async fn promtool(words: &[&str], input: &str) {
    let mut child = Command::new("promtool")
        .args(words)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).await.unwrap();
    let done = child.wait_with_output().await.unwrap();
    let said = String::from_utf8_lossy(&[done.stdout, done.stderr].concat()).into_owned();
    assert!(done.status.success(), "promtool {words:?}: {said}");
}

/// The selectors of an expression: each name of a metric, with its braces.
fn selectors(expression: &str) -> Vec<&str> {
    let starts = expression.match_indices("tidemill_").map(|(at, _)| &expression[at..]);
    starts
        .map(|rest| {
            let name = rest.find(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_');
            let end = match name {
                Some(at) if rest[at..].starts_with('{') => at + rest[at..].find('}').unwrap() + 1,
                Some(at) => at,
                None => rest.len(),
            };
            &rest[..end]
        })
        .collect()
}

/// The words between each `open` and the next `close`.
fn between<'a>(text: &'a str, open: &str, close: &str) -> Vec<&'a str> {
    let parts = text.split(open).skip(1).filter_map(|rest| rest.split_once(close));
    parts.flat_map(|(inside, _)| inside.split(',')).map(str::trim).filter(|word| !word.is_empty()).collect()
}

/// Every metric of an expression is served, with the labels by which the expression sums.
async fn is_served(prometheus: &Answering, expression: &str, labels: &[&str]) {
    let found = selectors(expression);
    assert!(!found.is_empty(), "{expression} names no metric of Tidemill");
    for selector in found {
        let series = series(prometheus, selector).await;
        assert!(!series.is_empty(), "nothing serves {selector}, of {expression}");
        for label in between(expression, "by (", ")").iter().chain(labels) {
            let has = series.iter().all(|one| one[label].is_string());
            assert!(has, "{selector} has no label {label}, which {expression} needs: {series:?}");
        }
    }
}

/// Jobs of which attempts end in every way.
async fn run_jobs(db: &Db, worker: &Answering) {
    for kind in ["good", "bad", "later"] {
        db.enqueue(job(kind)).await;
    }
    let slow = db.enqueue(NewJob { queue: Some("night".into()), ..job("slow") }).await;
    wait_for("the slow job runs", async || (db.state(slow).await == "running").then_some(())).await;
    db.execute(&format!("select cancel('{slow}')")).await;
    for outcome in OUTCOMES {
        let label = format!("outcome=\"{outcome}\"");
        let has_ended = |text: &str| {
            let lines = text.lines().filter(|line| line.starts_with("tidemill_attempts_total{"));
            lines.filter(|line| line.contains(&label)).any(|line| !line.ends_with(" 0"))
        };
        wait_for(outcome, async || {
            worker.get("/metrics", &[]).await.filter(|text| has_ended(text)).map(|_| ())
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rules_and_dashboard_ask_for_what_a_live_server_serves() {
    if !is_installed().await {
        println!("passed over: there is no Prometheus here");
        return;
    }
    let db = Db::new().await;
    let (server, worker) = (tidemill(&db, "serve").await, tidemill(&db, "worker").await);
    run_jobs(&db, &worker).await;
    let rules = deploy("prometheus-rules.yaml");
    promtool(&["check", "rules", "--lint-fatal", rules.to_str().unwrap()], "").await;
    for process in [&server, &worker] {
        promtool(&["check", "metrics"], &process.get("/metrics", &[]).await.unwrap()).await;
    }
    let prometheus = prometheus(&[&server, &worker]).await;
    wait_for("both are scraped", async || {
        let found = series(&prometheus, "tidemill_database_up").await;
        (found.len() == 2).then_some(())
    })
    .await;

    let dashboard: Value =
        serde_json::from_str(&fs::read_to_string(deploy("grafana.json")).unwrap()).unwrap();
    let panels = dashboard["panels"].as_array().unwrap();
    assert!(panels.len() >= 12, "only {} panels", panels.len());
    for target in panels.iter().flat_map(|panel| panel["targets"].as_array().unwrap()) {
        let expression = target["expr"].as_str().unwrap().replace("$__rate_interval", "10s");
        let legend = between(target["legendFormat"].as_str().unwrap(), "{{", "}}");
        is_served(&prometheus, &expression, &legend).await;
        // A rate needs two scrapes.
        let rows = wait_for(&format!("{expression}: {}", prometheus.log()), async || {
            let answer = ask(&prometheus, "/api/v1/query", &[("query", &expression)]).await;
            answer["result"].as_array().filter(|rows| !rows.is_empty()).cloned()
        })
        .await;
        for label in legend {
            assert!(
                rows.iter().all(|row| row["metric"][label].is_string()),
                "{label} of {expression}: {rows:?}"
            );
        }
    }

    let groups = wait_for("every rule was evaluated", async || {
        let answer = ask(&prometheus, "/api/v1/rules", &[]).await;
        let rules = answer["groups"][0]["rules"].as_array()?.clone();
        rules.iter().all(|rule| rule["health"] != "unknown").then_some(rules)
    })
    .await;
    assert!(groups.len() >= 7, "only {} rules", groups.len());
    for rule in groups {
        assert_eq!(rule["health"], "ok", "{rule}");
        let labels = between(rule["annotations"]["summary"].as_str().unwrap(), "{{ $labels.", " }}");
        is_served(&prometheus, rule["query"].as_str().unwrap(), &labels).await;
    }
}
