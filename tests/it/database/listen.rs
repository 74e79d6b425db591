//! Listen and notify: hints arrive, their loss is reported, and a dead connection is noticed in seconds.

use std::time::Duration;

use tidemill::store::db::listener::{Wake, Wakes};
use tidemill::store::db::notifier::Notifier;
use tidemill::store::db::queue_listeners::{EVERY_QUEUE, QueueListener};
use tidemill::{Options, Store};
use tokio::sync::broadcast::Receiver;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::support::{DEADLINE, Db, Proxy, job, wait_at_most, wait_for};

async fn healthy(wakes: &Wakes) {
    wait_for("the listener is healthy", || async { wakes.is_healthy().then_some(()) }).await;
}

/// As a worker of every queue does; otherwise no enqueue notifies.
async fn await_jobs(db: &Db) {
    let listener = QueueListener::new("test".to_owned());
    assert!(listener.listen(&db.store, &[EVERY_QUEUE.to_owned()]).await.unwrap());
}

async fn hear(heard: &mut Receiver<Wake>, wanted: Wake) {
    let found = async { while heard.recv().await.expect("the listener runs") != wanted {} };
    tokio::time::timeout(DEADLINE, found).await.unwrap_or_else(|_| panic!("{wanted:?} was not heard"));
}

async fn kill_listener(db: &Db) {
    let killed: i64 = db
        .scalar(
            "select count(pg_terminate_backend(pid)) from pg_stat_activity
             where datname = current_database() and query ilike 'listen%'",
        )
        .await;
    assert_eq!(killed, 1);
}

#[tokio::test]
async fn verbs_called_from_sql_wake_whoever_listens() {
    let db = Db::new().await;
    await_jobs(&db).await;
    let wakes = db.listen(CancellationToken::new());
    let mut heard = wakes.subscribe();
    healthy(&wakes).await;
    let mut transaction = db.pool().begin().await.unwrap();
    let id = tidemill::enqueue_in(&mut *transaction, &db.store, &job("k")).await.unwrap();
    transaction.commit().await.unwrap();
    hear(&mut heard, Wake::Queue("default".into())).await;
    db.claim_one().await;
    db.cancel(id, None, "me").await.unwrap();
    hear(&mut heard, Wake::Event(id, 1)).await;
    hear(&mut heard, Wake::Cancel(id)).await;
    db.set_slots("default", Some(3)).await.unwrap();
    hear(&mut heard, Wake::Settings).await;
    db.resume_queue("default").await.unwrap();
    hear(&mut heard, Wake::Queue("default".into())).await;
}

#[tokio::test]
async fn each_hint_of_sql_is_read() {
    let db = Db::new().await;
    await_jobs(&db).await;
    let wakes = db.listen(CancellationToken::new());
    let mut heard = wakes.subscribe();
    healthy(&wakes).await;
    let id = uuid::Uuid::new_v4();
    for (call, wake) in [
        ("notify_queue('a')".to_owned(), Wake::Queue("a".into())),
        ("notify_queue('a', true)".to_owned(), Wake::Group("a".into())),
        ("notify_capacity()".to_owned(), Wake::Capacity),
        (format!("notify_cancel('{id}')"), Wake::Cancel(id)),
        (format!("notify_event('{id}', 7)"), Wake::Event(id, 7)),
        (format!("notify_event('{id}')"), Wake::Event(id, 0)),
        ("notify_dependents()".to_owned(), Wake::Dependents),
        ("notify_settings()".to_owned(), Wake::Settings),
    ] {
        db.execute(format!("select {call}")).await;
        hear(&mut heard, wake).await;
    }
    let functions = db.count("pg_proc where proname like 'notify\\_%' and prosrc like '%pg_notify%'").await;
    assert_eq!(functions, 6, "a new topic belongs into this test");
}

