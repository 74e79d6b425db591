//! Bounded queues: never more jobs waiting than allowed, under any race; free capacity after every way out; whole batches,
//! workflows, keys and schedules; and free of cost for other queues.

use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use serde_json::{Value, json};
use tidemill::store::jobs::enqueue::{InsertOutcome, enqueue};
use tidemill::{KindSettings, NewJob, enqueue_when_space};
use tokio::task::JoinSet;

use crate::api::server::{Server, on_a_server, until};
use crate::support::{Db, Mill, job, ok, wait_for};

fn into(queue: &str) -> NewJob {
    NewJob { queue: Some(queue.into()), ..job("k") }
}

async fn waiting(db: &Db) -> i64 {
    db.count("jobs_live where queue = 'q' and state in ('available', 'waiting')").await
}

/// Waits until the queue takes a job again.
async fn takes(db: &Db) {
    wait_for("room", || async {
        (db.enqueue_all(&[into("q")]).await[0].outcome == InsertOutcome::Created).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn racing_enqueues_never_exceed_the_bound_and_fill_it() {
    let db = Db::new().await;
    db.set_max_queued("q", Some(50)).await.unwrap();
    for round in 0..10 {
        let mut racers = JoinSet::new();
        for n in 0..8 {
            let store = db.another_store();
            racers.spawn(async move {
                let jobs: Vec<_> = (0..=n).map(|_| into("q")).collect();
                let made = enqueue(store.pool(), &store.prepare_each(&jobs).unwrap(), false).await.unwrap();
                made.iter().filter(|made| made.outcome == InsertOutcome::Created).count()
            });
        }
        let claimed = db.claim_some("q", "k", 7).await;
        let created: usize = racers.join_all().await.into_iter().sum();
        let there = waiting(&db).await;
        assert!(there <= 50, "{there} wait in round {round}");
        assert!(created <= 36 && created + claimed.len() > 0, "{created}");
        for job in &claimed {
            assert!(db.complete_one(job).await);
        }
    }
    wait_for("it is full", || async {
        let _ = db.enqueue_all(&[into("q")]).await;
        (waiting(&db).await == 50).then_some(())
    })
    .await;
    let refused = db.enqueue_all(&[into("q"), into("other")]).await;
    assert_eq!(
        [&refused[0].outcome, &refused[1].outcome],
        [&InsertOutcome::QueueFull, &InsertOutcome::Created]
    );
    assert_eq!(waiting(&db).await, 50);
    db.check_invariants().await;
}

#[tokio::test]
async fn every_way_out_frees_capacity_and_a_returning_job_is_never_refused() {
    let db = Db::new().await;
    db.set_max_queued("q", Some(2)).await.unwrap();
    let first = db.enqueue(into("q")).await;
    db.enqueue(into("q")).await;
    assert_eq!(db.enqueue_all(&[into("q")]).await[0].outcome, InsertOutcome::QueueFull);
    // Claimed.
    let claimed = db.claim_some("q", "k", 1).await;
    takes(&db).await;
    // Cancelled.
    let waits: (uuid::Uuid,) =
        db.rows("select id from jobs_live where queue = 'q' and state = 'available' limit 1").await[0];
    db.cancel(waits.0, None, "me").await.unwrap();
    takes(&db).await;
    // A failed attempt comes back into the full queue.
    db.execute(format!(
        "select settle_attempt('{}', '{}', 'failed', '{{\"message\": \"no\"}}')",
        claimed[0].id, claimed[0].lease_id
    ))
    .await;
    assert_eq!(waiting(&db).await, 3);
    assert_eq!(db.state(first).await, "available");
    assert_eq!(db.enqueue_all(&[into("q")]).await[0].outcome, InsertOutcome::QueueFull);
    // Purged, and retried by hand.
    db.purge_queue("q", "me").await.unwrap();
    takes(&db).await;
    takes(&db).await;
    db.retry(first, "me").await.unwrap();
    assert_eq!(waiting(&db).await, 3);
    // No bound.
    db.set_max_queued("q", None).await.unwrap();
    let many: Vec<_> = (0..10).map(|_| into("q")).collect();
    assert!(db.enqueue_all(&many).await.iter().all(|made| made.outcome == InsertOutcome::Created));
}

#[tokio::test]
async fn a_wrong_count_is_corrected_automatically() {
    let db = Db::new().await;
    db.set_max_queued("q", Some(3)).await.unwrap();
    db.enqueue(into("q")).await;
    db.execute(
        "update queue_capacity set free = 1000, counted_at = clock_timestamp() - interval '11 seconds'",
    )
    .await;
    let made = db.enqueue_all(&[into("q"), into("q"), into("q")]).await;
    let outcomes: Vec<_> = made.iter().map(|made| made.outcome).collect();
    assert_eq!(outcomes, [InsertOutcome::Created, InsertOutcome::Created, InsertOutcome::QueueFull]);
    // One that took room and was undone.
    db.purge_queue("q", "me").await.unwrap();
    takes(&db).await;
    db.execute("begin; select enqueue('k', queue => 'q'); rollback").await;
    takes(&db).await;
    takes(&db).await;
    assert_eq!(db.enqueue_all(&[into("q")]).await[0].outcome, InsertOutcome::QueueFull);
}

#[tokio::test]
async fn sql_says_it_clearly_and_stores_nothing() {
    let db = Db::new().await;
    db.execute("select set_max_queued('q', 1)").await;
    db.execute("select enqueue('k', queue => 'q', priority => priority_of('HIGH'))").await;
    let refusal = sqlx::query("select enqueue('k', queue => 'q')").execute(db.pool()).await.unwrap_err();
    let error = refusal.as_database_error().unwrap();
    assert_eq!(error.code().as_deref(), Some("53TM1"));
    assert!(error.message().contains("queue_full"), "{error}");
    let postgres = error.downcast_ref::<sqlx::postgres::PgDatabaseError>();
    assert!(
        postgres.hint().unwrap().contains("queue q") && postgres.hint().unwrap().ends_with("again in 1 s")
    );
    let many = r#"select enqueue_many('[{"kind": "k"}, {"kind": "k", "queue": "q", "priority": "LOW"}]')"#;
    assert!(db.refusal(many).await.contains("queue_full"));
    assert_eq!(db.count("jobs").await, 1, "all or none");
    assert_eq!(db.scalar::<i16>("select priority from jobs").await, 3);
    assert_eq!(db.count("queue_stats where queue = 'q' and max_queued = 1").await, 1);
}

#[tokio::test]
async fn the_library_waits_for_queue_capacity() {
    let db = Db::new().await;
    db.set_max_queued("q", Some(1)).await.unwrap();
    enqueue_when_space(&db.store, &into("q")).await.unwrap();
    let store = db.another_store();
    let blocked = tokio::spawn(async move { enqueue_when_space(&store, &into("q")).await });
    let given_up =
        tokio::time::timeout(Duration::from_millis(300), enqueue_when_space(&db.store, &into("q"))).await;
    assert!(given_up.is_err(), "the queue is full");
    assert!(!blocked.is_finished());
    db.claim_some("q", "k", 1).await;
    let made = tokio::time::timeout(Duration::from_secs(20), blocked).await.unwrap().unwrap().unwrap();
    assert_eq!(db.job(made).await.queue, "q");
}

#[tokio::test]
async fn a_parent_waits_for_queue_capacity_without_a_slot() {
    let db = Db::new().await;
    db.set_max_queued("q", Some(1)).await.unwrap();
    db.enqueue(into("q")).await;
    let settings = KindSettings::default();
    let mill = Mill::builder(&db.store)
        .slots(1)
        .handler_with("parent", settings, |context| async move {
            let child = context.spawn("one", &into("q")).await?;
            ok(json!(child))
        })
        .start();
    let parent = db.enqueue(NewJob { max_attempts: Some(1), ..job("parent") }).await;
    wait_for("it is put off", || async {
        (db.count(&format!("events where job_id = '{parent}' and type = 'snoozed'")).await > 0).then_some(())
    })
    .await;
    db.claim_some("q", "k", 1).await;
    wait_for("it goes on", || async { (db.state(parent).await == "completed").then_some(()) }).await;
    assert_eq!(waiting(&db).await, 1);
    mill.stop().await;
}

#[tokio::test]
async fn a_schedule_slot_waits_for_queue_capacity_and_is_not_lost() {
    let db = Db::new().await;
    db.set_max_queued("q", Some(0)).await.unwrap();
    db.execute("select set_schedule('s', 'k', every => '1 hour', queue => 'q')").await;
    let fire = "update schedules set next_at = clock_timestamp() - interval '1 s';
        select fire_schedule('s', next_at, next_at + interval '1 hour', '{}') from schedules";
    let refusal = db.refusal(fire).await;
    assert!(refusal.contains("queue_full"), "{refusal}");
    assert_eq!(db.count("schedule_slots").await, 0);
    db.set_max_queued("q", Some(1)).await.unwrap();
    db.execute(fire).await;
    assert_eq!(db.count("schedule_slots where outcome = 'enqueued'").await, 1);
    assert_eq!(waiting(&db).await, 1);
}

async fn bound(server: &Server, most: Value) -> Value {
    let request =
        server.request(reqwest::Method::PATCH, "/api/v1/queues/q").json(&json!({"max_queued": most}));
    server.send(request).await.expect(200)
}

#[tokio::test]
async fn a_refused_caller_learns_when_to_retry() {
    on_a_server(|server| async move {
        bound(&server, json!(1)).await;
        server.enqueue(json!({"kind": "k", "queue": "q"})).await;
        // Twenty in four to five minutes.
        let ended = "insert into stats (minute, queue, kind, outcome, jobs)
            values (date_trunc('minute', clock_timestamp() - interval '4 minutes'), 'q', 'k', 'completed', 15),
              (date_trunc('minute', clock_timestamp() - interval '1 minute'), 'q', 'k', 'failed', 5),
              (date_trunc('minute', clock_timestamp() - interval '1 minute'), 'q', 'k', 'retried', 500),
              (date_trunc('minute', clock_timestamp() - interval '1 minute'), 'other', 'k', 'completed', 500)";
        server.sql(ended).await;
        let body = json!({"kind": "k", "queue": "q"});
        let delay = |answer: &crate::api::server::Answer| -> u64 {
            answer.headers["retry-after"].to_str().unwrap().parse().unwrap()
        };
        let refusals = [
            server.post("/api/v1/jobs", body.clone()).await,
            server.keyed("/api/v1/jobs", "key", body.clone()).await,
            server.post("/api/v1/jobs/batch", json!([{"kind": "k"}, body])).await,
            server.post("/api/v1/workflows", json!({"group": [body]})).await,
        ];
        for refused in &refusals {
            assert!((12..=15).contains(&delay(refused)), "{:?}", refused.headers);
        }
        let [.., workflow] = refusals;
        let detail = workflow.problem(429, "queue-full")["detail"].clone();
        assert!(detail.as_str().unwrap().contains("queue q"), "{detail}");
        let accepted = server.post("/api/v1/jobs/batch", json!([{"kind": "k"}])).await;
        assert!(!accepted.headers.contains_key("retry-after"));
        server.sql("select pause_queue('q')").await;
        until("a paused queue has no room soon", || async {
            delay(&server.post("/api/v1/jobs", body.clone()).await) == 60
        })
        .await;
        server.sql("select resume_queue('q')").await;
        server.sql("update stats set jobs = 100000 where queue = 'q'").await;
        until("a quick one has", || async { delay(&server.post("/api/v1/jobs", body.clone()).await) == 1 }).await;
    })
    .await;
}

#[tokio::test]
async fn rest_refuses_with_429_and_says_when_to_come_back() {
    on_a_server(|server| async move {
        assert_eq!(bound(&server, json!(2)).await["max_queued"], 2);
        let spec = json!({"kind": "k", "queue": "q", "execution_id": "mine", "priority": "CRITICAL"});
        assert_eq!(server.enqueue(spec.clone()).await["priority"], 1);
        let batch = json!([{"kind": "k", "queue": "q"}, {"kind": "k", "queue": "q"}, {"kind": "k"}, spec]);
        let answer = server.post("/api/v1/jobs/batch", batch).await.expect(202);
        let statuses: Vec<_> = answer["results"].as_array().unwrap().iter().map(|one| &one["status"]).collect();
        assert_eq!(statuses, ["created", "refused", "created", "existing"]);
        let problem = &answer["results"][1]["problem"];
        assert_eq!((&problem["status"], &problem["field"]), (&json!(429), &json!("/1/queue")));
        let body = json!({"kind": "k", "queue": "q"});
        let refused = server.post("/api/v1/jobs", body.clone()).await;
        assert_eq!(refused.headers["retry-after"], "1");
        assert_eq!(refused.problem(429, "queue-full")["field"], "/queue");
        server.keyed("/api/v1/jobs", "key", body.clone()).await.problem(429, "queue-full");
        let workflow = json!({"jobs": [{"name": "a", "kind": "k"}, {"name": "b", "kind": "k", "queue": "q", "after": ["a"]}]});
        let refused = server.post("/api/v1/workflows", workflow.clone()).await;
        assert_eq!(refused.headers["retry-after"], "1");
        refused.problem(429, "queue-full");
        bound(&server, json!(3)).await;
        server.post("/api/v1/workflows", workflow).await.expect(202);
        bound(&server, json!(null)).await;
        // The key was left free by its refusal.
        server.keyed("/api/v1/jobs", "key", body.clone()).await.expect(202);
        let request = server.request(reqwest::Method::PATCH, "/api/v1/queues/q").json(&json!({"max_queued": -1}));
        assert_eq!(server.send(request).await.problem(422, "invalid-request")["field"], "/max_queued");
        until("the queue shows it", || async {
            server.get("/api/v1/queues/q").await.expect(200)["max_queued"].is_null()
        })
        .await;
    })
    .await;
}

#[tokio::test]
async fn an_open_transaction_that_enqueues_holds_up_no_other_queue() {
    on_a_server(|server| async move {
        server.store.set_max_queued("q", Some(50)).await.unwrap();
        let mut holder = server.store.pool().begin().await.unwrap();
        sqlx::query("select enqueue('k', queue => 'q')").execute(holder.connection()).await.unwrap();
        let post = |n: usize| {
            let body = json!({"kind": "k", "queue": if n.is_multiple_of(2) { "q" } else { "other" }});
            let server = &server;
            async move { (n, server.post("/api/v1/jobs", body).await) }
        };
        let mut posts: FuturesUnordered<_> = (0..20).map(post).collect();
        for _ in 0..10 {
            let (n, answer) = posts.next().await.unwrap();
            assert_eq!((n % 2, answer.status), (1, 202), "only those of the other queue: {}", answer.body);
        }
        holder.commit().await.unwrap();
        while let Some((_, answer)) = posts.next().await {
            answer.expect(202);
        }
        assert_eq!(waiting_of(&server).await, 11);
    })
    .await;
}

#[tokio::test]
async fn a_caller_that_waits_too_long_for_capacity_is_asked_to_retry() {
    on_a_server(|server| async move {
        server.store.set_max_queued("q", Some(50)).await.unwrap();
        let mut holder = server.store.pool().begin().await.unwrap();
        sqlx::query("select enqueue('k', queue => 'q')").execute(holder.connection()).await.unwrap();
        let body = json!({"kind": "k", "queue": "q"});
        let workflow = json!({"group": [body]});
        let mix = json!([body, {"kind": "k", "queue": "other"}]);
        let (alone, keyed, workflow, batch) = tokio::join!(
            server.post("/api/v1/jobs", body.clone()),
            server.keyed("/api/v1/jobs", "key", body.clone()),
            server.post("/api/v1/workflows", workflow),
            server.post("/api/v1/jobs/batch", mix),
        );
        assert_eq!(alone.headers["retry-after"], "1");
        assert_eq!(alone.problem(503, "queue-busy")["field"], "/queue");
        keyed.problem(503, "queue-busy");
        workflow.problem(503, "unavailable");
        let results = batch.expect(202)["results"].clone();
        assert_eq!((&results[0]["status"], &results[1]["status"]), (&json!("refused"), &json!("created")));
        assert_eq!(results[0]["problem"]["field"], "/0/queue");
        holder.rollback().await.unwrap();
        server.keyed("/api/v1/jobs", "key", body).await.expect(202);
        assert_eq!(waiting_of(&server).await, 1);
    })
    .await;
}

async fn waiting_of(server: &Server) -> i64 {
    let counted = sqlx::query_scalar("select count(*) from jobs_live where queue = 'q'");
    counted.fetch_one(server.store.pool()).await.unwrap()
}
