//! Lists, history and analytics beside a large past: what is rare is found, and no page makes anybody wait.

use std::time::{Duration, Instant};

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

/// `cargo test --release --test it o1_a_million -- --ignored --nocapture`; `LIVE` and `FINISHED` change the sizes.
#[tokio::test]
#[ignore = "fills ten million rows, which takes minutes"]
async fn o1_a_million_live_and_ten_million_finished_jobs_are_shown_in_time() {
    let size =
        |name: &str, default| std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default);
    let (live, finished) = (size("LIVE", 1_000_000), size("FINISHED", 10_000_000));
    let name = format!("history_{}", uuid::Uuid::new_v4().simple());
    crate::support::server().create(&name, true).await;
    let store =
        tidemill::Store::connect(tidemill::Options::new(crate::support::server().url(&name))).unwrap();
    let shutdown = tokio_util::sync::CancellationToken::new();
    let _guard = shutdown.clone().drop_guard();
    let server =
        crate::api::server::start(store, tidemill::api::server::ApiSettings::default(), Vec::new(), shutdown)
            .await;
    fill(&server, live, finished, 29, finished / 3).await;
    let some: String = sqlx::query_scalar("select id::text from jobs where kind = 'rare' limit 1")
        .fetch_one(server.store.pool())
        .await
        .unwrap();
    let day = (chrono::Utc::now() - chrono::TimeDelta::days(9)).format("%Y-%m-%dT00:00:00Z").to_string();
    let next = (chrono::Utc::now() - chrono::TimeDelta::days(8)).format("%Y-%m-%dT00:00:00Z").to_string();
    let routes = [
        "/api/v1/jobs".to_owned(),
        format!("/api/v1/jobs/{some}"),
        "/api/v1/jobs?state=completed".into(),
        "/api/v1/jobs?state=failed".into(),
        "/api/v1/jobs?state=scheduled".into(),
        "/api/v1/jobs?state=running".into(),
        "/api/v1/jobs?kind=kind-3".into(),
        "/api/v1/jobs?queue=queue-2&state=failed".into(),
        "/api/v1/jobs?kind=rare".into(),
        "/api/v1/jobs?kind=nothing".into(),
        "/api/v1/jobs?tag=tagged".into(),
        "/api/v1/jobs?tag=nothing".into(),
        "/api/v1/jobs?state=failed&error=host%204".into(),
        "/api/v1/jobs?error=nothing".into(),
        format!("/api/v1/jobs?finished_after={day}&finished_before={next}"),
        format!("/api/v1/jobs?finished_after={day}&finished_before={next}&kind=rare"),
        "/api/v1/queues".into(),
        "/api/v1/stats".into(),
        "/api/v1/stats/kinds".into(),
        "/api/v1/stats/trends".into(),
        "/api/v1/failures".into(),
        "/api/v1/workers".into(),
    ];
    let mut late = Vec::new();
    for route in routes {
        let mut times = Vec::new();
        for _ in 0..5 {
            let began = Instant::now();
            server.get(&route).await.expect(200);
            times.push(began.elapsed());
        }
        times.sort();
        println!("{:>8.1?} median, {:>8.1?} worst  {route}", times[2], times[4]);
        if times[2] > BUDGET {
            late.push(route);
        }
    }
    crate::support::server().drop_later(&name);
    assert!(late.is_empty(), "slower than {BUDGET:?}: {late:#?}");
}
