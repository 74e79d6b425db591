//! Lists, history and analytics beside a large past: what is rare is found, and no page makes anybody wait.

use std::time::{Duration, Instant};

use chrono::{TimeDelta, Utc};
use serde_json::Value;
use sqlx::{AssertSqlSafe, Executor};

use crate::api::server::{Server, on_a_server, text};

/// No page's query takes longer.
const BUDGET: Duration = Duration::from_millis(250);

/// Makes the past of a mill.
async fn fill(server: &Server, live: u64, finished: u64, days: u64, rare: u64) {
    let mut script = include_str!("history.sql").to_owned();
    for (name, value) in [("{live}", live), ("{finished}", finished), ("{days}", days), ("{rare}", rare)] {
        script = script.replace(name, &value.to_string());
    }
    let mut connection = server.store.pool().bare().acquire().await.unwrap();
    connection.execute("set statement_timeout = 0").await.unwrap();
    connection.execute(AssertSqlSafe(script)).await.unwrap();
    // As autovacuum leaves tables that have lived for a while.
    connection.execute("vacuum analyze").await.unwrap();
}

/// All jobs of a list, page by page; answers their ids and how many pages there were.
async fn read_all(server: &Server, filter: &str) -> (Vec<String>, usize) {
    let (mut ids, mut pages, mut cursor) = (Vec::new(), 0, String::new());
    loop {
        let page = server.get(&format!("/api/v1/jobs?{filter}{cursor}")).await.expect(200);
        pages += 1;
        ids.extend(page["items"].as_array().unwrap().iter().map(|job| text(&job["id"]).to_owned()));
        match &page["next_cursor"] {
            Value::Null => return (ids, pages),
            next => cursor = format!("&cursor={}", text(next)),
        }
        assert!(pages < 1_000, "the list does not end");
    }
}

#[tokio::test]
async fn o1_what_is_rare_is_found_however_deep_it_lies() {
    on_a_server(|server| async move {
        fill(&server, 1_000, 150_000, 3, 40_000).await;
        let rare: Vec<String> =
            sqlx::query_scalar("select id::text from jobs where kind = 'rare' order by id desc")
                .fetch_all(server.store.pool())
                .await
                .unwrap();
        assert_eq!(rare.len(), 4);
        for filter in ["kind=rare", "kind=rare&limit=1", "kind=rare&state=completed&limit=3"] {
            let (found, _) = read_all(&server, filter).await;
            assert_eq!(found, rare, "{filter}");
        }
        let (none, pages) = read_all(&server, "kind=nothing").await;
        assert!(none.is_empty() && pages >= 1);
    })
    .await;
}

/// Every page of the API that reads the past, and what a reader asks of the views.
async fn pages(server: &Server) -> (Vec<String>, Vec<String>) {
    let one = async |condition: &str| -> String {
        let statement = format!("select id::text from jobs where {condition} limit 1");
        sqlx::query_scalar(AssertSqlSafe(statement)).fetch_one(server.store.pool().bare()).await.unwrap()
    };
    let some = one("kind = 'rare'").await;
    let failed = one("state = 'failed'").await;
    let workflow = one("kind = 'tidemill.workflow'").await;
    let day = |ago| (Utc::now() - TimeDelta::days(ago)).format("%Y-%m-%dT00:00:00Z").to_string();
    let (from, to) = (day(9), day(8));
    let routes = [
        "jobs".to_owned(),
        format!("jobs/{some}"),
        format!("jobs/{failed}/attempts"),
        format!("jobs/{failed}/events"),
        format!("jobs/{failed}/explain"),
        "jobs?state=completed".into(),
        "jobs?state=failed".into(),
        "jobs?state=scheduled".into(),
        "jobs?state=retrying".into(),
        "jobs?state=running".into(),
        "jobs?state=waiting".into(),
        "jobs?kind=kind-3".into(),
        "jobs?queue=queue-2&state=failed".into(),
        "jobs?kind=rare".into(),
        "jobs?kind=nothing".into(),
        "jobs?tag=tagged".into(),
        "jobs?tag=nothing".into(),
        "jobs?state=failed&error=host%204".into(),
        "jobs?error=nothing".into(),
        format!("jobs?workflow={workflow}"),
        format!("jobs?finished_after={from}&finished_before={to}"),
        format!("jobs?finished_after={from}&finished_before={to}&kind=rare"),
        "workflows".into(),
        format!("workflows/{workflow}"),
        "queues".into(),
        "queues/queue-1".into(),
        "stats".into(),
        "stats/kinds".into(),
        "stats/kinds?hours=168".into(),
        "stats/trends".into(),
        "stats/trends?hours=168&kind=kind-3".into(),
        "stats/summary".into(),
        "stats/summary?since=7days".into(),
        "stats/export?kind=kind-3".into(),
        "failures".into(),
        "failures?kind=kind-3".into(),
        "audit".into(),
        "alerts".into(),
        "alert-rules".into(),
        "schedules".into(),
        "schedules/schedule-7".into(),
        "kinds".into(),
        "workers".into(),
        "doctor".into(),
    ];
    let views = [
        "select * from job_history where finished_at > now() - interval '1 day' order by finished_at desc limit 50".to_owned(),
        "select * from job_history where state = 'failed' and finished_at > now() - interval '1 hour'".into(),
        "select * from kind_stats order by hour desc, kind".into(),
        "select * from throughput order by minute desc, queue".into(),
        "select * from failures order by last_at desc".into(),
        "select * from progress_now".into(),
        "select * from queue_stats".into(),
        "select * from workflow_status order by created_at desc limit 50".into(),
        "select * from audit_trail order by at desc limit 20".into(),
        format!("select * from all_jobs where id = '{some}'"),
        format!("select * from job_events where job_id = '{failed}'"),
        format!("select * from job_attempts where job_id = '{failed}'"),
    ];
    (routes.map(|route| format!("/api/v1/{route}")).into(), views.into())
}

