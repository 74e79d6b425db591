//! The scenarios as they are written in `conformance/remote-worker`: jobs, what goes wrong on the way, what
//! happens while the jobs run, and how they must end. Must contain no rule of the protocol itself.

use serde::Deserialize;
use serde_json::Value;

macro_rules! scenarios {
    ($($name:literal)*) => {
        /// Each scenario's name and text, in the order in which they run.
        const TEXTS: &[(&str, &str)] =
            &[$(($name, include_str!(concat!("../../../../conformance/remote-worker/", $name, ".json")))),*];
    };
}

scenarios! {
    "echo" "failure" "retry"
    "server-away" "busy" "lost-claim"
    "order-of-lines" "late-write" "repeated-report"
    "repeated-end" "unanswered-end"
    "heartbeats" "missed-heartbeat" "lost-lease" "refused-report"
    "cancel" "soft-timeout" "drain" "shutdown" "deadline" "extend"
    "steps" "children" "wait"
}

/// One scenario.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Scenario {
    /// The name of its file.
    #[serde(skip)]
    pub(super) name: &'static str,
    /// What a worker must do, in a sentence.
    pub(super) demands: String,
    /// The heading of docs/protocol.md that says it.
    pub(super) section: String,
    /// True if a worker that does not serve its kinds keeps the protocol all the same.
    #[serde(default)]
    pub(super) optional: bool,
    pub(super) jobs: Vec<PlannedJob>,
    #[serde(default)]
    pub(super) faults: Vec<Fault>,
    #[serde(default)]
    pub(super) events: Vec<Event>,
    #[serde(default = "thirty")]
    pub(super) lease_seconds: f64,
    /// The hard timeout of the jobs.
    #[serde(default = "a_day")]
    pub(super) hard_seconds: f64,
    /// The time from the first request within which everything must have happened.
    #[serde(default = "fifteen")]
    pub(super) within_seconds: f64,
    /// The time after that in which nothing wrong may follow.
    #[serde(default = "half")]
    pub(super) watch_seconds: f64,
    /// The most claims in any second.
    pub(super) most_claims_per_second: Option<usize>,
    /// True if the worker must exit.
    #[serde(default)]
    pub(super) exits: bool,
}

/// A job that is offered, and how it must end.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PlannedJob {
    pub(super) kind: String,
    pub(super) args: Value,
    pub(super) expect: Expect,
}

/// How a job must end; what is left out does not matter.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Expect {
    pub(super) state: State,
    pub(super) result: Option<Value>,
    pub(super) message: Option<String>,
    /// All log lines, in the order in which they were stored.
    pub(super) lines: Option<Vec<Value>>,
    /// The percents that the job reports: what is stored may leave out some, but neither their order nor the last.
    pub(super) percents: Option<Vec<f64>>,
    pub(super) attempts: Option<u32>,
    /// The names of its children, whose ids are its result.
    pub(super) children: Option<Vec<String>>,
}

/// The state of a job, as far as the scenarios distinguish states.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum State {
    Available,
    Running,
    Completed,
    Failed,
    Cancelled,
    TimedOut,
    Waiting,
    /// The lease is lost, and the worker was informed.
    Lost,
}

impl State {
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Available => "available",
            Self::Running => "running",
            Self::Completed => "completed",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
            Self::TimedOut => "timed out",
            Self::Waiting => "waiting",
            Self::Lost => "lost",
        }
    }
}

/// Something that goes wrong with requests of one sort.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Fault {
    /// `claim`, `heartbeat`, `log`, `progress`, `step`, `end`.
    pub(super) at: String,
    /// This many of them go well first.
    #[serde(default)]
    pub(super) skip: usize,
    pub(super) times: usize,
    pub(super) answer: Broken,
}

/// How a request goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Broken {
    /// 503, and nothing was done.
    Unavailable,
    /// 429 with a Retry-After of this number of seconds; nothing was done.
    Busy(u64),
    /// The connection breaks, and nothing was done.
    CutBefore,
    /// It was done, and the answer breaks off.
    CutAfter,
    /// It is done and answered after that many seconds.
    Late(f64),
}

/// Something that happens to the first job or to the worker, counted from the first heartbeat or other request about
/// the job: before it the worker may not have read the answer to its claim.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Event {
    pub(super) after_seconds: f64,
    #[serde(rename = "do")]
    pub(super) what: Happening,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Happening {
    /// Its lease is lost.
    Lose,
    /// Its cancel was requested.
    Cancel,
    /// Its soft timeout passed.
    SoftTimeout,
    /// The worker is to claim no more.
    Drain,
    /// The signal that it waits for comes.
    Signal,
    /// The worker gets SIGTERM.
    Terminate,
}

/// All scenarios.
///
/// # Panics
/// If a file is not what this module says; a test reads them all.
pub(super) fn all() -> Vec<Scenario> {
    let read = |(name, text): &(&'static str, &str)| {
        let scenario: Scenario =
            serde_json::from_str(text).unwrap_or_else(|error| panic!("conformance/{name}: {error}"));
        Scenario { name, ..scenario }
    };
    TEXTS.iter().map(read).collect()
}

fn a_day() -> f64 {
    86_400.0
}

fn thirty() -> f64 {
    30.0
}

fn fifteen() -> f64 {
    15.0
}

fn half() -> f64 {
    0.5
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_file_is_a_scenario_that_the_protocol_page_explains() {
        let root = concat!(env!("CARGO_MANIFEST_DIR"), "/..");
        let mut files: Vec<String> = std::fs::read_dir(format!("{root}/conformance/remote-worker"))
            .unwrap()
            .map(|entry| entry.unwrap().path().file_stem().unwrap().to_string_lossy().into_owned())
            .collect();
        let mut names: Vec<&str> = all().iter().map(|scenario| scenario.name).collect();
        files.sort();
        names.sort_unstable();
        assert_eq!(files, names, "each file stands in the list of this module");
        let page = std::fs::read_to_string(format!("{root}/docs/protocol.md")).unwrap();
        for scenario in all() {
            let heading = format!("\n### {}\n", scenario.section);
            assert!(page.contains(&heading), "{}: no heading {:?}", scenario.name, scenario.section);
            assert!(
                page.contains(&format!("`{}`", scenario.name)),
                "the page does not name {}",
                scenario.name
            );
            for job in &scenario.jobs {
                assert!(page.contains(&format!("`{}`", job.kind)), "the page does not name {}", job.kind);
            }
        }
    }
}
