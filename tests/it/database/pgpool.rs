//! A proxy that never commits what it answers as done is refused before anything is stored through it: a real pgpool-II
//! in raw mode is one, and in its usual mode it is none.

use tidemill::store::db::migrate::migrate;
use tidemill::{Options, Store};

use crate::database::whole_life;
use crate::support::{Bouncer, Db, Pgpool, numbered};

fn through(pgpool: &Pgpool, db: &Db) -> Options {
    Options { url: pgpool.url(&db.options().url), ..db.options() }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pgpool_in_raw_mode_is_refused_by_whatever_would_write() {
    let db = Db::new().await;
    let pgpool = Pgpool::before(&db.options().url, "raw");
    let options = through(&pgpool, &db);
    let refused = |error: tidemill::store::Error| {
        assert!(!error.is_transient(), "{error}");
        let message = error.to_string();
        assert!(message.contains("raw mode") && message.contains("streaming_replication"), "{message}");
    };
    refused(migrate(&options).await.unwrap_err());
    let store = Store::connect(options).unwrap();
    refused(store.check_schema().await.unwrap_err());
    for _ in 0..3 {
        let jobs = store.prepare_each(&[numbered("k", 1)]).unwrap();
        refused(tidemill::store::jobs::enqueue::enqueue(store.pool(), &jobs, false).await.unwrap_err());
    }
    refused(store.pool().begin().await.unwrap_err().into());
    store.close().await;
    assert_eq!(db.count("jobs").await, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pgpool_in_its_usual_mode_serves_a_whole_life() {
    let db = Db::new().await;
    let pgpool = Pgpool::before(&db.options().url, "streaming_replication");
    migrate(&through(&pgpool, &db)).await.unwrap();
    whole_life::live(&db, through(&pgpool, &db)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pgbouncer_in_session_mode_serves_a_whole_life() {
    let db = Db::new().await;
    let bouncer = Bouncer::in_session_mode(&db.options().url, 40);
    let options = Options { url: bouncer.url(&db.options().url), pgbouncer: true, ..db.options() };
    whole_life::live(&db, options).await;
}
