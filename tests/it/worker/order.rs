//! What an attempt reports is stored in the order in which it was said, whatever it was: events, progress, lines,
//! checkpoints, children, extensions.

use serde_json::{Value, json};
use tidemill::kinds::command::CommandSpec;
use tidemill::{Context, JobError, KindSettings};
use uuid::Uuid;

use super::until_state;
use crate::support::{Db, Mill, job, ok};

const ROUNDS: usize = 25;

/// What is stored of a job, in order, each in a word.
async fn stored(db: &Db, id: Uuid) -> Vec<String> {
    let stored: Vec<(String,)> = db
        .rows(format!(
            "select type || ' ' || coalesce(data ->> 'name', data ->> 'line', data ->> 'percent', data ->> 'n', '')
             from events where job_id = '{id}' order by seq"
        ))
        .await;
    stored.into_iter().map(|(word,)| word.trim_end_matches(".0").to_owned()).collect()
}

/// What is said in the rounds, without those of `left_out`.
fn said(left_out: &[&str]) -> Vec<String> {
    let round = |n: usize| {
        [
            format!("reported {n}"),
            format!("step s{n}"),
            format!("progress {n}"),
            format!("log line {n}"),
            format!("spawned child-{n}"),
            "extended ".to_owned(),
        ]
    };
    let all = (1..=ROUNDS).flat_map(round);
    all.filter(|word| !left_out.iter().any(|name| word.starts_with(name))).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lines_of_a_command_keep_their_order() {
    let db = Db::new().await;
    let script = format!(
        r#"n=1; while [ $n -le {ROUNDS} ]; do
            echo "{{\"event\":{{\"type\":\"reported\",\"data\":{{\"n\":$n}}}}}}"
            echo "{{\"step\":{{\"name\":\"s$n\"}}}}"
            echo "{{\"progress\":{{\"percent\":$n}}}}"
            echo "{{\"cursor\":{{\"name\":\"c$n\"}}}}"
            echo "{{\"log\":\"line $n\"}}"
            echo "{{\"extend\":\"1s\"}}"
            n=$((n+1)); done >&3"#
    );
    let spec = CommandSpec::new(["sh", "-c", &script]);
    let mill = Mill::builder(&db).kind("k", KindSettings::default(), spec).start();
    let id = db.enqueue(job("k")).await;
    until_state(&db, id, "completed").await;
    assert_eq!(stored(&db, id).await, said(&["spawned"]));
    mill.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn calls_of_a_handler_keep_their_order() {
    let db = Db::new().await;
    let mill = Mill::builder(&db)
        .handler("k", |context: Context| async move {
            for n in 1..=ROUNDS {
                context.event("reported", json!({ "n": n })).await;
                context.step(&format!("s{n}"), || async { Ok::<Value, JobError>(json!(n)) }).await?;
                #[expect(clippy::cast_precision_loss, reason = "it is small")]
                context.progress(n as f64, "x").await;
                context.save_cursor(&format!("c{n}"), &n).await?;
                context.log(&format!("line {n}")).await;
                context.spawn(&format!("child-{n}"), &job("other")).await?;
                assert!(context.extend(std::time::Duration::from_secs(1)).await);
            }
            ok(None)
        })
        .start();
    let id = db.enqueue(job("k")).await;
    until_state(&db, id, "completed").await;
    assert_eq!(stored(&db, id).await, said(&[]));
    mill.stop().await;
}
