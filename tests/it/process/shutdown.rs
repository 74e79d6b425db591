//! Shutdown: a worker ends in bounded time, whatever the database does meanwhile.

use std::time::Duration;

use tidemill::Store;

use crate::support::{Db, Mill, Proxy, job, ok, options, wait_for};

#[tokio::test]
async fn ends_while_postgres_does_not_answer() {
    let db = Db::new().await;
    let proxy = Proxy::before(&db.options().url).await;
    let store = Store::connect(options(proxy.url(&db.options().url))).unwrap();
    let mill = Mill::builder(&store)
        .settings(|settings| settings.shutdown_timeout = Duration::from_millis(100))
        .handler("wait", |context| async move {
            context.log("waiting").await;
            context.stopped().await;
            ok(None)
        })
        .start();
    let id = db.enqueue(job("wait")).await;
    wait_for("the log line", async || (!db.event_types(id).await.is_empty()).then_some(())).await;
    proxy.black_hole();
    mill.shutdown.graceful.cancel();
    let ended = tokio::time::timeout(Duration::from_secs(60), mill.task).await;
    ended.expect("it does not wait for Postgres").unwrap().unwrap();
    assert_eq!(db.state(id).await, "running", "left to the sweep");
}
