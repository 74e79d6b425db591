//! Encryption at rest: nothing readable lies in the database, and everything works as without it.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use serde_json::{Value, json};
use tidemill::store::jobs::enqueue::enqueue;
use tidemill::vault::Keyring;
use tidemill::{Options, Store, Workflow};

use super::{api, blob_store, job, keys, with};
use crate::api::server::text;
use crate::support::{Db, Mill, ok, wait_for};

#[tokio::test]
async fn what_the_database_holds_reveals_nothing() {
    let db = Db::new().await;
    let store = with(&db, keys(&["a"]), None);
    let (server, _guard) = api(&store).await;
    let mill =
        Mill::builder(&store).handler("k", |context| async move { ok(context.args().clone()) }).start();
    let spec = json!({"kind": "k", "args": {"card": "4111-2222"}, "unique": {"args": ["card"]}, "fair_key": "u:{card}"});
    let made = server.keyed("/api/v1/jobs", "once", spec.clone()).await.expect(202);
    assert_eq!(made["args"], json!({"card": "4111-2222"}), "its caller may see it");
    let id = made["id"].clone();
    let done = server.get(&format!("/api/v1/jobs/{}/result?wait=20s", text(&id))).await.expect(200);
    assert_eq!(done["result"], json!({"card": "4111-2222"}), "the handler had it, and gave it back");
    assert_eq!(done["job"]["fair_key"], "u:4111-2222", "keys are filled from what was sealed");
    let again = server.keyed("/api/v1/jobs", "once", spec).await;
    assert_eq!(again.expect(202)["id"], id, "the stored answer opens");
    mill.stop().await;

    let stored: (Value, Value) =
        sqlx::query_as("select args, result from jobs").fetch_one(db.pool()).await.unwrap();
    assert_eq!((&stored.0["$sealed"]["key"], &stored.1["$sealed"]["key"]), (&json!("a"), &json!("a")));
    for table in ["jobs", "idempotency_keys", "events", "audit_log", "attempts"] {
        let leaks = db
            .count(&format!("{table} t where replace(t::text, 'u:4111-2222', '') like '%4111-2222%'"))
            .await;
        assert_eq!(leaks, 0, "{table}");
    }
}

#[tokio::test]
async fn uniqueness_and_replacement_see_through_the_seal() {
    let db = Db::new().await;
    let store = with(&db, keys(&["a"]), None);
    let (server, _guard) = api(&store).await;
    let spec = |n: i64, on_conflict: &str| {
        json!({
            "kind": "k", "args": {"id": 1, "n": n}, "delay": "1h",
            "unique": {"args": ["id"], "on_conflict": on_conflict, "replace": if on_conflict == "replace" { json!(["args"]) } else { json!([]) }},
        })
    };
    let mut first = spec(1, "keep");
    first["unique"].as_object_mut().unwrap().remove("replace");
    let first = server.enqueue(first).await;
    let second = server.post("/api/v1/jobs", spec(2, "replace")).await.expect(200);
    assert_eq!(second["id"], first["id"]);
    assert_eq!(server.job(&first["id"]).await["args"], json!({"id": 1, "n": 2}));
    assert_eq!(db.count("jobs where args ? '$sealed'").await, 1);
}

#[tokio::test]
async fn keys_are_changed_while_jobs_wait() {
    let db = Db::new().await;
    let (old, new) = (with(&db, keys(&["old"]), None), with(&db, keys(&["new", "old"]), None));
    let prepared = old.prepare(job("k", json!({"n": 1}))).await.unwrap();
    let id = enqueue(old.pool(), &[prepared], false).await.unwrap()[0].id;
    let mill = Mill::builder(&new).handler("k", |context| async move { ok(context.args().clone()) }).start();
    let done = wait_for("the job's end", || async {
        new.find_job(id).await.unwrap().filter(|job| job.state.is_final())
    });
    assert_eq!(done.await.result, Some(json!({"n": 1})));
    mill.stop().await;
    let sealed_by: String = db.scalar("select result #>> '{$sealed,key}' from jobs").await;
    assert_eq!(sealed_by, "new");
    let unseen = old.find_job(id).await.unwrap().unwrap().result.unwrap();
    assert!(text(&unseen).contains("does not have the encryption key new"), "{unseen}");
}

