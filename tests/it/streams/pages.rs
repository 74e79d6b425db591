//! The list of events of a job, and the long poll for its result.

use std::time::{Duration, Instant};

use serde_json::json;
use uuid::Uuid;

use super::mill::{Setup, on_a_mill, until};
use super::one::{path, steps};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn events_are_listed_in_pages() {
    on_a_mill(Setup::default(), async |mill| {
        let job = mill.running().await;
        mill.report(&job, steps(1, 25)).await;
        let (mut seen, mut cursor) = (Vec::new(), String::new());
        loop {
            let (status, page) = mill.get_json(&format!("{}?limit=10{cursor}", path(job.id))).await;
            assert_eq!(status, 200);
            seen.extend(page["items"].as_array().unwrap().iter().map(|item| item["seq"].as_i64().unwrap()));
            let Some(next) = page["next_cursor"].as_str() else { break };
            cursor = format!("&cursor={next}");
        }
        assert_eq!(seen, (1..=25).collect::<Vec<_>>());
        let (_, page) = mill.get_json(&format!("{}?types=log&after=20", path(job.id))).await;
        assert_eq!(page["items"][0]["type"], "log");
        assert_eq!(page["items"][0]["line"], "line 21");
        assert_eq!(page["items"].as_array().unwrap().len(), 3);
        let (status, page) = mill.get_json(&format!("{}?after=25", path(job.id))).await;
        assert_eq!((status, &page), (200, &json!({"items": [], "next_cursor": null})));
        for (query, status) in
            [("?limit=0", 422), ("?limit=x", 422), ("?after=x", 400), ("?colour=1", 422), ("?types=", 422)]
        {
            assert_eq!(mill.get(&format!("{}{query}", path(job.id))).await.status(), status, "{query}");
        }
        assert_eq!(mill.get(&path(Uuid::now_v7())).await.status(), 404);
        assert_eq!(mill.get("/api/v1/jobs/execution:none/events").await.status(), 404);
        assert_eq!(mill.get("/api/v1/jobs/nonsense/events").await.status(), 422);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_result_is_waited_for() {
    on_a_mill(Setup::default(), async |mill| {
        let job = mill.running().await;
        let result = format!("/api/v1/jobs/{}/result", job.id);
        let early = mill.get(&result).await;
        assert_eq!((early.status().as_u16(), early.headers()["retry-after"].to_str().unwrap()), (202, "1"));
        let began = Instant::now();
        let (status, body) = mill.get_json(&format!("{result}?wait=300ms")).await;
        assert_eq!((status, &body["state"], &body["job"]["id"]), (202, &json!("running"), &json!(job.id)));
        assert!(began.elapsed() >= Duration::from_millis(300));
        let waits = format!("{result}?wait=30s");
        let (answer, ()) = tokio::join!(mill.get_json(&waits), async {
            until("somebody waits", async || mill.state.watchers.watched() == 1).await;
            mill.complete(&job).await;
        });
        assert_eq!(
            (answer.0, &answer.1["state"], &answer.1["result"]),
            (200, &json!("completed"), &json!({"done": true}))
        );
        assert!(began.elapsed() < Duration::from_secs(5));
        for bad in ["61s", "x", "-1s", ""] {
            assert_eq!(mill.get(&format!("{result}?wait={bad}")).await.status(), 422, "{bad}");
        }
        let unknown = format!("/api/v1/jobs/{}/result?wait=30s", Uuid::now_v7());
        assert_eq!(mill.get(&unknown).await.status(), 404);
        let deleted = mill.enqueue("test", "other", None).await;
        let waits = format!("/api/v1/jobs/{deleted}/result?wait=30s");
        let (answer, ()) = tokio::join!(mill.get_json(&waits), async {
            until("somebody waits", async || mill.state.watchers.watched() == 1).await;
            mill.store.delete_job(deleted).await.unwrap();
            mill.state.notifier.events([(deleted, 0)]);
        });
        assert_eq!(answer.0, 404);
        assert_eq!(mill.state.watchers.watched(), 0);
    })
    .await;
}
