//! Postgres goes and comes back under load: nothing acknowledged is lost, nothing is finished twice.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tidemill::embedded::{EmbeddedPostgres, Settings};
use tidemill::store::db::migrate::migrate;
use tidemill::store::jobs::enqueue::enqueue;
use tidemill::{KindSettings, Store};
use tokio::task::JoinHandle;
use uuid::Uuid;

use crate::support::{Db, Mill, MillBuilder, numbered, ok, options, wait_at_most, wait_for};

const TIMEOUT: Duration = Duration::from_secs(60);

/// Enqueues one job after the other until it is stopped; returns those that were acknowledged.
fn produce(store: Store, stop: Arc<AtomicBool>) -> JoinHandle<Vec<Uuid>> {
    tokio::spawn(async move {
        let mut acknowledged = Vec::new();
        while !stop.load(Ordering::SeqCst) {
            let jobs: Vec<_> = (0..5).map(|n| numbered("k", n)).collect();
            if let Ok(made) = enqueue(store.pool(), &store.prepare_each(&jobs).unwrap(), false).await {
                acknowledged.extend(made.iter().map(|made| made.id));
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        acknowledged
    })
}

fn worker(store: &Store) -> MillBuilder {
    let mut settings = KindSettings::default();
    settings.backoff.first = Duration::from_millis(50);
    Mill::builder(store)
        .settings(|settings| {
            settings.lease_ttl = Duration::from_secs(3);
            settings.heartbeat = Duration::from_millis(500);
        })
        .handler_with("k", settings, |context| async move {
            context.log("one").await;
            context.progress(50.0, "two").await;
            ok(context.args()["n"].clone())
        })
}

/// Sweeps until all that was acknowledged is completed, and checks that nothing is odd.
async fn settle(store: &Store, acknowledged: &[Uuid]) {
    let live = || async {
        let _ = store.sweep().await;
        let left: Result<i64, _> =
            sqlx::query_scalar("select count(*) from jobs_live").fetch_one(store.pool()).await;
        (left.ok() == Some(0)).then_some(())
    };
    wait_at_most(TIMEOUT, "all jobs are finished", live).await;
    let completed: i64 =
        sqlx::query_scalar("select count(*) from jobs where id = any($1) and state = 'completed'")
            .bind(acknowledged)
            .fetch_one(store.pool())
            .await
            .unwrap();
    assert_eq!(usize::try_from(completed).unwrap(), acknowledged.len(), "acknowledged jobs were lost");
    let gaps: i64 = sqlx::query_scalar(
        "select count(*) from (
           select p.job_id from progress p left join events e on e.job_id = p.job_id
           group by p.job_id, p.last_seq having count(e.seq) <> p.last_seq or max(e.seq) <> p.last_seq) g",
    )
    .fetch_one(store.pool())
    .await
    .unwrap();
    assert_eq!(gaps, 0, "event numbers with gaps");
    let twice: i64 = sqlx::query_scalar("select count(*) - count(distinct id) from jobs")
        .fetch_one(store.pool())
        .await
        .unwrap();
    assert_eq!(twice, 0, "jobs that finished twice");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn g7_every_connection_cut_again_and_again_loses_nothing() {
    let db = Db::new().await;
    let stop = Arc::new(AtomicBool::new(false));
    let producer = produce(db.another_store(), stop.clone());
    let worker_store = db.another_store();
    let mill = worker(&worker_store).start();
    let mut surgeon = db.connect().await;
    for round in 1..=8 {
        wait_for("more jobs are done", || async {
            let done: Option<i64> =
                sqlx::query_scalar("select count(*) from jobs where finished_at is not null")
                    .fetch_one(db.pool())
                    .await
                    .ok();
            (done? >= round * 25).then_some(())
        })
        .await;
        sqlx::query(
            "select pg_terminate_backend(pid) from pg_stat_activity
             where datname = current_database() and pid <> pg_backend_pid()",
        )
        .execute(&mut surgeon)
        .await
        .unwrap();
    }
    stop.store(true, Ordering::SeqCst);
    let acknowledged = producer.await.unwrap();
    settle(&db, &acknowledged).await;
    mill.stop().await;
    db.check_invariants().await;
}

/// What a handler must have stored before it goes on is asked for until it is: an outage costs no attempt.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn checkpoints_are_stored_however_often_the_connections_are_cut() {
    const STEPS: u32 = 60;
    let db = Db::new().await;
    let worker_store = db.another_store();
    let mill = Mill::builder(&worker_store)
        .handler("k", |context| async move {
            for step in 0..STEPS {
                context.step(&format!("step-{step}"), || async { Ok(step) }).await?;
                context.save_cursor("cursor", &step).await?;
                let child = tidemill::NewJob::new("child", serde_json::Map::new());
                context.spawn(&format!("child-{step}"), &child).await?;
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            ok(serde_json::json!(context.cursor::<u32>("cursor").await?))
        })
        .start();
    let id = db.enqueue(tidemill::NewJob { max_attempts: Some(1), ..crate::support::job("k") }).await;
    let mut surgeon = db.connect().await;
    let began = std::time::Instant::now();
    loop {
        sqlx::query(
            "select pg_terminate_backend(pid) from pg_stat_activity
             where datname = current_database() and pid <> pg_backend_pid()",
        )
        .execute(&mut surgeon)
        .await
        .unwrap();
        let over = "select count(*) from jobs where kind = 'k' and finished_at is not null";
        let over: i64 = sqlx::query_scalar(over).fetch_one(&mut surgeon).await.unwrap();
        if over == 1 {
            break;
        }
        assert!(began.elapsed() < TIMEOUT, "the job ends");
        tokio::time::sleep(Duration::from_millis(150)).await;
    }
    let job = db.another_store().find_job(id).await.unwrap().unwrap();
    assert_eq!((job.status.as_str(), job.attempt), ("completed", 1), "{:?}", job.error);
    assert_eq!(
        db.count(&format!("steps where job_id = '{id}' and name like 'step-%'")).await,
        i64::from(STEPS)
    );
    assert_eq!(db.count("jobs where kind = 'child'").await, i64::from(STEPS));
    mill.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn d7_a_postgres_that_is_killed_and_comes_back_loses_nothing() {
    let folder = tempfile::Builder::new().prefix("outage-").tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    std::os::unix::fs::chown(folder.path(), None, None).unwrap();
    let mut postgres = start(folder.path()).await;
    let options = options(postgres.url().to_owned());
    migrate(&options).await.unwrap();
    let store = Store::connect(options.clone()).unwrap();
    let stop = Arc::new(AtomicBool::new(false));
    let producer = produce(Store::connect(options).unwrap(), stop.clone());
    let mill = worker(&store).start();
    for round in 1..=2 {
        wait_for("more jobs are done", || async {
            let done: Option<i64> =
                sqlx::query_scalar("select count(*) from jobs where finished_at is not null")
                    .fetch_one(store.pool())
                    .await
                    .ok();
            (done? >= round * 25).then_some(())
        })
        .await;
        let pid = nix::unistd::Pid::from_raw(postgres.postmaster_pid());
        let signal = if round == 2 { nix::sys::signal::SIGKILL } else { nix::sys::signal::SIGQUIT };
        nix::sys::signal::kill(pid, signal).unwrap();
        postgres.ended().await;
        postgres.restart().await.unwrap();
        assert_eq!(postgres.url(), store.options().url, "the port moved; this test needs it to stay");
    }
    stop.store(true, Ordering::SeqCst);
    let acknowledged = producer.await.unwrap();
    settle(&store, &acknowledged).await;
    mill.stop().await;
    store.close().await;
    postgres.stop().await.unwrap();
}

async fn start(folder: &Path) -> EmbeddedPostgres {
    // `durable` is what decides here: without it a kill may lose commits.
    EmbeddedPostgres::start(Settings::new(folder.join("data"))).await.unwrap()
}
