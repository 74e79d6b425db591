//! Replication: a publication of all tables stands in no statement's way, and what would is named.

use std::time::Duration;

use tidemill::NewJob;

use crate::support::cluster::{Cluster, programs, psql};
use crate::support::{Db, Mill, job, ok, options, wait_for};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn everything_goes_on_under_a_publication_of_all_tables() {
    let server = Cluster::start(programs(), &["wal_level=logical"]);
    psql(&server.url("postgres"), &["create database jobs"]);
    let options = options(server.url("jobs"));
    tidemill::store::db::migrate::migrate(&options).await.unwrap();
    psql(&server.url("jobs"), &["create publication cdc for all tables"]);
    let store = tidemill::Store::connect(options).unwrap();
    let mill = Mill::builder(&store)
        .handler("fails", |_| async { Err(tidemill::JobError::permanent("no")) })
        .handler("k", |_| async { ok(None) })
        .start();
    let short = NewJob { retain: Some(Duration::from_secs(1)), ..job("k") };
    let jobs = store.prepare_each(&[job("fails"), job("k"), short]).unwrap();
    let ids: Vec<_> = tidemill::store::jobs::enqueue::enqueue(store.pool(), &jobs, false)
        .await
        .unwrap()
        .iter()
        .map(|enqueued| enqueued.id)
        .collect();
    let count = |sql: &str| {
        psql(&server.url("jobs"), &[&format!("set search_path = tidemill; select count(*) from {sql}")])
    };
    let ended = || async { (count("jobs where finished_at is not null") == "3").then_some(()) };
    wait_for("all end", ended).await;
    mill.stop().await;
    for verb in ["select retry($$ID$$)", "select cancel($$ID$$)", "select delete_job($$ID$$)"] {
        psql(&server.url("jobs"), &["set search_path = tidemill", &verb.replace("ID", &ids[0].to_string())]);
    }
    store.aggregate_stats().await.unwrap();
    store.aggregate_failures().await.unwrap();
    assert_eq!((count("stats_deltas").as_str(), count("failure_deltas").as_str()), ("0", "0"));
    psql(
        &server.url("jobs"),
        &["update tidemill.jobs set retain_until = now() - interval '1 s' where finished_at is not null"],
    );
    assert!(store.prune().await.unwrap() >= 1);
    store.close().await;
}

#[tokio::test]
async fn a_published_table_without_an_identity_is_named() {
    let db = Db::new().await;
    db.execute("create publication p for all tables").await;
    let named = async || -> Vec<String> {
        let findings = db.doctor().await.unwrap();
        findings.into_iter().filter(|found| found.check == "replication").map(|found| found.message).collect()
    };
    assert!(named().await.is_empty(), "{:?}", named().await);
    db.execute("alter table stats_deltas replica identity nothing").await;
    let found = named().await;
    assert!(found.len() == 1 && found[0].contains("stats_deltas"), "{found:?}");
    // Waiting does not help, and no caller is asked to.
    let refused = sqlx::query("delete from stats_deltas").execute(db.pool()).await;
    if let Err(error) = refused {
        assert!(!tidemill::store::Error::from(error).is_transient());
    }
}
