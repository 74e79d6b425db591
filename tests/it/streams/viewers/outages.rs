//! Postgres, and a worker, are killed while many watch a job: nobody misses an event or sees one twice, nobody who need
//! not connects again, and all see new events soon after the killed process is back.

use std::time::{Duration, Instant};

use serde_json::json;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use super::process::{Api, Program};
use super::viewer::{Sight, most_at_once, viewers};
use super::wanted;
use crate::support::cluster::{Cluster, programs};
use crate::support::{Db, wait_for};

/// How long a lease of the worker lasts.
const LEASE: Duration = Duration::from_secs(3);
const SOON: Duration = Duration::from_secs(5);

/// Many viewers of one job.
struct Crowd {
    seen: mpsc::UnboundedReceiver<Sight>,
    /// The last event of each.
    last: Vec<i64>,
    /// When those that came again did.
    came_again: Vec<Instant>,
    _tasks: JoinSet<()>,
}

impl Crowd {
    /// All of them are connected.
    async fn of(count: usize, api: &Api, job: String) -> Self {
        let (tasks, seen) = viewers(count, api.address, &[job]);
        let mut crowd = Self { seen, last: vec![0; count], came_again: Vec::new(), _tasks: tasks };
        while crowd.came_again.len() < count {
            crowd.look("all connect").await;
        }
        crowd.came_again.clear();
        crowd
    }

    /// Waits until all have seen everything up to this event; answers when the last one did.
    async fn see(&mut self, seq: i64) -> Instant {
        let mut latest = Instant::now();
        while self.last.iter().any(|last| *last < seq) {
            latest = self.look("all see the event").await;
        }
        latest
    }

    async fn look(&mut self, what: &str) -> Instant {
        let sight = tokio::time::timeout(Duration::from_mins(2), self.seen.recv()).await;
        match sight.unwrap_or_else(|_| panic!("not within two minutes: {what}")).unwrap() {
            Sight::Connected(at) => {
                self.came_again.push(at);
                at
            }
            Sight::Event(nth, seq, at) => {
                assert_eq!(seq, self.last[nth] + 1, "viewer {nth} missed an event or saw one twice");
                self.last[nth] = seq;
                at
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_postgres_loses_no_event_and_all_see_new_ones_once_it_is_back() {
    let (count, is_measured) = wanted();
    let count = count.min(1_000);
    let settings = ["log_statement=all"];
    let cluster = Cluster::start(programs(), &settings);
    let api = Api::start(&cluster.url("postgres")).await;
    let (job, lease) = api.running().await;
    let mut crowd = Crowd::of(count, &api, job.clone()).await;
    let progress = format!("/api/v1/worker/jobs/{job}/progress");
    for percent in 1..=5 {
        api.post(&progress, json!({"lease_id": lease, "percent": percent})).await;
    }
    cluster.kill();
    wait_for("the API knows that it is away", async || (!api.is_ready().await).then_some(())).await;
    cluster.run(&settings);
    let up = Instant::now();
    let append = format!("select tidemill.append_event('{job}', 1, 'progress', '{{\"percent\": 60}}')");
    cluster.psql("postgres", "tidemill", &[append.as_str(); 10]);
    let recovered = crowd.see(15).await - up;
    let log = cluster.log();
    let since = &log[log.rfind("database system is ready").expect("it started again")..];
    let statements = since.matches("execute ").count() + since.matches("statement: ").count();
    let (again, at_once) = (crowd.came_again.len(), most_at_once(&crowd.came_again));
    println!(
        "after a kill of Postgres all {count} saw new events in {recovered:?}; {again} connected again, at most \
         {at_once} in 100 ms; {statements} statements meanwhile"
    );
    assert!(at_once <= count / 2, "{at_once} of {count} came at once");
    // What the server asks for all viewers together, and by the clock for itself.
    let most = 100 + 20 * up.elapsed().as_secs();
    assert!(statements as u64 <= most, "{statements} statements for {count} viewers");
    if is_measured {
        assert!(recovered < SOON, "{recovered:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_worker_is_nothing_to_connections_and_its_job_goes_on_before_all() {
    let (count, is_measured) = wanted();
    let count = count.min(1_000);
    let db = Db::new().await;
    let api = Api::start(&db.options().url).await;
    let config = "[worker]\nlease_ttl = '3s'\nheartbeat = '500ms'\n[keeper]\nsweep = '500ms'\n\
                  [kinds.told]\ncommand = ['sh', 'tell.sh']\nmax_attempts = 100\n\
                  backoff = { first = '100ms', max = '100ms' }\n";
    let mut worker = Program::start(&db.options().url, config, &["worker"]);
    let tell = "n=0\nwhile [ ! -e finish ] && [ -e tell.sh ]; do\n  n=$((n + 1))\n  \
                echo \"{\\\"progress\\\":{\\\"percent\\\":50,\\\"step\\\":\\\"part $n\\\"}}\" >&3\n  sleep 0.2\ndone\n";
    std::fs::write(worker.folder().join("tell.sh"), tell).unwrap();
    let job = api.post("/api/v1/jobs", json!({"kind": "told"})).await["id"].as_str().unwrap().to_owned();
    let mut crowd = Crowd::of(count, &api, job.clone()).await;
    // An event of progress of the attempt, once there is one.
    let told = async |attempt: i32| {
        let sql = format!(
            "select min(seq) from events where job_id = '{job}' and attempt = {attempt} and type = 'progress'"
        );
        wait_for("its attempt tells", async || db.scalar::<Option<i64>>(sql.clone()).await).await
    };
    crowd.see(told(1).await).await;
    worker.kill().await;
    let killed = Instant::now();
    worker.restart();
    let next = told(2).await;
    let stored = Instant::now();
    let seen = crowd.see(next).await;
    println!(
        "after a kill of the worker its job told again in {:?}, and all {count} saw that {:?} later",
        stored - killed,
        seen.saturating_duration_since(stored)
    );
    std::fs::write(worker.folder().join("finish"), "").unwrap();
    let end = wait_for("the job ends", async || {
        let is_over = db.job(job.parse().unwrap()).await.state.word() == "completed";
        if is_over {
            Some(db.scalar::<i64>(format!("select max(seq) from events where job_id = '{job}'")).await)
        } else {
            None
        }
    });
    crowd.see(end.await).await;
    assert_eq!(crowd.came_again.len(), 0, "the connections are the API's");
    if is_measured {
        assert!(seen - killed < LEASE + SOON, "{:?}", seen - killed);
        assert!(seen.saturating_duration_since(stored) < SOON);
    }
}
