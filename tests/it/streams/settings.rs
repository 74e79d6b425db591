//! The frame that tells of changed settings: for readers that ask for it, whoever changed them, and also while no
//! notification arrives.

use std::time::Duration;

use chrono::{SecondsFormat, Utc};
use futures_util::StreamExt;
use serde_json::json;

use super::mill::{Seen, Setup, on_a_mill, read_until, until};

const ASKING: &str = "/api/v1/events?all=true&types=retry,settings";
const PAUSE: &str = "select pause_queue('default', 'ann')";
const CHANGE: &str = "update queues set slots = 7 where name = 'default'";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pause_and_a_change_in_sql_are_told_to_who_asks_and_to_nobody_else() {
    on_a_mill(Setup::default(), async |mill| {
        let wakes = mill.state.wakes.clone();
        until("notifications arrive", async || wakes.is_healthy()).await;
        mill.execute("insert into queues (name) values ('default') on conflict do nothing").await;
        let mut asking = mill.stream(ASKING, None).await;
        let mut other = mill.stream("/api/v1/events?all=true", None).await;
        for statement in [PAUSE, CHANGE] {
            let before = json!(Utc::now().to_rfc3339_opts(SecondsFormat::Micros, true));
            mill.execute(statement).await;
            // That of the insert may still come.
            let is_later = |frame: &Seen| frame.data["at"].as_str() > before.as_str();
            read_until(&mut asking, |frame| frame.kind == "settings" && is_later(frame)).await;
        }
        // A frame of a job comes after those: there were none.
        mill.enqueue("echo", "default", None).await;
        let frames = read_until(&mut other, |frame| frame.kind == "snapshot").await;
        assert_eq!(frames.iter().map(|frame| frame.kind.as_str()).collect::<Vec<_>>(), ["snapshot"]);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reader_that_comes_back_continues_where_it_was() {
    on_a_mill(Setup::default(), async |mill| {
        let wakes = mill.state.wakes.clone();
        until("notifications arrive", async || wakes.is_healthy()).await;
        mill.execute("insert into queues (name) values ('default') on conflict do nothing").await;
        let mut stream = mill.stream(ASKING, None).await;
        mill.execute(CHANGE).await;
        let place =
            read_until(&mut stream, |frame| frame.kind == "settings").await.last().unwrap().id.clone();
        drop(stream);
        let job = mill.enqueue("echo", "default", None).await;
        let mut stream = mill.stream(ASKING, Some(&place)).await;
        let frames = read_until(&mut stream, |frame| frame.kind == "snapshot").await;
        assert_eq!(frames.last().unwrap().job(), job);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_no_notification_arrives_it_comes_now_and_then() {
    on_a_mill(Setup { listens: false, ..Setup::default() }, async |mill| {
        let mut stream = mill.stream(ASKING, None).await;
        let frame = tokio::time::timeout(Duration::from_secs(60), stream.next()).await.unwrap().unwrap();
        assert_eq!(frame.kind, "settings");
    })
    .await;
}
