//! The streams of a queue, a kind and all jobs: every job from its start to its end, once, whatever transactions are open and
//! wherever a reader is cut.

use std::collections::{HashMap, HashSet};

use futures_util::StreamExt;
use serde_json::json;
use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection};
use tidemill::job::event::EventDraft;
use tidemill::store::db::migrate::migrate;
use uuid::Uuid;

use super::mill::{Mill, Seen, Setup, on_a_mill, read_until};

fn line(number: i64) -> EventDraft {
    EventDraft::new("log", json!({"stream": "stdout", "line": number.to_string()}))
}

/// A connection of somebody else's.
async fn psql(mill: &Mill) -> PgConnection {
    let mut connection = PgConnection::connect(&mill.store.options().url).await.unwrap();
    connection.execute("set search_path to tidemill").await.unwrap();
    connection
}

async fn enqueue(connection: &mut PgConnection, kind: &str) -> Uuid {
    let statement = AssertSqlSafe(format!("select enqueue('{kind}', '{{}}')"));
    sqlx::query_scalar(statement).fetch_one(connection).await.unwrap()
}

/// Runs all that is due, each job within milliseconds.
async fn run(mill: &Mill, kind: &str, lines: i64) {
    for job in mill.claim(kind, "default").await {
        if lines > 0 {
            mill.report(&job, (1..=lines).map(line)).await;
        }
        mill.complete(&job).await;
    }
}

fn ends(frames: &[Seen]) -> HashMap<Uuid, usize> {
    let mut ends = HashMap::new();
    for frame in frames.iter().filter(|frame| frame.is_end()) {
        *ends.entry(frame.job()).or_default() += 1;
    }
    ends
}

