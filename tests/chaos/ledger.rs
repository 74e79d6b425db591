//! The ledger that the jobs themselves write: the one witness of what really ran, apart from our own tables.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use uuid::Uuid;

/// One run of a job's command; times in seconds of uptime.
#[derive(Debug, Clone, PartialEq)]
pub struct Run {
    pub attempt: i32,
    pub begin: f64,
    pub end: Option<f64>,
}

/// The runs of each job in the order of their beginnings.
#[derive(Debug, Default)]
pub struct Ledger {
    pub runs: BTreeMap<Uuid, Vec<Run>>,
    /// Lines that nobody wrote this way.
    pub broken: Vec<String>,
}

impl Ledger {
    pub fn read(path: &Path) -> Self {
        Self::parse(&fs::read_to_string(path).unwrap())
    }

    /// When the job first ran.
    pub fn first_begin(&self, job: Uuid) -> Option<f64> {
        self.runs.get(&job).and_then(|runs| runs.first()).map(|run| run.begin)
    }

    fn parse(text: &str) -> Self {
        let mut ledger = Self::default();
        let mut runs: BTreeMap<(Uuid, &str), Run> = BTreeMap::new();
        for line in text.lines() {
            let words: Vec<&str> = line.split(' ').collect();
            let parsed = match words[..] {
                [job, attempt, run, at, word] => job
                    .parse()
                    .ok()
                    .zip(attempt.parse().ok())
                    .zip(at.parse().ok())
                    .map(|rest| (rest, run, word)),
                _ => None,
            };
            match parsed {
                Some((((job, attempt), begin), run, "begin")) => {
                    runs.insert((job, run), Run { attempt, begin, end: None });
                }
                Some((((job, _), at), run, "end")) if runs.contains_key(&(job, run)) => {
                    runs.entry((job, run)).and_modify(|run| run.end = Some(at));
                }
                _ => ledger.broken.push(line.to_owned()),
            }
        }
        for ((job, _), run) in runs {
            ledger.runs.entry(job).or_default().push(run);
        }
        for runs in ledger.runs.values_mut() {
            runs.sort_by(|one, other| one.begin.total_cmp(&other.begin));
        }
        ledger
    }
}

/// Seconds since the machine started, as the jobs read them.
pub fn uptime() -> f64 {
    let text = fs::read_to_string("/proc/uptime").unwrap();
    text.split(' ').next().and_then(|seconds| seconds.parse().ok()).unwrap()
}

#[test]
fn runs_are_put_together_from_their_lines() {
    let job = Uuid::from_u128(1);
    let text = format!("{job} 1 7-1.00 1.00 begin\n{job} 2 9-2.50 2.50 begin\n{job} 2 9-2.50 3.00 end\nx\n");
    let ledger = Ledger::parse(&text);
    let runs = &ledger.runs[&job];
    assert_eq!(runs[0], Run { attempt: 1, begin: 1.0, end: None });
    assert_eq!(runs[1], Run { attempt: 2, begin: 2.5, end: Some(3.0) });
    assert_eq!(ledger.broken, ["x"]);
}
