//! Who is notified when a queue gets a job: only who waits for it; and nobody misses a job for that.

use std::time::Duration;

use tidemill::NewJob;
use tidemill::store::db::listener::Wake;
use tidemill::store::db::queue_listeners::QueueListener;
use tokio_util::sync::CancellationToken;

use crate::support::{DEADLINE, Db, Mill, job, numbered, ok, wait_for};

/// Whether an enqueue into `q` notifies: what is heard before a mark that is sent after it.
async fn is_notified(db: &Db, enqueue: &str) -> bool {
    let stop = CancellationToken::new();
    let wakes = db.listen(stop.clone());
    let mut heard = wakes.subscribe();
    wait_for("the listener is healthy", || async { wakes.is_healthy().then_some(()) }).await;
    db.execute(enqueue).await;
    db.execute("select notify_dependents()").await;
    let mut notified = false;
    loop {
        match tokio::time::timeout(DEADLINE, heard.recv()).await.unwrap().unwrap() {
            Wake::Queue(queue) | Wake::Group(queue) if queue == "q" => notified = true,
            Wake::Dependents => break,
            _ => {}
        }
    }
    stop.cancel();
    notified
}

#[tokio::test]
async fn an_enqueue_notifies_only_who_waits_for_its_queue() {
    let db = Db::new().await;
    let cases = [
        ("nobody", "", false),
        ("another queue", "('a', 'other', false)", false),
        ("this queue", "('a', 'q', false)", true),
        ("every queue", "('a', '*', false)", true),
        ("this queue, but looks by itself", "('a', 'q', true)", false),
        ("every queue, but looks at this one by itself", "('a', '*', false), ('a', 'q', true)", false),
        ("every queue, and looks at another one by itself", "('a', '*', false), ('a', 'other', true)", true),
        ("one looks by itself, another waits", "('a', 'q', true), ('b', 'q', false)", true),
        (
            "one looks by itself, another waits for all",
            "('a', '*', false), ('a', 'q', true), ('b', '*', false)",
            true,
        ),
    ];
    for (who, rows, expected) in cases {
        db.execute("truncate queue_listeners").await;
        if !rows.is_empty() {
            db.execute(format!("insert into queue_listeners (listener, queue, is_busy) values {rows}")).await;
        }
        for enqueue in [
            "select enqueue('k', queue => 'q')",
            "select enqueue('k', queue => 'q', fair_key => 'tenant')",
            "select enqueue_many('[{\"kind\": \"k\", \"queue\": \"q\"}]')",
            "select enqueue_many('[{\"kind\": \"k\", \"queue\": \"q\"}, {\"kind\": \"k\", \"queue\": \"q\"}]')",
        ] {
            assert_eq!(is_notified(&db, enqueue).await, expected, "{who}: {enqueue}");
        }
        assert_eq!(db.scalar::<bool>("select has_listener('q')").await, expected, "{who}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_waits_for_its_queues_until_it_ends() {
    let db = Db::new().await;
    let mill = Mill::builder(&db).handler("k", |_| async { ok(None) }).start();
    wait_for("it waits", || async {
        db.scalar::<bool>("select has_listener('default')").await.then_some(())
    })
    .await;
    mill.stop().await;
    assert_eq!(db.count("queue_listeners").await, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_saturated_worker_wants_no_notification_and_misses_no_job_when_it_waits_again() {
    let db = Db::new().await;
    let mill = Mill::builder(&db)
        // Only a notification can help in time.
        .settings(|settings| settings.poll = Duration::from_mins(10))
        .slots(4)
        .handler("k", |context| async move {
            tokio::time::sleep(Duration::from_millis(context.args()["n"].as_u64().unwrap_or(0))).await;
            ok(None)
        })
        .start();
    for round in 0..2 {
        let jobs: Vec<NewJob> = (0..1_200).map(|_| numbered("k", 5)).collect();
        db.enqueue_all(&jobs).await;
        db.execute("select notify_queue('default')").await;
        wait_for("it is busy", || async {
            (db.count("queue_listeners where is_busy").await == 1).then_some(())
        })
        .await;
        wait_for("it waits again", || async {
            (db.count("queue_listeners where is_busy").await == 0).then_some(())
        })
        .await;
        wait_for("all are done", || async { (db.count("jobs_live").await == 0).then_some(()) }).await;
        let id: uuid::Uuid = db.scalar("select enqueue('k')").await;
        wait_for("a job is started at once", || async { (db.state(id).await == "completed").then_some(()) })
            .await;
        assert_eq!(db.count("jobs where state = 'completed'").await, (round + 1) * 1_201);
    }
    mill.stop().await;
}

#[tokio::test]
async fn rows_of_who_died_are_removed_and_a_living_listener_writes_its_rows_again() {
    let db = Db::new().await;
    let (dead, alive) = (QueueListener::new("dead".to_owned()), QueueListener::new("alive".to_owned()));
    let queues = ["a".to_owned(), "b".to_owned()];
    for listener in [&dead, &alive] {
        assert!(listener.listen(&db.store, &queues).await.unwrap());
        assert!(!listener.listen(&db.store, &queues).await.unwrap(), "it has listened before");
    }
    db.execute("update queue_listeners set seen_at = now() - interval '4 minutes' where listener = 'dead'")
        .await;
    db.enqueue(job("k")).await;
    db.prune().await.unwrap();
    assert_eq!(
        db.rows::<(String, String)>("select listener, queue from queue_listeners order by queue").await,
        [("alive".to_owned(), "a".to_owned()), ("alive".to_owned(), "b".to_owned())]
    );
    alive.set_busy(&db.store, "a", true).await.unwrap();
    alive.leave(&db.store).await.unwrap();
    assert!(alive.listen(&db.store, &queues).await.unwrap());
    assert_eq!(db.count("queue_listeners where listener = 'alive' and not is_busy").await, 2);
}