/// The median and the 95th percentile of as many rounds.
fn judged(mut times: Vec<Duration>) -> (Duration, Duration) {
    times.sort();
    (times[times.len() / 2], times[(times.len() * 95).div_ceil(100) - 1])
}

/// Asks for every page so often; answers each with its median and its 95th percentile.
async fn measure(server: &Server, rounds: usize) -> Vec<(String, Duration, Duration)> {
    let (routes, views) = pages(server).await;
    let mut found = Vec::new();
    for route in routes {
        let mut times = Vec::new();
        for _ in 0..rounds {
            let began = Instant::now();
            let answer = server.get(&route).await;
            assert_eq!(answer.status, 200, "{route}: {}", answer.body);
            times.push(began.elapsed());
        }
        let (median, most) = judged(times);
        found.push((route, median, most));
    }
    // Its own connection: the next user of it would be a reader, too.
    let mut reader = server.store.pool().bare().acquire().await.unwrap().detach();
    reader.execute("set role tidemill_reader; set search_path = tidemill").await.unwrap();
    for view in views {
        let mut times = Vec::new();
        for _ in 0..rounds {
            let began = Instant::now();
            reader
                .fetch_all(AssertSqlSafe(view.clone()))
                .await
                .unwrap_or_else(|error| panic!("{view}: {error}"));
            times.push(began.elapsed());
        }
        let (median, most) = judged(times);
        found.push((view, median, most));
    }
    found
}

/// The same as below, a hundred times smaller: every page answers, and there is something on it.
#[tokio::test]
async fn o1_every_page_answers_beside_a_past_in_which_nothing_is_empty() {
    let (server, _guard) = past(10_000, 100_000, 33_333).await;
    for (table, least) in [
        ("running", 100),
        ("progress", 10_000),
        ("events", 30_000),
        ("attempts", 2_000),
        ("stats", 10_000),
        ("stats_deltas", 5_000),
        ("failure_causes", 2_000),
        ("workflows", 10),
        ("ready_groups", 100),
    ] {
        let statement = AssertSqlSafe(format!("select count(*) from {table}"));
        let rows: i64 = sqlx::query_scalar(statement).fetch_one(server.store.pool().bare()).await.unwrap();
        assert!(rows >= least, "{table} has {rows} rows");
    }
    for (page, median, _) in measure(&server, 1).await {
        assert!(median < Duration::from_secs(5), "{median:?}: {page}");
    }
    for route in [
        "jobs?state=running",
        "jobs?state=waiting",
        "jobs?state=retrying",
        "failures",
        "workflows",
        "audit",
        "alerts",
    ] {
        let items =
            server.get(&format!("/api/v1/{route}")).await.expect(200)["items"].as_array().unwrap().len();
        assert!(items > 0, "{route}");
    }
}

/// A server beside such a past.
async fn past(live: u64, finished: u64, rare: u64) -> (Server, impl Sized) {
    let name = format!("history_{}", uuid::Uuid::new_v4().simple());
    crate::support::server().create(&name, true).await;
    let gone = Gone(name.clone());
    let store =
        tidemill::Store::connect(tidemill::Options::new(crate::support::server().url(&name))).unwrap();
    let shutdown = tokio_util::sync::CancellationToken::new();
    let guard = shutdown.clone().drop_guard();
    let settings = tidemill::api::server::settings::ApiSettings::default();
    let server = crate::api::server::start(store, settings, Vec::new(), shutdown).await;
    fill(&server, live, finished, 29, rare).await;
    (server, (guard, gone))
}

/// Drops a database with the test.
struct Gone(String);

impl Drop for Gone {
    fn drop(&mut self) {
        crate::support::server().drop_later(&self.0);
    }
}

/// `cargo test --release --test it o1_a_million -- --ignored --nocapture`; `LIVE` and `FINISHED` change the sizes.
#[tokio::test]
#[ignore = "fills ten million rows, which takes minutes"]
async fn o1_a_million_live_and_ten_million_finished_jobs_are_shown_in_time() {
    let size =
        |name: &str, default| std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default);
    let (live, finished) = (size("LIVE", 1_000_000), size("FINISHED", 10_000_000));
    let (server, _guard) = past(live, finished, finished / 3).await;
    let mut late = Vec::new();
    for (page, median, most) in measure(&server, 20).await {
        println!("{median:>8.1?} median, {most:>8.1?} p95  {page}");
        if median > BUDGET || most > 2 * BUDGET {
            late.push(page);
        }
    }
    assert!(late.is_empty(), "slower than {BUDGET:?}, or one of twenty than twice that: {late:#?}");
}
