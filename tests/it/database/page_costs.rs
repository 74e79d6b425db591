//! What the pages of the dashboard cost the database, with a long past and a long backlog: pages of tables and indexes that
//! each statement touches. Counted and not timed, so that it holds on a busy machine; docs/dashboard.md has the times.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection};
use tidemill::Store;
use tidemill::api::server::settings::ApiSettings;
use tidemill::store::db::migrate::migrate;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::api::server::{Server, start};
use crate::support::cluster::{Cluster, psql, system_programs};
use crate::support::options;

const FINISHED: u32 = 300_000;
const WAITING: u32 = 50_000;
/// Few, so that a day has more jobs than the longest stretch of a list: that may read all of a day.
const DAYS: u32 = 4;
/// The most pages, of 8 kB, that one statement of a page touches: less than half of what is there.
const MOST_PAGES: i64 = 12_000;
/// The same for the doctor, which reads what the database knows of each table.
const MOST_OF_THE_DOCTOR: i64 = 25_000;

/// What each page of the dashboard reads; `{name}` stands for an id.
const PAGES: [(&str, &[&str]); 16] = [
    (
        "overview",
        &[
            "/health/report",
            "/stats",
            "/stats/trends?hours=1",
            "/failures?since={hour}&limit=5",
            "/jobs?limit=1",
        ],
    ),
    ("jobs", &["/jobs?limit=50", "/jobs?limit=50&cursor={cursor}", "/queues", "/workers"]),
    (
        "jobs of a state",
        &[
            "/jobs?limit=50&state=running",
            "/jobs?limit=50&state=available",
            "/jobs?limit=50&state=scheduled",
            "/jobs?limit=50&state=retrying",
            "/jobs?limit=50&state=waiting",
            "/jobs?limit=50&state=completed",
            "/jobs?limit=50&state=failed",
            "/jobs?limit=50&state=cancelled",
        ],
    ),
    (
        "jobs of a filter that few pass, or none",
        &[
            "/jobs?limit=50&kind=rare",
            "/jobs?limit=50&queue=none",
            "/jobs?limit=50&tag=none",
            "/jobs?limit=50&owner=none",
            "/jobs?limit=50&priority=1",
            "/jobs?limit=50&error=nothing",
            "/jobs?limit=50&state=failed&kind=none",
            "/jobs?limit=50&state=scheduled&queue=none",
            "/jobs?limit=50&workflow={workflow}",
            "/jobs?limit=50&finished_after={days}&kind=none",
            "/jobs?limit=50&finished_after={days}&finished_before={later_days}&kind=none",
        ],
    ),
    (
        "a search",
        &[
            "/jobs?limit=50&created_after={day}&search=account_id%3D42",
            "/jobs?limit=50&created_after={days}&search=nothing-has-it",
        ],
    ),
    (
        "job",
        &[
            "/jobs/{old}",
            "/jobs/{old}/artifacts",
            "/jobs/{running}",
            "/jobs/{due}/explain",
            "/jobs/{later}/explain",
            "/jobs/{grouped}/explain",
            "/jobs/{blocked}/explain",
        ],
    ),
    ("workflows", &["/workflows", "/workflows/{workflow}"]),
    ("queues", &["/queues", "/queues/fair", "/queues/fair/keys", "/queues/queue-1/keys"]),
    ("schedules", &["/schedules", "/schedules/schedule-1"]),
    ("failures", &["/failures?since={hour}", "/failures?since={days}", "/failures?since={day}&kind=kind-1"]),
    ("operations", &["/operations", "/operations/{operation}"]),
    ("kinds", &["/kinds", "/stats/kinds?hours=24"]),
    ("limits", &["/limits"]),
    ("alerts", &["/alerts?limit=100", "/alert-rules"]),
    ("audit", &["/audit", "/audit?subject=queue:queue-1", "/audit?subject=queue:none"]),
    ("doctor, keys, settings", &["/doctor", "/keys", "/settings", "/me"]),
];

