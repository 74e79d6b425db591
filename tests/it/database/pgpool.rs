//! A proxy that never commits what it answers as done is refused before anything is stored through it: a real pgpool-II
//! in raw mode is one, and in its usual mode it is none.

use tidemill::store::db::migrate::migrate;
use tidemill::store::jobs::enqueue::enqueue;
use tidemill::{Options, Store};

use crate::database::whole_life;
use crate::support::{Bouncer, Db, Pgpool, numbered};

fn through(pgpool: &Pgpool, db: &Db) -> Options {
    Options { url: pgpool.url(&db.options().url), ..db.options() }
}

/// Whether this went through. A refusal names the remedy.
fn went_through<T>(outcome: Result<T, tidemill::store::Error>) -> bool {
    let Err(error) = outcome else { return true };
    assert!(!error.is_transient(), "{error}");
    let message = error.to_string();
    assert!(message.contains("raw mode") && message.contains("streaming_replication"), "{message}");
    false
}

/// Some connections of a pgpool in raw mode commit, so that they may be used. None may take a job and lose it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pgpool_in_raw_mode_is_refused_or_keeps_what_it_answered() {
    let db = Db::new().await;
    let [mut stored, mut refusals] = [0, 0];
    for _ in 0..3 {
        let pgpool = Pgpool::before(&db.options().url, "raw");
        let options = through(&pgpool, &db);
        for _ in 0..3 {
            let store = Store::connect(options.clone()).unwrap();
            let jobs = store.prepare_each(&[numbered("k", 1)]).unwrap();
            if went_through(enqueue(store.pool(), &jobs, false).await) {
                stored += 1;
            } else {
                refusals += 1;
                // Asked again, it is judged again.
                stored += i64::from(went_through(enqueue(store.pool(), &jobs, false).await));
            }
            assert_eq!(db.count("jobs").await, stored, "a job that was answered as stored is lost");
            went_through(store.check_schema().await);
            went_through(store.pool().begin().await.map_err(Into::into));
            store.close().await;
        }
        went_through(migrate(&options).await);
    }
    assert!(refusals > 0, "none of nine was refused");
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
