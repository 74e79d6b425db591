//! The stream of one job.

use std::time::{Duration, Instant};

use futures_util::StreamExt;
use serde_json::json;
use tidemill::job::event::EventDraft;
use tidemill::store::jobs::delete::DeleteOutcome;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use uuid::Uuid;

use super::mill::{Mill, Seen, Setup, numbers, on_a_mill, read_until, until};

pub(super) fn steps(from: i64, to: i64) -> impl Iterator<Item = EventDraft> {
    (from..=to).map(|step| match step % 2 {
        0 => EventDraft::progress(Some(50.0), Some(&format!("step {step}")), None),
        _ => EventDraft::new("log", json!({"stream": "stdout", "line": format!("line {step}")})),
    })
}

pub(super) fn path(job: Uuid) -> String {
    format!("/api/v1/jobs/{job}/events")
}

fn assert_whole(frames: &[Seen], first: i64, last: i64) {
    assert_eq!(frames[0].kind, "snapshot");
    assert_eq!(numbers(frames), (first..=last).collect::<Vec<_>>());
    let end = frames.last().unwrap();
    assert!(end.is_end(), "{end:?}");
    assert_eq!((end.seq(), end.id.as_str()), (last, format!("{last}-end").as_str()));
}

/// Reads a job to its end, cutting the connection again and again after a few frames.
async fn read_with_cuts(mill: &Mill, job: Uuid) -> (Vec<i64>, usize) {
    let (mut seen, mut cuts, mut last) = (Vec::new(), 0, None::<String>);
    loop {
        let mut stream = mill.stream(&path(job), last.as_deref()).await;
        let before_cut = rand::random_range(1..60);
        let mut count = 0;
        while let Some(frame) = stream.next().await {
            if frame.kind == "snapshot" {
                assert_eq!(frame.id, last.clone().unwrap_or_else(|| "0".into()));
            }
            last = Some(frame.id.clone());
            if frame.is_event() {
                seen.push(frame.seq());
            }
            if frame.is_end() {
                assert!(stream.next().await.is_none(), "nothing follows the end");
                return (seen, cuts);
            }
            count += 1;
            if count == before_cut {
                break;
            }
        }
        cuts += 1;
    }
}

