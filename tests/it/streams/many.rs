//! One stream for many jobs: named ones, and those of queues and kinds.

use std::collections::HashMap;

use futures_util::StreamExt;
use serde_json::json;
use tidemill::job::event::EventDraft;
use tidemill::store::attempts::claim::Claimed;
use uuid::Uuid;

use super::mill::{Mill, Seen, Setup, on_a_mill, read_until, until};

fn line(number: i64) -> EventDraft {
    EventDraft::new("log", json!({"stream": "stdout", "line": number.to_string()}))
}

fn path(jobs: &[Uuid]) -> String {
    let jobs: Vec<String> = jobs.iter().map(|id| format!("job={id}")).collect();
    format!("/api/v1/events?{}", jobs.join("&"))
}

fn by_job(frames: &[Seen]) -> HashMap<Uuid, Vec<i64>> {
    let mut numbers: HashMap<Uuid, Vec<i64>> = HashMap::new();
    for frame in frames.iter().filter(|frame| frame.is_event()) {
        numbers.entry(frame.job()).or_default().push(frame.seq());
    }
    numbers
}

async fn some_running(mill: &Mill, count: usize) -> Vec<Claimed> {
    for _ in 0..count {
        mill.enqueue("test", "default", None).await;
    }
    mill.claim("test", "default").await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn m5_many_jobs_in_one_stream_through_many_cuts() {
    on_a_mill(Setup::default(), async |mill| {
        let jobs = some_running(&mill, 200).await;
        let ids: Vec<Uuid> = jobs.iter().map(|job| job.id).collect();
        let write = async {
            for round in 1..=5 {
                for job in &jobs {
                    mill.report(job, [line(round)]).await;
                }
            }
            for job in &jobs {
                mill.complete(job).await;
            }
        };
        let read = async {
            let (mut seen, mut last, mut longest_id, mut cuts) = (Vec::new(), None::<String>, 0, 0);
            loop {
                let response = mill.open(&path(&ids), last.as_deref()).await;
                if response.status() == 204 {
                    return (seen, longest_id, cuts);
                }
                drop(response);
                let mut stream = mill.stream(&path(&ids), last.as_deref()).await;
                let before_cut = rand::random_range(1..400);
                for _ in 0..before_cut {
                    let Some(frame) = stream.next().await else { break };
                    longest_id = longest_id.max(frame.id.len());
                    last = Some(frame.id.clone());
                    seen.push(frame);
                }
                cuts += 1;
            }
        };
        let ((), (seen, longest_id, cuts)) = tokio::join!(write, read);
        let numbers = by_job(&seen);
        assert!(cuts > 3 && numbers.len() == 200);
        assert!(numbers.values().all(|numbers| numbers == &[1, 2, 3, 4, 5]));
        assert_eq!(seen.iter().filter(|frame| frame.kind == "completed").count(), 200);
        assert!(longest_id < 1000, "{longest_id}");
        println!("200 jobs: {cuts} connections, the longest id has {longest_id} characters");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn jobs_of_a_queue_are_followed_as_they_start() {
    on_a_mill(Setup::default(), async |mill| {
        let before = some_running(&mill, 1).await.remove(0);
        mill.report(&before, [line(1), line(2)]).await;
        let url = "/api/v1/events?queue=default&kind=other";
        let mut stream = mill.stream(url, None).await;
        let frames = read_until(&mut stream, |frame| frame.kind == "snapshot").await;
        assert_eq!((frames[0].job(), frames[0].seq()), (before.id, 2), "shown as it is, without its past");
        let started = some_running(&mill, 1).await.remove(0);
        mill.report(&started, [line(1)]).await;
        let frames = read_until(&mut stream, |frame| frame.job() == started.id && frame.is_event()).await;
        assert_eq!(frames.last().unwrap().seq(), 1);
        mill.enqueue("other", "elsewhere", None).await;
        let of_kind = mill.claim("other", "elsewhere").await.remove(0);
        let frames = read_until(&mut stream, |frame| frame.job() == of_kind.id).await;
        let last = frames.last().unwrap().id.clone();
        drop(stream);
        // What happens while the reader is away is shown when it comes back, the end of a job too.
        mill.report(&started, [line(2)]).await;
        mill.complete(&started).await;
        mill.complete(&before).await;
        let mut stream = mill.stream(url, Some(&last)).await;
        let mut ends = 0;
        let frames = read_until(&mut stream, |frame| {
            ends += i32::from(frame.is_end());
            ends == 2
        })
        .await;
        assert_eq!(by_job(&frames), HashMap::from([(started.id, vec![2])]));
        // One that is made live again goes on where it was.
        mill.store.retry(started.id, "somebody").await.unwrap();
        mill.claim("test", "default").await;
        let frames = read_until(&mut stream, |frame| frame.kind == "retry").await;
        assert_eq!(by_job(&frames), HashMap::from([(started.id, vec![3])]));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bad_requests_get_the_reason() {
    on_a_mill(Setup::default(), async |mill| {
        let id = mill.enqueue("test", "default", Some("named")).await;
        let status = async |path: String, last: Option<&str>| {
            let response = mill.open(&path, last).await;
            (response.status().as_u16(), response.headers()["content-type"].to_str().unwrap().to_owned())
        };
        let problem = |code| (code, "application/problem+json".to_owned());
        let many: Vec<Uuid> = (0..201).map(|_| Uuid::now_v7()).collect();
        assert_eq!(status(path(&many), None).await, problem(422));
        assert_eq!(status(path(&many[..3]), None).await, problem(404));
        assert_eq!(status("/api/v1/events".into(), None).await, problem(422));
        assert_eq!(status("/api/v1/events?job=nonsense".into(), None).await, problem(422));
        assert_eq!(status("/api/v1/events?job=execution:none".into(), None).await, problem(404));
        assert_eq!(status("/api/v1/events?queue=a%20b".into(), None).await, problem(422));
        for bad in ["7", "", "AAAA", "x y"] {
            assert_eq!(status(path(&[id]), Some(bad)).await, problem(400), "{bad}");
        }
        let mut stream = mill.stream("/api/v1/events?job=execution:named", None).await;
        let frame = stream.next().await.unwrap();
        assert_eq!((frame.kind.as_str(), frame.job()), ("snapshot", id));
        assert_eq!(status(path(&[many[0], id]), Some(&frame.id)).await, problem(400));
        drop(stream);
        mill.store.delete_job(id).await.unwrap();
        assert_eq!(
            mill.open(&path(&[id]), Some(&frame.id)).await.status(),
            204,
            "nothing is left to wait for"
        );
        until("nobody is watched", async || mill.state.watchers.watched() == 0).await;
    })
    .await;
}
