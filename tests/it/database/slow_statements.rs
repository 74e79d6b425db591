//! A statement that takes long is no dead connection: neither where many wait for a place in the pool, nor where the
//! server shows little of what its sessions do.

use std::time::Duration;

use tidemill::{Options, Store};
use tokio::task::JoinSet;

use crate::support::Db;

/// Runs a statement for longer than silence is thought nothing of.
async fn outlasts_silence(store: &Store) {
    let done: sqlx::Result<i32> =
        sqlx::query_scalar("select 1 from pg_sleep(2.5)").fetch_one(store.pool()).await;
    assert_eq!(done.unwrap(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_caller_that_waits_for_the_pool_is_not_cut_off() {
    let db = Db::new().await;
    let store = Store::connect(Options { max_connections: 4, ..db.options() }).unwrap();
    let mut waiting = JoinSet::new();
    for _ in 0..12 {
        let store = store.clone();
        waiting.spawn(async move {
            let mut transaction = store.pool().begin().await?;
            sqlx::query("select pg_sleep(0.2)").execute(transaction.connection()).await?;
            transaction.commit().await
        });
    }
    for outcome in waiting.join_all().await {
        outcome.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_role_that_the_login_takes_by_itself_hides_no_statement() {
    let db = Db::new().await;
    let (owner, login) = (format!("{}_owner", db.name()), format!("{}_login", db.name()));
    db.execute(format!(
        "create role {owner} nologin;
         create role {login} login password 'secret' in role {owner};
         grant tidemill_admin, tidemill_worker to {owner};
         alter role {login} set role {owner}"
    ))
    .await;
    let mut url = url::Url::parse(&db.options().url).unwrap();
    url.set_username(&login).unwrap();
    url.set_password(Some("secret")).unwrap();
    let store = Store::connect(Options { url: url.into(), ..db.options() }).unwrap();
    let taken: String =
        sqlx::query_scalar("select current_user::text").fetch_one(store.pool()).await.unwrap();
    assert_eq!(taken, owner);
    outlasts_silence(&store).await;
    store.close().await;
    db.execute(format!("drop owned by {owner}, {login}; drop role {login}, {owner}")).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_tracks_no_activities_cuts_nothing_off() {
    let db = Db::new().await;
    db.execute(format!("alter database {} set track_activities = off", db.name())).await;
    let store = db.another_store();
    outlasts_silence(&store).await;
    let findings = store.doctor().await.unwrap();
    assert!(findings.iter().all(|finding| finding.check != "listeners"), "{findings:?}");
    tokio::time::timeout(Duration::from_secs(30), store.close()).await.unwrap();
}