/// The filters of operations whose preview is asked for.
fn operations(since: &str) -> [(&'static str, Value); 7] {
    [
        ("delete", json!({"search": "nothing-has-it", "created_after": since})),
        ("retry", json!({"state": "failed"})),
        ("retry", json!({"error": "nothing"})),
        ("cancel", json!({"kind": "none"})),
        ("run_now", json!({"queue": "queue-1"})),
        ("delete", json!({"tag": "none"})),
        ("delete", json!({"state": "completed"})),
    ]
}

/// A server that counts, with what large.sql makes.
async fn large() -> (Cluster, Store) {
    let settings = ["shared_preload_libraries=pg_stat_statements", "autovacuum=off", "full_page_writes=off"];
    let cluster = Cluster::start(system_programs().unwrap(), &settings);
    psql(&cluster.url("postgres"), &["create database jobs"]);
    psql(&cluster.url("jobs"), &["create extension pg_stat_statements"]);
    let options = options(cluster.url("jobs"));
    migrate(&options).await.unwrap();
    let mut filler = PgConnection::connect(&cluster.url("jobs")).await.unwrap();
    let start = format!(
        "set search_path = tidemill; set large.finished = {FINISHED}; set large.days = {DAYS}; set large.waiting = {WAITING}"
    );
    for statement in [start.as_str(), include_str!("large.sql"), "vacuum analyze", "select pg_stat_reset()"] {
        filler.execute(AssertSqlSafe(statement.to_owned())).await.unwrap();
    }
    filler.close().await.unwrap();
    (cluster, Store::connect(options).unwrap())
}

/// The values of the names in paths.
async fn names(store: &Store) -> BTreeMap<&'static str, String> {
    let id =
        async |sql: &'static str| -> Uuid { sqlx::query_scalar(sql).fetch_one(store.pool()).await.unwrap() };
    let ago =
        |hours: i64| (chrono::Utc::now() - chrono::TimeDelta::hours(hours)).format("%Y-%m-%dT%H:%M:%SZ");
    let old = id("select id from jobs where finished_at > now() - interval '2 days' limit 1").await;
    let cursor = base64::Engine::encode(&base64::engine::general_purpose::URL_SAFE_NO_PAD, old.as_bytes());
    BTreeMap::from([
        ("hour", ago(1).to_string()),
        ("day", ago(24).to_string()),
        ("days", ago(3 * 24).to_string()),
        ("later_days", ago(3 * 24 - 1).to_string()),
        ("cursor", cursor),
        ("old", old.to_string()),
        ("running", id("select job_id from running limit 1").await.to_string()),
        ("due", id("select id from jobs_live where state = 'available' and run_at < now() order by id desc limit 1").await.to_string()),
        ("later", id("select id from jobs_live where run_at > now() and state = 'available' limit 1").await.to_string()),
        ("grouped", id("select id from jobs_live where group_id is not null order by id desc limit 1").await.to_string()),
        ("blocked", id("select job_id from blocked_jobs limit 1 offset 10").await.to_string()),
        ("workflow", id("select id from workflows limit 1 offset 100").await.to_string()),
        ("operation", id("select id from operations limit 1").await.to_string()),
    ])
}

/// The dearest statement since the last call: the pages that it touched, and its beginning.
async fn dearest(store: &Store) -> (i64, String) {
    let found = sqlx::query_as(
        "select (shared_blks_hit + shared_blks_read) / calls, left(query, 300)
         from public.pg_stat_statements
         where query !~ 'pg_stat_statements'
         order by 1 desc
         limit 1",
    )
    .fetch_optional(store.pool())
    .await
    .unwrap();
    sqlx::query("select public.pg_stat_statements_reset()").execute(store.pool()).await.unwrap();
    found.unwrap_or_default()
}