#[tokio::test]
async fn a_worker_without_the_key_puts_jobs_off_and_fails_none() {
    let db = Db::new().await;
    let (sealing, blind) = (with(&db, keys(&["a"]), None), db.another_store());
    let prepared = sealing.prepare(job("k", json!({"n": 1}))).await.unwrap();
    let id = enqueue(sealing.pool(), &[prepared], false).await.unwrap()[0].id;
    let runs = Arc::new(AtomicUsize::new(0));
    let counted = runs.clone();
    let mill = Mill::builder(&blind)
        .handler("k", move |_| {
            counted.fetch_add(1, Ordering::SeqCst);
            async { ok(None) }
        })
        .start();
    wait_for("the job is put off", || async {
        db.event_types(id).await.contains(&"snoozed".into()).then_some(())
    })
    .await;
    mill.stop().await;
    let job = db.job(id).await;
    assert_eq!((job.status.as_str(), job.attempt, runs.load(Ordering::SeqCst)), ("scheduled", 0, 0));
    let log = db.events_after(id, 0, &["log".into()], 10).await.unwrap();
    assert!(
        text(&log[0].data["line"])
            .contains("does not have the encryption key a; add it to its encryption.keys")
    );

    db.execute("update jobs_live set run_at = now()").await;
    let mill =
        Mill::builder(&sealing).handler("k", |context| async move { ok(context.args().clone()) }).start();
    wait_for("the job's end", || async { (db.state(id).await == "completed").then_some(()) }).await;
    mill.stop().await;
}

#[tokio::test]
async fn remote_workers_get_and_give_what_is_sealed() {
    let db = Db::new().await;
    let store = with(&db, keys(&["a"]), None);
    let (server, _guard) = api(&store).await;
    server.enqueue(json!({"kind": "k", "args": {"n": 1}})).await;
    let claimed = server.claim("w", "k", 1).await.remove(0);
    assert_eq!(claimed["args"], json!({"n": 1}));
    let result = json!({"result": {"secret": 2}});
    server.word(&claimed, "complete", result.clone()).await.expect(200);
    server.word(&claimed, "complete", result).await.expect(200);
    server.word(&claimed, "complete", json!({"result": {"secret": 3}})).await.problem(409, "lease-lost");
    assert_eq!(server.job(&claimed["id"]).await["result"], json!({"secret": 2}));

    server.enqueue(json!({"kind": "k", "args": {"n": 2}})).await;
    let (blind, _guard) = api(&db.another_store()).await;
    let none = json!({"worker": "x", "kinds": ["k"]});
    let answer = blind.post("/api/v1/worker/claim", none).await.expect(200);
    assert_eq!(answer["jobs"], json!([]), "nothing that cannot be read is given out");
    assert_eq!(db.count("running").await, 0);
    assert_eq!(db.count("jobs_live where attempt = 0 and run_at > now()").await, 1);
}

#[tokio::test]
async fn results_pass_through_workflows_sealed() {
    let db = Db::new().await;
    let store = with(&db, keys(&["a"]), None);
    let (server, _guard) = api(&store).await;
    let mill = Mill::builder(&store)
        .handler("make", |_| async { ok(json!({"iban": "DE02"})) })
        .handler("take", |context| async move { ok(context.args().clone()) })
        .handler("spawns", |context| async move {
            let child = context.spawn("c", &job("take", json!({"iban": "DE03"}))).await?;
            let group = Workflow::group("g", [job("take", json!({"iban": "DE04"}))]);
            let group = context.spawn_workflow("g", &group).await?;
            let ends = context.wait_for(&[child, group]).await?;
            ok(json!(ends.into_iter().map(|end| end.result).collect::<Vec<_>>()))
        })
        .start();
    let chain =
        json!({"chain": [{"kind": "make"}, {"kind": "take", "args": {"own": "DE05"}}], "as": "given"});
    let made = server.post("/api/v1/workflows", chain).await.expect(202);
    let done = server.get(&format!("/api/v1/jobs/{}/result?wait=20s", text(&made["id"]))).await.expect(200);
    assert_eq!(done["result"], json!({"own": "DE05", "given": {"iban": "DE02"}}));
    let parent = server.enqueue(json!({"kind": "spawns"})).await;
    let done = server.get(&format!("/api/v1/jobs/{}/result?wait=20s", text(&parent["id"]))).await.expect(200);
    assert_eq!(done["result"], json!([{"iban": "DE03"}, [{"iban": "DE04"}]]));
    mill.stop().await;
    assert_eq!(db.count("jobs t where t::text like '%DE0%'").await, 0);
}