async fn write_while_read(mill: &std::sync::Arc<Mill>, events: i64, on_batch: impl AsyncFn(i64)) {
    let job = mill.running().await;
    let readers: Vec<_> = (0..20)
        .map(|_| {
            let (mill, id) = (std::sync::Arc::clone(mill), job.id);
            tokio::spawn(async move { read_with_cuts(&mill, id).await })
        })
        .collect();
    let mut written = 0;
    while written < events {
        let batch = rand::random_range(1..=12).min(events - written);
        mill.report(&job, steps(written + 1, written + batch)).await;
        written += batch;
        on_batch(written).await;
    }
    mill.complete(&job).await;
    let mut cuts = 0;
    for reader in readers {
        let (seen, cut) = reader.await.unwrap();
        assert_eq!(seen, (1..=events).collect::<Vec<_>>());
        cuts += cut;
    }
    assert!(cuts > 20, "{cuts} cuts prove little");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn m6_readers_that_are_cut_miss_nothing_and_see_nothing_twice() {
    on_a_mill(Setup::default(), async |mill| write_while_read(&mill, 1000, async |_| {}).await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_listener_that_is_killed_costs_no_event() {
    on_a_mill(Setup::default(), async |mill| {
        let kill = async |written: i64| {
            if written % 7 == 0 {
                mill.execute(
                    "select pg_terminate_backend(pid) from pg_stat_activity
                     where datname = current_database() and query ilike 'listen%' and pid <> pg_backend_pid()",
                )
                .await;
            }
        };
        write_while_read(&mill, 600, kill).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_connection_killed_costs_no_event() {
    on_a_mill(Setup::default(), async |mill| {
        let job = mill.running().await;
        let mut stream = mill.stream(&path(job.id), None).await;
        mill.report(&job, steps(1, 3)).await;
        let mut frames = read_until(&mut stream, |frame| frame.seq() == 3).await;
        let other = tidemill::store::Store::connect(mill.store.options().clone()).unwrap();
        for round in 0..5 {
            let all = "select pg_terminate_backend(pid) from pg_stat_activity
                       where datname = current_database() and pid <> pg_backend_pid()";
            sqlx::query(all).execute(other.pool()).await.unwrap();
            let first = 4 + round * 3;
            // Every pooled connection died, and a verb fails at the first use of each.
            until("the events are written", async || {
                mill.try_report(&job, steps(first, first + 2)).await.is_ok_and(|held| held == Some(first + 2))
            })
            .await;
            frames.extend(read_until(&mut stream, |frame| frame.seq() == first + 2).await);
        }
        mill.complete(&job).await;
        frames.extend(read_until(&mut stream, Seen::is_end).await);
        assert_whole(&frames, 1, 18);
        other.close().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn m4_without_notify_events_still_come() {
    let deaf = Setup { listens: false, ..Setup::default() };
    on_a_mill(deaf, async |mill| arrives_within(&mill, Duration::from_millis(1500)).await).await;
    // The connection hears its own probe, and yet hints are lost.
    let silent = Setup { notifies: false, ..Setup::default() };
    on_a_mill(silent, async |mill| arrives_within(&mill, Duration::from_millis(6500)).await).await;
}

async fn arrives_within(mill: &Mill, bound: Duration) {
    let job = mill.running().await;
    let mut stream = mill.stream(&path(job.id), None).await;
    read_until(&mut stream, |frame| frame.kind == "snapshot").await;
    for step in 1..=2 {
        let began = Instant::now();
        mill.report(&job, steps(step, step)).await;
        read_until(&mut stream, |frame| frame.is_event() && frame.seq() == step).await;
        assert!(began.elapsed() < bound, "{:?}", began.elapsed());
    }
    let began = Instant::now();
    mill.complete(&job).await;
    read_until(&mut stream, Seen::is_end).await;
    assert!(began.elapsed() < bound, "{:?}", began.elapsed());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn m2_a_reader_may_resume_anywhere() {
    on_a_mill(Setup::default(), async |mill| {
        let job = mill.running().await;
        for step in 1..=30 {
            mill.report(&job, steps(step, step)).await;
        }
        mill.complete(&job).await;
        for after in 0..=30 {
            let after_text = after.to_string();
            let frames = mill.whole(&path(job.id), Some(&after_text)).await;
            assert_eq!((frames[0].id.as_str(), frames[0].seq()), (after_text.as_str(), after));
            assert_eq!(frames[0].data["state"], "completed");
            assert_whole(&frames, after + 1, 30);
            assert_eq!(frames.last().unwrap().data["result"], json!({"done": true}));
        }
        for query in ["after=12", "lastEventId=12", "after=3&lastEventId=12", "after=12&lastEventId="] {
            let frames = mill.whole(&format!("{}?{query}", path(job.id)), None).await;
            assert_whole(&frames, 13, 30);
        }
        let many = format!("/api/v1/events?job={}", job.id);
        let place = mill.whole(&many, None).await[12].id.clone();
        let frames = mill.whole(&format!("{many}&lastEventId={place}"), None).await;
        assert_eq!(numbers(&frames), (13..=30).collect::<Vec<_>>());
        // Ahead of what exists: the database was restored.
        let frames = mill.whole(&path(job.id), Some("31")).await;
        let kinds: Vec<_> = frames.iter().map(|frame| (frame.kind.as_str(), frame.id.as_str())).collect();
        assert_eq!(kinds, [("snapshot", "30"), ("reset", "30"), ("completed", "30-end")]);
        for bad in ["x", "-1", "1.0", "", "1 2", "99999999999999999999", "0x1"] {
            let response = mill.open(&path(job.id), Some(bad)).await;
            assert_eq!(response.status(), 400, "{bad}");
            assert_eq!(response.headers()["content-type"], "application/problem+json");
        }
        let unknown = mill.open(&path(Uuid::now_v7()), None).await;
        assert_eq!(unknown.status(), 404);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_the_wanted_types_come_and_the_position_moves_on() {
    on_a_mill(Setup::default(), async |mill| {
        let job = mill.running().await;
        mill.report(&job, steps(1, 40)).await;
        let wanted = format!("{}?types=progress,note", path(job.id));
        let mut stream = mill.stream(&wanted, None).await;
        let mut frames = read_until(&mut stream, |frame| frame.seq() == 40).await;
        mill.report(&job, steps(41, 50)).await;
        // A handler may name a type as it likes; it never breaks a frame.
        mill.report(
            &job,
            [EventDraft::new("no\r\ndata: te", json!({})), EventDraft::new("note", json!({"a": "\r\n\nb"}))],
        )
        .await;
        mill.report(&job, steps(1, 1)).await;
        mill.complete(&job).await;
        frames.extend(read_until(&mut stream, Seen::is_end).await);
        let even: Vec<i64> = (1..=50).filter(|seq| seq % 2 == 0).chain([52]).collect();
        assert_eq!(numbers(&frames), even);
        assert_eq!((frames.last().unwrap().seq(), frames.last().unwrap().id.as_str()), (53, "53-end"));
        let all = mill.whole(&path(job.id), None).await;
        assert_whole(&all, 1, 53);
        assert!(all.iter().any(|frame| frame.kind == "no__data: te"));
        // From the history too, and the position passes what was not wanted.
        let text = mill.open(&format!("{}?types=log", path(job.id)), Some("45")).await.text().await.unwrap();
        assert!(text.contains("\nid: 53\nevent: log\n") && !text.contains("event: progress"), "{text}");
        let text = mill.open(&format!("{}?types=none", path(job.id)), Some("45")).await.text().await.unwrap();
        assert!(text.contains("\n\nid: 53\n\n"), "{text}");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn m2_a_reader_learns_what_retention_dropped() {
    on_a_mill(Setup::default(), async |mill| {
        let job = mill.running().await;
        mill.report(&job, steps(1, 20)).await;
        mill.execute(&format!("delete from events where job_id = '{}' and seq <= 7", job.id)).await;
        mill.complete(&job).await;
        for (query, first) in [("", 8), ("?types=log", 9)] {
            let frames = mill.whole(&format!("{}{query}", path(job.id)), Some("2")).await;
            assert_eq!((frames[0].kind.as_str(), frames[0].id.as_str()), ("snapshot", "2"));
            assert_eq!((frames[1].kind.as_str(), frames[1].id.as_str()), ("reset", "7"));
            assert_eq!(numbers(&frames)[0], first);
        }
        let frames = mill.whole(&path(job.id), Some("7")).await;
        assert_whole(&frames, 8, 20);
        assert!(frames.iter().all(|frame| frame.kind != "reset"));
        mill.execute("delete from events").await;
        let frames = mill.whole(&path(job.id), Some("7")).await;
        let kinds: Vec<_> = frames.iter().map(|frame| (frame.kind.as_str(), frame.id.as_str())).collect();
        assert_eq!(kinds, [("snapshot", "7"), ("reset", "20"), ("completed", "20-end")]);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_retry_by_hand_is_shown_to_the_next_reader() {
    on_a_mill(Setup::default(), async |mill| {
        let job = mill.running().await;
        mill.report(&job, steps(1, 2)).await;
        mill.complete(&job).await;
        let frames = mill.whole(&path(job.id), None).await;
        assert_whole(&frames, 1, 2);
        // Who saw the end need not come again; who saw the last event only gets the end.
        assert_eq!(mill.open(&path(job.id), Some("2-end")).await.status(), 204);
        assert_eq!(mill.open(&format!("{}?after=2-end", path(job.id)), None).await.status(), 204);
        assert_whole(&mill.whole(&path(job.id), Some("2")).await, 3, 2);
        assert_eq!(mill.open(&path(job.id), Some("2-ended")).await.status(), 400);
        let many = format!("/api/v1/events?job={}", job.id);
        let last = mill.whole(&many, None).await.pop().unwrap().id;
        assert_eq!(mill.open(&many, Some(&last)).await.status(), 204);
        mill.store.retry(job.id, "somebody").await.unwrap();
        let mut stream = mill.stream(&many, Some(&last)).await;
        let frames = read_until(&mut stream, |frame| frame.kind == "retry").await;
        assert_eq!(frames[1].seq(), 3, "what a retry by hand adds is shown to who saw the end before");
        let mut stream = mill.stream(&path(job.id), Some("2-end")).await;
        let frames = read_until(&mut stream, |frame| frame.kind == "retry").await;
        assert_eq!((frames[0].data["state"].as_str(), frames[1].seq()), (Some("available"), 3));
        let again = mill.claim("test", "default").await.pop().unwrap();
        mill.report(&again, steps(4, 5)).await;
        mill.store.cancel(job.id, Some("enough"), "somebody").await.unwrap();
        mill.complete(&again).await;
        let frames = read_until(&mut stream, Seen::is_end).await;
        assert_eq!(numbers(&frames), [4, 5, 6]);
        assert!(stream.next().await.is_none());
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn m2_a_stream_ends_with_its_job_its_lifetime_and_the_server() {
    on_a_mill(Setup::default(), async |mill| {
        let id = mill.enqueue("test", "default", Some("order/42 ü")).await;
        let mut stream = mill.stream("/api/v1/jobs/execution:order%2F42%20%C3%BC/events", None).await;
        read_until(&mut stream, |frame| frame.kind == "snapshot").await;
        assert_eq!(mill.state.watchers.watched(), 1);
        assert_eq!(mill.store.delete_job(id).await.unwrap(), Some(DeleteOutcome::Deleted));
        mill.state.notifier.events([(id, 0)]);
        assert!(stream.next().await.is_none());
        until("nobody is watched", async || mill.state.watchers.watched() == 0).await;
        until("no stream is open", async || mill.state.metrics.streams_open.get() == 0).await;
        let waiting = mill.enqueue("test", "default", None).await;
        let response = mill.open(&path(waiting), None).await;
        mill.state.shutdown.cancel();
        let text = response.text().await.unwrap();
        assert!(text.ends_with("\n\n") && text.contains("retry: "), "{text}");
    })
    .await;
    let short = Setup { stream_lifetime: Duration::from_millis(300), ..Setup::default() };
    on_a_mill(short, async |mill| {
        let job = mill.running().await;
        let text = mill.open(&path(job.id), None).await.text().await.unwrap();
        assert!(text.contains("event: snapshot") && text.contains("retry: "), "{text}");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn m5_a_reader_that_does_not_read_costs_little() {
    const EVENTS: i64 = 20_000;
    on_a_mill(Setup::default(), async |mill| {
        let job = mill.running().await;
        for _ in 0..EVENTS / 1000 {
            let line = json!({"stream": "stdout", "line": "x".repeat(1000)});
            mill.report(&job, (0..1000).map(|_| EventDraft::new("log", line.clone()))).await;
        }
        let socket = tokio::net::TcpSocket::new_v4().unwrap();
        socket.set_recv_buffer_size(16 * 1024).unwrap();
        let mut connection = socket.connect(mill.address).await.unwrap();
        let request = format!(
            "GET {} HTTP/1.1\r\nHost: x\r\nAccept: text/event-stream\r\nConnection: close\r\n\r\n",
            path(job.id)
        );
        connection.write_all(request.as_bytes()).await.unwrap();
        let sent = || mill.state.metrics.stream_events.get();
        // Other readers are served to the end meanwhile; had the stalled one been read ahead for, it
        // would be as far as they are.
        for _ in 0..2 {
            let mut stream = mill.stream(&path(job.id), None).await;
            read_until(&mut stream, |frame| frame.seq() == EVENTS).await;
        }
        let stalled = sent() - 2 * u64::try_from(EVENTS + 1).unwrap();
        assert!(
            stalled > 0 && stalled < u64::try_from(EVENTS).unwrap() / 2,
            "{stalled} frames were taken for it"
        );
        mill.complete(&job).await;
        let mut text = String::new();
        connection.read_to_string(&mut text).await.unwrap();
        assert_eq!(text.matches("\nevent: log\n").count(), usize::try_from(EVENTS).unwrap());
        assert!(text.contains("event: completed"));
    })
    .await;
}