/// Each job begins with its snapshot and ends with its end, its events between them in their order.
fn assert_lives(frames: &[Seen], jobs: &[Uuid], lines: i64) {
    for job in jobs {
        let of: Vec<&Seen> = frames.iter().filter(|frame| frame.job() == *job).collect();
        assert_eq!(of.first().unwrap().kind, "snapshot", "{of:?}");
        let numbers: Vec<i64> = of.iter().filter(|frame| frame.is_event()).map(|frame| frame.seq()).collect();
        assert_eq!(numbers, (1..=lines).collect::<Vec<_>>());
        assert_eq!(of.iter().filter(|frame| frame.is_end()).count(), 1);
        assert_eq!((of.last().unwrap().kind.as_str(), of.last().unwrap().seq()), ("completed", lines));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_job_that_is_over_in_no_time_is_carried() {
    on_a_mill(Setup::default(), async |mill| {
        for url in ["/api/v1/events?kind=echo", "/api/v1/events?queue=default", "/api/v1/events?all=true"] {
            let mut stream = mill.stream(url, None).await;
            let mut jobs = Vec::new();
            for _ in 0..12 {
                jobs.push(mill.enqueue("echo", "default", None).await);
                mill.enqueue("other", "elsewhere", None).await;
                run(&mill, "echo", 0).await;
            }
            let mut count = 0;
            let frames = read_until(&mut stream, |frame| {
                count += usize::from(frame.is_end());
                count == 12
            })
            .await;
            assert_lives(&frames, &jobs, 0);
            let others = frames.iter().filter(|frame| frame.data["kind"] == "other").count();
            assert_eq!(others > 0, url.contains("all"), "{url}");
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_job_is_shown_when_it_is_enqueued_when_it_starts_and_at_its_end() {
    on_a_mill(Setup::default(), async |mill| {
        let mut stream = mill.stream("/api/v1/events?kind=echo", None).await;
        let job = mill.enqueue("echo", "default", None).await;
        let shown = read_until(&mut stream, |frame| frame.kind == "snapshot").await;
        assert_eq!(shown[0].data["status"], "available");
        let claimed = mill.claim("echo", "default").await.pop().unwrap();
        let shown = read_until(&mut stream, |frame| frame.kind == "snapshot").await;
        assert_eq!((shown[0].job(), shown[0].data["status"].as_str()), (job, Some("running")));
        mill.report(&claimed, [line(1)]).await;
        mill.complete(&claimed).await;
        let shown = read_until(&mut stream, Seen::is_end).await;
        let kinds: Vec<&str> = shown.iter().map(|frame| frame.kind.as_str()).collect();
        assert_eq!(kinds, ["log", "completed"]);
        // One that never ran has an end, too.
        let waiting = mill.enqueue("echo", "default", None).await;
        mill.store.cancel(waiting, None, "somebody").await.unwrap();
        let shown = read_until(&mut stream, Seen::is_end).await;
        assert_eq!(
            (shown.last().unwrap().job(), shown.last().unwrap().kind.as_str()),
            (waiting, "cancelled")
        );
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reader_that_is_cut_anywhere_misses_nothing_and_gets_nothing_twice() {
    on_a_mill(Setup::default(), async |mill| {
        let url = "/api/v1/events?kind=echo";
        let first = mill.stream(url, None).await;
        drop(first);
        let mark = mill.enqueue("echo", "default", None).await;
        let mut stream = mill.stream(url, None).await;
        let begun = async {
            let statement = "select count(*) from jobs_live";
            assert!(mill.sql(statement).await > 0);
            run(&mill, "echo", 0).await;
        };
        begun.await;
        let start = read_until(&mut stream, Seen::is_end).await.pop().unwrap();
        assert_eq!(start.job(), mark);
        drop(stream);
        let write = async {
            let mut jobs = Vec::new();
            for round in 0..40 {
                for _ in 0..5 {
                    jobs.push(mill.enqueue("echo", "default", None).await);
                }
                run(&mill, "echo", 3).await;
                if round % 10 == 9 {
                    tokio::task::yield_now().await;
                }
            }
            jobs
        };
        let read = async {
            let (mut seen, mut last, mut cuts, mut count) = (Vec::new(), start.id.clone(), 0, 0);
            while count < 200 {
                let mut stream = mill.stream(url, Some(&last)).await;
                for _ in 0..rand::random_range(1..40) {
                    let frame = stream.next().await.unwrap();
                    last.clone_from(&frame.id);
                    count += usize::from(frame.is_end());
                    seen.push(frame);
                    if count == 200 {
                        break;
                    }
                }
                cuts += 1;
            }
            (seen, cuts)
        };
        let (jobs, (seen, cuts)) = tokio::join!(write, read);
        assert!(cuts > 10, "{cuts}");
        assert_eq!(ends(&seen).len(), 200);
        assert_lives(&seen, &jobs, 3);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn transactions_that_stay_open_that_are_nested_and_that_are_undone() {
    on_a_mill(Setup::default(), async |mill| {
        let url = "/api/v1/events?kind=echo";
        let (mut long, mut undone) = (psql(&mill).await, psql(&mill).await);
        long.execute("begin").await.unwrap();
        let early = enqueue(&mut long, "echo").await;
        let mut stream = mill.stream(url, None).await;
        // Written by a subtransaction, whose number is higher than those of others that are over long before.
        long.execute("savepoint a").await.unwrap();
        let nested = enqueue(&mut long, "echo").await;
        long.execute("release savepoint a; savepoint b").await.unwrap();
        let dropped = enqueue(&mut long, "echo").await;
        long.execute("rollback to savepoint b").await.unwrap();
        undone.execute("begin").await.unwrap();
        let never = enqueue(&mut undone, "echo").await;
        let mut last = None;
        for _ in 0..5 {
            let job = mill.enqueue("echo", "default", None).await;
            run(&mill, "echo", 1).await;
            let frames = read_until(&mut stream, Seen::is_end).await;
            assert_lives(&frames, &[job], 1);
            last = Some(frames.last().unwrap().id.clone());
        }
        // A reader that was there while they were open comes back after they are over.
        drop(stream);
        long.execute("commit").await.unwrap();
        undone.execute("rollback").await.unwrap();
        run(&mill, "echo", 1).await;
        let mut stream = mill.stream(url, last.as_deref()).await;
        let marker = mill.enqueue("echo", "default", None).await;
        run(&mill, "echo", 1).await;
        let frames = read_until(&mut stream, |frame| frame.is_end() && frame.job() == marker).await;
        assert_lives(&frames, &[early, nested, marker], 1);
        assert_eq!(ends(&frames).len(), 3);
        assert!(frames.iter().all(|frame| ![dropped, never].contains(&frame.job())));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_job_that_is_named_as_well_comes_once() {
    on_a_mill(Setup::default(), async |mill| {
        let job = mill.enqueue("echo", "default", None).await;
        let url = format!("/api/v1/events?job={job}&kind=echo");
        let mut stream = mill.stream(&url, None).await;
        run(&mill, "echo", 2).await;
        let marker = mill.enqueue("echo", "default", None).await;
        run(&mill, "echo", 2).await;
        // The named job has a reader of its own, so either end may come first.
        let mut open = HashSet::from([job, marker]);
        let is_last = |frame: &Seen| frame.is_end() && open.remove(&frame.job()) && open.is_empty();
        let frames = read_until(&mut stream, is_last).await;
        assert_eq!(ends(&frames), HashMap::from([(job, 1), (marker, 1)]));
        // Made live again, it goes on; after it only what is new of it.
        mill.store.retry(job, "somebody").await.unwrap();
        run(&mill, "echo", 1).await;
        let frames = read_until(&mut stream, Seen::is_end).await;
        let numbers: Vec<i64> = frames.iter().filter(|frame| frame.is_event()).map(Seen::seq).collect();
        assert_eq!((numbers, frames.last().unwrap().job()), (vec![3, 4], job));
    })
    .await;
}

/// What a failover to a standby that lagged leaves behind, as far as a reader can see: another timeline.
const OTHER_ERA: &str = "create or replace function database_history() returns text language sql stable set search_path from current \
                         as $$ select 'another' $$";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_that_went_back_is_reported_and_later_changes_are_shown() {
    on_a_mill(Setup::default(), async |mill| {
        let url = "/api/v1/events?kind=echo";
        let mut open = mill.stream(url, None).await;
        mill.enqueue("echo", "default", None).await;
        run(&mill, "echo", 1).await;
        let last = read_until(&mut open, Seen::is_end).await.pop().unwrap();
        let after = mill.enqueue("echo", "default", None).await;
        mill.execute(OTHER_ERA).await;
        run(&mill, "echo", 1).await;
        let mut later = mill.stream(url, Some(&last.id)).await;
        for stream in [&mut open, &mut later] {
            let frames =
                read_until(stream, |frame| frame.is_end() && frame.data["job_id"] == json!(after)).await;
            let reset = frames.iter().find(|frame| frame.kind == "reset").expect("a reset");
            assert!(reset.data["reason"].as_str().unwrap().contains("earlier state"), "{reset:?}");
        }
        // Once: then the reader stands in the new history.
        let marker = mill.enqueue("echo", "default", None).await;
        run(&mill, "echo", 0).await;
        let frames = read_until(&mut open, Seen::is_end).await;
        assert!(frames.iter().all(|frame| frame.kind != "reset" && frame.job() == marker));
    })
    .await;
}

/// What a restore of another cluster's dump leaves behind: rows with numbers that this cluster has not given out. Returns the
/// least of them.
async fn plant_foreign_numbers(mill: &Mill, ahead: i64) -> i64 {
    let number = ahead + mill.sql("select pg_current_xact_id()::text::bigint").await;
    let old = "(select id from jobs where kind <> 'echo')";
    mill.execute(&format!("update jobs set written_in = {number} where kind <> 'echo'")).await;
    mill.execute(&format!("update events set written_in = {number} + seq where job_id in {old}")).await;
    mill.execute(&format!("update running set written_in = {number} where job_id in {old}")).await;
    number
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rows_of_another_cluster_are_never_reported_as_new() {
    on_a_mill(Setup::default(), async |mill| {
        for _ in 0..5 {
            mill.enqueue("old", "default", None).await;
        }
        run(&mill, "old", 2).await;
        let waiting = mill.enqueue("waiting", "default", None).await;
        mill.enqueue("running", "default", None).await;
        let running = mill.claim("running", "default").await.pop().unwrap();
        mill.report(&running, [line(1)]).await;
        let url = "/api/v1/events?all=true";
        let mut stream = mill.stream(url, None).await;
        read_until(&mut stream, |frame| frame.kind == "snapshot" && frame.job() == running.id).await;
        // Restored: another history, whose numbers this cluster reaches much later.
        plant_foreign_numbers(&mill, 100_000_000).await;
        mill.execute(OTHER_ERA).await;
        let mut resets = 0;
        let mut last = String::new();
        for _ in 0..3 {
            let job = mill.enqueue("echo", "default", None).await;
            run(&mill, "echo", 2).await;
            let (reset, frames): (Vec<Seen>, Vec<Seen>) = read_until(&mut stream, Seen::is_end)
                .await
                .into_iter()
                .partition(|frame| frame.kind == "reset");
            resets += reset.len();
            assert!(frames.iter().all(|frame| frame.job() == job), "{frames:?}");
            assert_lives(&frames, &[job], 2);
            last.clone_from(&frames.last().unwrap().id);
        }
        assert_eq!(resets, 1);
        // Recorded by a migration, they stay what they are when the cluster gives out their numbers.
        migrate(mill.store.options()).await.unwrap();
        let recorded = "select count(*) from schema_compatibility where foreign_until < now()";
        assert_eq!(mill.sql(recorded).await, 1);
        assert!(mill.store.note_foreign_rows().await.unwrap().is_none(), "once");
        let planted = plant_foreign_numbers(&mill, 300).await;
        while mill.sql("select pg_current_xact_id()::text::bigint").await <= planted + 10 {}
        let mut later = mill.stream(url, Some(&last)).await;
        let marker = mill.enqueue("echo", "default", None).await;
        run(&mill, "echo", 1).await;
        for stream in [&mut stream, &mut later] {
            let frames = read_until(stream, Seen::is_end).await;
            assert!(frames.iter().all(|frame| frame.kind != "reset" && frame.job() == marker), "{frames:?}");
            assert_lives(&frames, &[marker], 1);
        }
        // What was restored and runs here is shown.
        run(&mill, "waiting", 1).await;
        mill.complete(&running).await;
        let mut count = 0;
        let frames = read_until(&mut later, |frame| {
            count += usize::from(frame.is_end());
            count == 2
        })
        .await;
        assert_lives(&frames, &[waiting], 1);
        assert_eq!(ends(&frames), HashMap::from([(waiting, 1), (running.id, 1)]));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_of_one_job_is_reset_when_its_last_events_become_others() {
    on_a_mill(Setup::default(), async |mill| {
        let job = mill.running().await;
        mill.report(&job, (1..=10).map(line)).await;
        let url = format!("/api/v1/jobs/{}/events", job.id);
        let mut stream = mill.stream(&url, None).await;
        read_until(&mut stream, |frame| frame.is_event() && frame.seq() == 10).await;
        // Seen live, so that the process knows them.
        mill.report(&job, (11..=20).map(line)).await;
        read_until(&mut stream, |frame| frame.is_event() && frame.seq() == 20).await;
        // The standby had got 15 of them, and the job wrote on there: as many as the reader has seen.
        mill.execute(&format!("delete from events where job_id = '{}' and seq > 15", job.id)).await;
        mill.execute(&format!("update progress set last_seq = 15 where job_id = '{}'", job.id)).await;
        mill.execute(OTHER_ERA).await;
        mill.report(&job, (116..=122).map(line)).await;
        let frames = read_until(&mut stream, |frame| frame.is_event() && frame.seq() == 22).await;
        assert_eq!((frames[0].kind.as_str(), frames[0].seq()), ("reset", 15));
        let lines: Vec<&str> = frames[1..].iter().map(|frame| frame.data["line"].as_str().unwrap()).collect();
        assert_eq!(lines, ["116", "117", "118", "119", "120", "121", "122"]);
        // A failover that lost nothing says nothing.
        mill.execute(&OTHER_ERA.replace("another", "a third")).await;
        mill.report(&job, [line(23)]).await;
        let frames = read_until(&mut stream, |frame| frame.is_event() && frame.seq() == 23).await;
        assert_eq!(frames.len(), 1, "{frames:?}");
        // It went back, and nothing has happened there yet.
        mill.execute(&format!("delete from events where job_id = '{}' and seq > 21", job.id)).await;
        mill.execute(&format!("update progress set last_seq = 21 where job_id = '{}'", job.id)).await;
        mill.state.notifier.events([(job.id, 21)]);
        let frames = read_until(&mut stream, |frame| frame.kind == "reset").await;
        assert_eq!(frames[0].seq(), 21);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reader_learns_what_retention_dropped_while_it_was_away() {
    on_a_mill(Setup::default(), async |mill| {
        let url = "/api/v1/events?all=true";
        let mut stream = mill.stream(url, None).await;
        mill.enqueue("echo", "default", None).await;
        run(&mill, "echo", 0).await;
        let last = read_until(&mut stream, Seen::is_end).await.pop().unwrap().id;
        drop(stream);
        let oldest = "create or replace function oldest_day() returns timestamptz language sql stable \
                      set search_path from current as $$ select now() $$";
        mill.execute(oldest).await;
        let mut stream = mill.stream(url, Some(&last)).await;
        let frames = read_until(&mut stream, |frame| frame.kind == "reset").await;
        assert!(frames[0].data["reason"].as_str().unwrap().contains("retention"));
    })
    .await;
}