#[tokio::test]
async fn nobody_has_opened_what_he_may_not_read() {
    let db = Db::new().await;
    let store = with(&db, keys(&["a"]), None);
    let (server, _guard) = api(&store).await;
    let made = server.enqueue(json!({"kind": "k", "args": {"card": "4111-2222"}})).await;
    let stolen: Value = db.scalar("select args from jobs").await;
    let copy = json!({"kind": "k", "args": {"copy": stolen}});
    server.post("/api/v1/jobs", copy).await.problem(422, "invalid-request");
    let copied = server.enqueue(json!({"kind": "k", "metadata": {"copy": stolen}})).await;
    for job in [server.job(&copied["id"]).await, copied] {
        assert!(!job.to_string().contains("4111-2222"), "{job}");
    }
    let schedule = json!({"every": "1h", "job": {"kind": "k", "args": stolen}});
    let put = server.request(reqwest::Method::PUT, "/api/v1/schedules/s").json(&schedule);
    server.send(put).await.problem(422, "invalid-request");
    assert_eq!(server.job(&made["id"]).await["args"], json!({"card": "4111-2222"}));
}

#[tokio::test]
async fn a_claim_with_a_key_is_kept_as_it_is_stored_and_opened_each_time() {
    let (db, folder) = (Db::new().await, tempfile::tempdir().unwrap());
    // One connection: nothing can be read beside a transaction that holds it.
    let vault = with(&db, keys(&["a"]), Some(blob_store(&folder))).vault().clone();
    let store = Store::connect(Options { vault, max_connections: 1, ..db.options() }).unwrap();
    let (server, _guard) = api(&store).await;
    let large = json!({"card": "4111-2222".repeat(1000)});
    server.enqueue(json!({"kind": "k", "args": {"card": "4111-2222"}})).await;
    server.enqueue(json!({"kind": "k", "args": large})).await;
    let body = json!({"worker": "w", "kinds": ["k"], "max": 2, "wait_seconds": 5});
    let first = server.keyed("/api/v1/worker/claim", "c", body.clone()).await.expect(200);
    let args = [&first["jobs"][0]["args"], &first["jobs"][1]["args"]];
    assert_eq!(args, [&json!({"card": "4111-2222"}), &large]);
    let again = server.keyed("/api/v1/worker/claim", "c", body.clone()).await;
    assert_eq!(again.headers["idempotency-replayed"], "true");
    assert_eq!(again.expect(200), first);

    let kept: Value = db.scalar("select answer from idempotency_keys where key like '%/c'").await;
    let kept = store.vault().open(kept).unwrap();
    let args: Vec<_> = kept["jobs"].as_array().unwrap().iter().map(|job| job["args"].clone()).collect();
    assert!(args[0]["$sealed"].is_object() && args[1]["$stored"].is_object(), "{kept}");

    // What became unreadable meanwhile is given to nobody, nor what the lease no longer holds.
    std::fs::remove_dir_all(folder.path()).unwrap();
    let again = server.keyed("/api/v1/worker/claim", "c", body.clone()).await.expect(200);
    assert_eq!(again["jobs"], json!([first["jobs"][0]]));
    assert_eq!(server.job(&first["jobs"][1]["id"]).await["error"]["type"], "bad_args");
    server.word(&first["jobs"][0], "complete", json!({})).await.expect(200);
    assert_eq!(server.keyed("/api/v1/worker/claim", "c", body).await.expect(200)["jobs"], json!([]));
}

#[tokio::test]
async fn slow_storage_holds_up_no_claim_of_a_limited_queue() {
    let (db, folder) = (Db::new().await, tempfile::tempdir().unwrap());
    let store = with(&db, Keyring::default(), Some(blob_store(&folder)));
    let (server, _guard) = api(&store).await;
    let made = server.enqueue(json!({"kind": "k", "args": {"text": "tide".repeat(1000)}})).await;
    db.execute("select set_limit('queue:default', 5)").await;
    // A pipe without a writer: a process that opens the args waits.
    let path = folder.path().join(format!("{}/enqueue/args.json", text(&made["id"])));
    std::fs::remove_file(&path).unwrap();
    assert!(std::process::Command::new("mkfifo").arg(&path).status().unwrap().success());
    let body = json!({"worker": "w", "kinds": ["k"]});
    let slow = server.keyed("/api/v1/worker/claim", "slow", body.clone());
    let other = async {
        wait_for("the first is claimed", || async { (db.count("running").await == 1).then_some(()) }).await;
        server.enqueue(json!({"kind": "k"})).await;
        let jobs =
            server.keyed("/api/v1/worker/claim", "other", body.clone()).await.expect(200)["jobs"].clone();
        // In a thread of its own: opening waits for the reader, who may go before there is a word.
        let pipe = tokio::fs::OpenOptions::new().write(true).open(&path).await.unwrap();
        drop(pipe);
        jobs
    };
    let both = async { tokio::join!(slow, other) };
    let (slow, other) = tokio::time::timeout(Duration::from_secs(20), both).await.expect("nobody waits");
    assert_eq!(other[0]["args"], json!({}));
    slow.expect(200);
}
