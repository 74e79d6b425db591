//! Promise 11 with NOTIFY cut off: a worker, a cancel and a stream work by polling alone.

use tidemill::{Options, Store};
use tokio_util::sync::CancellationToken;

use crate::database::whole_life;
use crate::support::{Db, Proxy};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn notify_cut_off_a_worker_runs_jobs_and_streams_their_progress() {
    let db = Db::new().await;
    let proxy = Proxy::before(&db.options().url).await;
    proxy.refuse();
    let options = Options { listen_url: Some(proxy.url(&db.options().url)), ..db.options() };
    let wakes = Store::connect(options.clone()).unwrap().listen(CancellationToken::new());
    whole_life::live(&db, options).await;
    assert!(!wakes.is_healthy(), "it was heard");
}