#[tokio::test]
async fn a_rolled_back_enqueue_wakes_nobody() {
    let db = Db::new().await;
    await_jobs(&db).await;
    let wakes = db.listen(CancellationToken::new());
    let mut heard = wakes.subscribe();
    healthy(&wakes).await;
    for (queue, commit) in [("rolled-back", false), ("committed", true)] {
        let mut transaction = db.pool().begin().await.unwrap();
        let new_job = tidemill::NewJob { queue: Some(queue.into()), ..job("k") };
        tidemill::enqueue_in(&mut *transaction, &db.store, &new_job).await.unwrap();
        if commit { transaction.commit().await } else { transaction.rollback().await }.unwrap();
    }
    let first = async {
        loop {
            if let Wake::Queue(queue) = heard.recv().await.unwrap() {
                return queue;
            }
        }
    };
    assert_eq!(tokio::time::timeout(DEADLINE, first).await.unwrap(), "committed");
}

#[tokio::test]
async fn what_one_process_says_another_hears() {
    let db = Db::new().await;
    let wakes = db.listen(CancellationToken::new());
    let mut heard = wakes.subscribe();
    healthy(&wakes).await;
    let speaker = Notifier::default();
    let stop = CancellationToken::new();
    let speaking = tokio::spawn(speaker.clone().run(db.another_store(), stop.clone()));
    let id = Uuid::now_v7();
    speaker.queues(["a b", "ü"]);
    speaker.events([(id, 7), (id, 5)]);
    hear(&mut heard, Wake::Queue("ü".into())).await;
    hear(&mut heard, Wake::Event(id, 7)).await;
    speaker.events((0..1_000).map(|_| (Uuid::now_v7(), 1)));
    hear(&mut heard, Wake::AllEvents).await;
    speaker.events([(id, 0)]);
    stop.cancel();
    speaking.await.unwrap();
    // What was said before the end is still sent.
    hear(&mut heard, Wake::Event(id, 0)).await;
}

#[tokio::test]
async fn after_a_lost_connection_it_says_what_was_missed_and_hears_again() {
    let db = Db::new().await;
    await_jobs(&db).await;
    let wakes = db.listen(CancellationToken::new());
    let mut heard = wakes.subscribe();
    healthy(&wakes).await;
    for _ in 0..3 {
        while heard.try_recv().is_ok() {}
        kill_listener(&db).await;
        hear(&mut heard, Wake::Missed).await;
        healthy(&wakes).await;
        db.execute("select notify_queue('again')").await;
        hear(&mut heard, Wake::Queue("again".into())).await;
    }
}

#[tokio::test]
async fn g7_a_half_open_connection_is_noticed_within_seconds() {
    let db = Db::new().await;
    let proxy = Proxy::before(&db.options().url).await;
    let listen_url = Some(proxy.url(&db.options().url));
    let store = Store::connect(Options { listen_url, ..db.options() }).unwrap();
    notices_and_recovers(&store, &proxy).await;
}

#[tokio::test]
async fn g7_so_is_a_network_that_swallows_everything() {
    let db = Db::new().await;
    let proxy = Proxy::before(&db.options().url).await;
    let store = Store::connect(Options { url: proxy.url(&db.options().url), ..db.options() }).unwrap();
    notices_and_recovers(&store, &proxy).await;
}

async fn notices_and_recovers(store: &Store, proxy: &Proxy) {
    let wakes = store.listen(CancellationToken::new());
    let mut heard = wakes.subscribe();
    healthy(&wakes).await;
    while heard.try_recv().is_ok() {}
    proxy.black_hole();
    let deaf = || async { (!wakes.is_healthy()).then_some(()) };
    wait_at_most(Duration::from_secs(15), "the dead connection is noticed", deaf).await;
    // Connections made from now on work, the old ones stay dead for ever.
    proxy.heal_for_new();
    hear(&mut heard, Wake::Missed).await;
    healthy(&wakes).await;
}

#[tokio::test]
async fn a_listener_that_is_stopped_releases_its_connection() {
    let db = Db::new().await;
    let stop = CancellationToken::new();
    let wakes = db.listen(stop.clone());
    healthy(&wakes).await;
    stop.cancel();
    wait_for("the connection is closed", || async {
        let left =
            db.count("pg_stat_activity where datname = current_database() and query ilike 'listen%'").await;
        (left == 0).then_some(())
    })
    .await;
    assert!(!wakes.is_healthy(), "it says that it hears, but it does not");
}
