//! Hosts: a URL that names several servers leads to the one that takes writes, from the start and behind a failover.

use std::time::Duration;

use tidemill::Store;
use tidemill::store::db::migrate::migrate;

use crate::support::cluster::{Cluster, programs, psql};
use crate::support::{Mill, job, ok, options, wait_for};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_url_of_several_servers_leads_to_the_primary_and_follows_it() {
    let primary = Cluster::start(programs(), &["wal_level=replica", "max_wal_senders=5"]);
    psql(&primary.url("postgres"), &["create database d"]);
    let standby = primary.standby();
    // One that nobody listens at comes first, then the standby.
    let hosts = format!("127.0.0.1:9,127.0.0.1:{},127.0.0.1:{}", standby.port, primary.port);
    let url = format!("postgres://tidemill@{hosts}/d?target_session_attrs=read-write");
    let all = || options(url.clone());
    migrate(&all()).await.unwrap();
    let store = Store::connect(all()).unwrap();
    store.check_schema().await.unwrap();
    let mill = Mill::builder(&store).handler("k", |_| async { ok(None) }).start();
    let runs = async |store: &Store| {
        let id = wait_for("it is taken", || async {
            let jobs = store.prepare_each(&[job("k")]).unwrap();
            let enqueued = tidemill::store::jobs::enqueue::enqueue(store.pool(), &jobs, false).await;
            enqueued.ok().map(|jobs| jobs[0].id)
        })
        .await;
        wait_for("it completes", || async {
            let found = store.find_job(id).await.ok().flatten()?;
            (found.status == "completed").then_some(())
        })
        .await;
    };
    runs(&store).await;
    let caught_up = || async {
        let lag = "select pg_last_wal_replay_lsn() >= $$".to_owned()
            + &psql(&primary.url("d"), &["select pg_current_wal_lsn()"])
            + "$$::pg_lsn";
        (psql(&standby.url("d"), &[&lag]) == "t").then_some(())
    };
    wait_for("the standby has all", caught_up).await;
    primary.crash();
    psql(&standby.url("postgres"), &["select pg_promote()"]);
    let began = std::time::Instant::now();
    runs(&store).await;
    assert!(began.elapsed() < Duration::from_secs(25), "{:?}", began.elapsed());
    mill.stop().await;
    store.close().await;
}

#[tokio::test]
async fn a_standby_alone_is_refused_in_words() {
    let primary = Cluster::start(programs(), &["wal_level=replica", "max_wal_senders=5"]);
    let standby = primary.standby();
    let url = format!("{}?target_session_attrs=read-write", standby.url("postgres"));
    let refusal = migrate(&options(url)).await.unwrap_err();
    assert!(refusal.is_transient() && refusal.to_string().contains("is a standby"), "{refusal}");
}
