//! Promise 11 through a real PgBouncer in transaction mode: everything works, with and without a direct
//! connection to listen on, and nothing rests on a session or stays in one.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use sqlx::{AssertSqlSafe, ConnectOptions};
use tidemill::store::db::migrate::migrate;
use tidemill::{Options, Store};
use tokio_util::sync::CancellationToken;

use crate::database::whole_life;
use crate::support::{Bouncer, Db, Mill, numbered, ok, wait_at_most, wait_for};

/// A database whose own defaults are all wrong.
async fn hostile() -> Db {
    let db = Db::new().await;
    let name: String = db.scalar("select current_database()::text").await;
    for setting in [
        "synchronous_commit = off",
        "search_path = nowhere",
        "default_transaction_isolation = serializable",
        "statement_timeout = 5000",
    ] {
        db.execute(format!("alter database {name} set {setting}")).await;
    }
    db
}

fn through(bouncer: &Bouncer, db: &Db) -> Options {
    Options { url: bouncer.url(&db.options().url), pgbouncer: true, ..db.options() }
}

/// What a stranger finds in the sessions of a pooler with one server connection.
async fn left_behind(options: &Options) -> String {
    let connect: sqlx::postgres::PgConnectOptions = options.url.parse().unwrap();
    let mut stranger = connect.extra_float_digits(None).connect().await.unwrap();
    let found = "select concat_ws(' ',
           (select count(*) from pg_prepared_statements),
           (select count(*) from pg_listening_channels()),
           (select count(*) from pg_locks where locktype = 'advisory' and pid = pg_backend_pid()),
           current_setting('search_path'),
           current_setting('synchronous_commit'))";
    let row = sqlx::Executor::fetch_one(&mut stranger, sqlx::raw_sql(found)).await.unwrap();
    sqlx::Row::get(&row, 0)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pgbouncer_a_worker_runs_jobs_and_streams_their_progress() {
    let db = hostile().await;
    let bouncer = Bouncer::before(&db.options().url, 4);
    whole_life::live(&db, through(&bouncer, &db)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pgbouncer_with_a_direct_connection_to_listen_on() {
    let db = hostile().await;
    let bouncer = Bouncer::before(&db.options().url, 4);
    let options = Options { listen_url: Some(db.options().url), ..through(&bouncer, &db) };
    let store = Store::connect(options.clone()).unwrap();
    let wakes = store.listen(CancellationToken::new());
    wait_for("the listener receives notifications that were sent through the pooler", || async {
        wakes.is_healthy().then_some(())
    })
    .await;
    whole_life::live(&db, options).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pgbouncer_with_four_connections_runs_every_job_once() {
    const JOBS: i64 = 2_000;
    let db = hostile().await;
    let bouncer = Bouncer::before(&db.options().url, 4);
    let runs: Arc<Vec<AtomicUsize>> = Arc::new((0..JOBS).map(|_| AtomicUsize::new(0)).collect());
    let start = || {
        let runs = runs.clone();
        Mill::builder(&Store::connect(through(&bouncer, &db)).unwrap())
            .slots(50)
            .handler("k", move |context| {
                let runs = runs.clone();
                async move {
                    let n = usize::try_from(context.args()["n"].as_i64().unwrap()).unwrap();
                    runs[n].fetch_add(1, Ordering::SeqCst);
                    context.progress(100.0, "done").await;
                    ok(None)
                }
            })
            .start()
    };
    let mills = [start(), start()];
    let producer = Store::connect(through(&bouncer, &db)).unwrap();
    let jobs: Vec<_> = (0..JOBS).map(|n| numbered("k", n)).collect();
    for chunk in jobs.chunks(100) {
        tidemill::store::jobs::enqueue::enqueue(
            producer.pool(),
            &producer.prepare_each(chunk).unwrap(),
            false,
        )
        .await
        .unwrap();
    }
    wait_at_most(Duration::from_secs(60), "all are done", || async {
        tokio::time::sleep(Duration::from_millis(50)).await;
        (db.count("jobs_live").await == 0).then_some(())
    })
    .await;
    for mill in mills {
        mill.stop().await;
    }
    assert!(runs.iter().all(|runs| runs.load(Ordering::SeqCst) == 1), "a job did not run exactly once");
    assert_eq!(db.count("jobs where state = 'completed' and attempt = 1").await, JOBS);
    assert_eq!(db.count("events").await, JOBS);
    let sessions = "pg_stat_activity where datname = current_database() and client_port >= 0";
    // Asked until it is so: this test's own pool may open or end a connection between the two questions.
    wait_for("no more connections than the pooler may have", || async {
        (db.count(sessions).await <= 4 + i64::from(db.pool().size())).then_some(())
    })
    .await;
    db.check_invariants().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pgbouncer_sessions_bring_nothing_and_keep_nothing() {
    let db = hostile().await;
    let bouncer = Bouncer::before(&db.options().url, 1);
    let options = through(&bouncer, &db);
    let before = left_behind(&options).await;
    assert_eq!(before, "0 0 0 nowhere off", "the database's own settings");
    let unaware = Store::connect(Options { pgbouncer: false, ..options.clone() }).unwrap();
    let refusal = unaware.ping().await.unwrap_err().to_string();
    assert!(refusal.contains("unsupported startup parameter"), "{refusal}");
    let store = Store::connect(options.clone()).unwrap();
    let setting = async |name: &str| -> String {
        let asked = AssertSqlSafe(format!("select current_setting('{name}')"));
        sqlx::query_scalar(asked).fetch_one(store.pool()).await.unwrap()
    };
    assert_eq!(setting("synchronous_commit").await, "on");
    assert_eq!(setting("search_path").await, "tidemill");
    assert_eq!(setting("transaction_isolation").await, "read committed");
    assert_eq!(setting("statement_timeout").await, "30s");
    let wakes = store.listen(CancellationToken::new());
    let jobs = store.prepare_each(&[numbered("k", 1)]).unwrap();
    let id = tidemill::store::jobs::enqueue::enqueue(store.pool(), &jobs, false).await.unwrap()[0].id;
    let document = store.find_job(id).await.unwrap().expect("the enqueue committed");
    assert_eq!(document.state.word(), "available");
    sqlx::query("select 1 / 0").execute(store.pool()).await.unwrap_err();
    let twice = tokio::join!(store.find_job(id), store.find_job(id));
    assert!(twice.0.unwrap().is_some() && twice.1.unwrap().is_some());
    assert!(!wakes.is_healthy(), "it cannot hear");
    assert_eq!(left_behind(&options).await, before);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pgbouncer_migrations_work_without_a_session() {
    let db = Db::empty().await;
    let bouncer = Bouncer::before(&db.options().url, 2);
    let options = through(&bouncer, &db);
    let mut racers = tokio::task::JoinSet::new();
    for _ in 0..4 {
        let options = options.clone();
        racers.spawn(async move { migrate(&options).await });
    }
    for outcome in racers.join_all().await {
        outcome.unwrap();
    }
    let pinned =
        "select string_agg(concat_ws(' ', proname, proconfig), ';' order by proname, oid) from pg_proc
                  where pronamespace = 'tidemill'::regnamespace";
    let expected: String = Db::new().await.scalar(pinned).await;
    assert_eq!(db.scalar::<String>(pinned).await, expected);
    let store = Store::connect(options.clone()).unwrap();
    store.check_schema().await.unwrap();
    store.ensure_partitions().await.unwrap();
    assert_eq!(
        db.count(
            "pg_locks where locktype = 'advisory'
        and database = (select oid from pg_database where datname = current_database())"
        )
        .await,
        0
    );
    assert!(left_behind(&options).await.starts_with("0 0 0 "), "something stays in a session");
    migrate(&db.options()).await.expect("a direct one finds the same and nothing locked");
}
