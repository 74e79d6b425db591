//! The database as it is after a scenario: every job, event and attempt. Only reads.

use std::collections::BTreeMap;

use serde_json::Value;
use sqlx::{Connection, PgConnection};
use uuid::Uuid;

#[derive(Debug, Clone)]
pub struct Job {
    pub key: String,
    pub kind: String,
    pub state: String,
    pub attempt: i32,
    pub is_final: bool,
    pub lease: Option<Uuid>,
    /// Seconds of uptime, so that kills and ends can be compared.
    pub finished: Option<f64>,
}

#[derive(Debug, Clone)]
pub struct Event {
    pub seq: i64,
    pub attempt: i32,
    pub kind: String,
    pub data: Value,
    /// Written after its job had finished.
    pub late: bool,
}

#[derive(Debug, Clone)]
pub struct Attempt {
    pub lease: Uuid,
    pub outcome: String,
}

/// That a job waited for the end of another.
#[derive(Debug, Clone)]
pub struct Edge {
    pub job: Uuid,
    pub parent: Uuid,
    /// The one that waited is the workflow of its parent.
    pub is_member: bool,
    /// How the parent ended, as it was noted for the one that waited.
    pub outcome: Option<String>,
}

#[derive(Debug, Default)]
pub struct History {
    /// Each row; a job must have one.
    pub jobs: BTreeMap<Uuid, Vec<Job>>,
    /// The state of each job that stands for a workflow.
    pub workflows: BTreeMap<Uuid, Vec<String>>,
    pub edges: Vec<Edge>,
    /// Jobs that were still held back when nothing lived any more.
    pub held: i64,
    pub events: BTreeMap<Uuid, Vec<Event>>,
    pub last_seqs: BTreeMap<Uuid, i64>,
    pub attempts: BTreeMap<Uuid, Vec<Attempt>>,
    /// Rows of `running` when nothing ran any more.
    pub running: i64,
    /// How many jobs of each concurrency key ran at once at most, by the database's clock.
    pub most_at_once: BTreeMap<String, i64>,
}

/// How many jobs are not finished; `None` if the database is away.
pub async fn live(url: &str) -> Option<i64> {
    let mut connection = PgConnection::connect(url).await.ok()?;
    sqlx::query_scalar("select count(*) from tidemill.jobs_live").fetch_one(&mut connection).await.ok()
}

impl History {
    pub async fn read(url: &str) -> Self {
        let mut connection = PgConnection::connect(url).await.unwrap();
        sqlx::query("set search_path = tidemill").execute(&mut connection).await.unwrap();
        let mut history = Self::default();
        history.read_jobs(&mut connection).await;
        history.read_events(&mut connection).await;
        history.read_attempts(&mut connection).await;
        history.read_limits(&mut connection).await;
        history.read_workflows(&mut connection).await;
        let last_seqs: Vec<(Uuid, i64)> =
            sqlx::query_as("select job_id, last_seq from progress").fetch_all(&mut connection).await.unwrap();
        history.last_seqs = last_seqs.into_iter().collect();
        history.running =
            sqlx::query_scalar("select count(*) from running").fetch_one(&mut connection).await.unwrap();
        history
    }

    async fn read_jobs(&mut self, connection: &mut PgConnection) {
        type Row = (Uuid, Option<String>, String, String, i32, bool, Option<Uuid>, Option<f64>);
        let rows: Vec<Row> = sqlx::query_as(
            "select id, args ->> 'key', kind, state::text, attempt, finished_at is not null, last_lease_id,
               extract(epoch from finished_at - clock_timestamp())::double precision
             from jobs
             where kind <> 'tidemill.workflow'",
        )
        .fetch_all(connection)
        .await
        .unwrap();
        let now = crate::ledger::uptime();
        for (id, key, kind, state, attempt, is_final, lease, age) in rows {
            let finished = age.map(|age| now + age);
            let key = key.unwrap_or_default();
            let job = Job { key, kind, state, attempt, is_final, lease, finished };
            self.jobs.entry(id).or_default().push(job);
        }
    }

    async fn read_workflows(&mut self, connection: &mut PgConnection) {
        let states = "select id, state::text from jobs where kind = 'tidemill.workflow'";
        let rows: Vec<(Uuid, String)> = sqlx::query_as(states).fetch_all(&mut *connection).await.unwrap();
        for (id, state) in rows {
            self.workflows.entry(id).or_default().push(state);
        }
        let edges = "select job_id, parent_id, member, outcome from dependencies";
        let rows: Vec<(Uuid, Uuid, bool, Option<String>)> =
            sqlx::query_as(edges).fetch_all(&mut *connection).await.unwrap();
        let edge = |(job, parent, is_member, outcome)| Edge { job, parent, is_member, outcome };
        self.edges = rows.into_iter().map(edge).collect();
        self.held =
            sqlx::query_scalar("select count(*) from blocked_jobs").fetch_one(connection).await.unwrap();
    }

    async fn read_events(&mut self, connection: &mut PgConnection) {
        let rows: Vec<(Uuid, i64, i32, String, Value, bool)> = sqlx::query_as(
            "select e.job_id, e.seq, e.attempt, e.type, e.data, e.at > coalesce(j.finished_at, 'infinity')
             from events e
             left join jobs j on j.id = e.job_id
             order by e.job_id, e.seq",
        )
        .fetch_all(connection)
        .await
        .unwrap();
        for (job, seq, attempt, kind, data, late) in rows {
            self.events.entry(job).or_default().push(Event { seq, attempt, kind, data, late });
        }
    }

    async fn read_attempts(&mut self, connection: &mut PgConnection) {
        let rows: Vec<(Uuid, Uuid, String)> =
            sqlx::query_as("select job_id, lease_id, outcome from attempts order by job_id, finished_at")
                .fetch_all(connection)
                .await
                .unwrap();
        for (job, lease, outcome) in rows {
            self.attempts.entry(job).or_default().push(Attempt { lease, outcome });
        }
    }

    /// From the beginnings and ends of all attempts.
    async fn read_limits(&mut self, connection: &mut PgConnection) {
        let rows: Vec<(String, i64)> = sqlx::query_as(
            "with runs as (
               select unnest(concurrency_keys) as key, started_at, finished_at
               from jobs
               where started_at is not null
               union all
               select unnest(j.concurrency_keys), a.started_at, a.finished_at
               from attempts a
               join jobs j on j.id = a.job_id
               where a.started_at <> j.started_at
             ),
             marks as (
               select key, started_at as at, 1 as step from runs
               union all
               select key, finished_at, -1 from runs
             )
             select key, max(running)
             from (
               select key, sum(step) over (partition by key order by at, step rows unbounded preceding) as running
               from marks
             ) m
             group by key",
        )
        .fetch_all(connection)
        .await
        .unwrap();
        self.most_at_once = rows.into_iter().collect();
    }

    /// How often leases were taken back.
    pub fn taken_back(&self) -> usize {
        self.events.values().flatten().filter(|event| event.kind == "lease_lost").count()
    }
}