/// The tables of days longer than a stretch of which scans read more rows than half of what they have, with how many.
async fn scanned(cluster: &Cluster) -> Vec<(String, i64)> {
    let mut psql = PgConnection::connect(&cluster.url("jobs")).await.unwrap();
    sqlx::query_as(
        r"select t.relname::text, t.seq_tup_read
          from pg_stat_user_tables t
          join pg_class c on c.oid = t.relid
          where t.relname ~ '^(jobs|events|attempts)_\d' and c.reltuples > 32000 and t.seq_tup_read > c.reltuples / 2
          order by 1",
    )
    .fetch_all(&mut psql)
    .await
    .unwrap()
}

async fn ask_all(server: &Server) -> Vec<String> {
    let names = names(&server.store).await;
    let mut dear = Vec::new();
    let mut note = |page: &str, asked: &str, (pages, statement): (i64, String)| {
        if std::env::var_os("TIDEMILL_PAGE_COSTS").is_some() {
            println!("{pages:>7} {page}: {asked}");
        }
        if pages > if asked == "/doctor" { MOST_OF_THE_DOCTOR } else { MOST_PAGES } {
            dear.push(format!("{page}: {asked} touches {pages} pages in {statement}"));
        }
    };
    // What a session touches to know the tables is not the page's.
    for path in ["/jobs?limit=1", "/health/report", "/doctor", "/stats"] {
        server.get(&format!("/api/v1{path}")).await.expect(200);
    }
    dearest(&server.store).await;
    for (page, paths) in PAGES {
        for path in paths {
            let filled = names
                .iter()
                .fold(path.to_string(), |path, (name, value)| path.replace(&format!("{{{name}}}"), value));
            server.get(&format!("/api/v1{filled}")).await.expect(200);
            note(page, path, dearest(&server.store).await);
        }
    }
    // A preview ends by its time, however much it has touched by then; but it scans no day.
    for (action, filter) in operations(&names["days"]) {
        let asked = json!({"action": action, "filter": filter});
        server.post("/api/v1/operations/preview", asked.clone()).await.expect(200);
        // So does each of its steps. (A rate keeps the action itself short.)
        if asked["filter"]["state"].is_null() {
            let started = json!({"action": action, "filter": filter, "rate": "60/min"});
            let id = server.post("/api/v1/operations", started).await.expect(202)["id"].clone();
            let step = server.store.step_operation(id.as_str().unwrap().parse().unwrap());
            step.await.unwrap();
        }
    }
    dear
}

/// Counts a queue's jobs one by one, so dozens of long queues share a bound.
async fn many_long_queues_share_a_bound(server: &Server) {
    let statements = [
        "insert into jobs_live (id, kind, queue, state, created_at, run_at)
         select gen_random_uuid(), 'kind-1', 'long-' || n % 120, 'available', now(), now()
         from generate_series(1, 120 * 1500) n",
        "vacuum analyze jobs_live",
    ];
    for statement in statements {
        sqlx::raw_sql(statement).execute(server.store.pool()).await.unwrap();
    }
    let queues = server.get("/api/v1/queues").await.expect(200)["items"].clone();
    let long = queues
        .as_array()
        .unwrap()
        .iter()
        .filter(|queue| queue["name"].as_str().unwrap().starts_with("long-"));
    let counts: Vec<_> =
        long.map(|queue| (queue["available"].clone(), queue["counted_to"].clone())).collect();
    assert_eq!(counts, vec![(json!(1000), json!(1000)); 120]);
    let one = server.get("/api/v1/queues/long-1").await.expect(200);
    assert_eq!(
        (&one["available"], &one["counted_to"]),
        (&json!(1500), &json!(10_000)),
        "one queue is counted further"
    );
}

#[tokio::test]
async fn no_page_reads_more_when_the_history_is_long() {
    let (cluster, store) = large().await;
    let shutdown = CancellationToken::new();
    let server = start(store.clone(), ApiSettings::default(), Vec::new(), shutdown.clone()).await;
    let dear = ask_all(&server).await;
    many_long_queues_share_a_bound(&server).await;
    shutdown.cancel();
    // Sessions report what they did when they end.
    store.close().await;
    let scanned = scanned(&cluster).await;
    assert!(dear.is_empty(), "{}", dear.join("\n"));
    assert_eq!(scanned, [], "days of the history are read from end to end");
}
