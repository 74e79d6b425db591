//! Object storage: what is too large for a row goes there, comes back whole, and goes with its job.

use reqwest::header::HeaderValue;
use serde_json::{Value, json};
use tidemill::Store;
use tidemill::job::text::storable_json;
use tidemill::store::jobs::enqueue::enqueue_prepared_in;
use tidemill::vault::Keyring;

use super::{api, blob_store, job, keys, with};
use crate::api::server::{Server, text};
use crate::support::{Db, Mill, Session, blocked_or_done, ok, wait_for};

pub(super) fn files(folder: &tempfile::TempDir) -> usize {
    fn count(path: &std::path::Path) -> usize {
        std::fs::read_dir(path)
            .unwrap()
            .flatten()
            .map(|entry| if entry.path().is_dir() { count(&entry.path()) } else { 1 })
            .sum()
    }
    count(folder.path())
}

/// A text of so many KiB.
fn large(kib: usize) -> String {
    "tide".repeat(kib * 256)
}

#[tokio::test]
async fn d5_output_too_large_goes_to_storage_or_is_refused() {
    for sealed in [false, true] {
        let (db, folder) = (Db::new().await, tempfile::tempdir().unwrap());
        let keyring = if sealed { keys(&["a"]) } else { Keyring::default() };
        let store = with(&db, keyring, Some(blob_store(&folder)));
        let (server, _guard) = api(&store).await;
        let mill = Mill::builder(&store)
            .handler("echo", |context| async move { ok(context.args().clone()) })
            .handler("take", |context| async move {
                ok(json!(context.args()["given"]["text"].as_str().unwrap().len()))
            })
            .start();
        let args = json!({"text": large(900)});
        let made = server.enqueue(json!({"kind": "echo", "args": args})).await;
        let path = format!("/api/v1/jobs/{}", text(&made["id"]));
        let done = server.get(&format!("{path}/result?wait=20s")).await.expect(200);
        assert_eq!(done["state"], "completed", "{}", done["error"]);
        let reference = &done["result"]["$stored"];
        assert_eq!(reference["href"], format!("{path}/artifacts/result.json"));
        assert_eq!(server.get(text(&reference["href"])).await.expect(200), args);
        let href = done["job"]["args"]["$stored"]["href"].clone();
        assert_eq!(server.get(text(&href)).await.expect(200), args);
        assert_eq!(db.count("jobs t where length(t::text) > 3000").await, 0, "rows stay small");
        let listed = server.get(&format!("{path}/artifacts")).await.expect(200);
        let names: Vec<&str> =
            listed["items"].as_array().unwrap().iter().map(|item| text(&item["name"])).collect();
        assert_eq!(names, ["args.json", "result.json"]);

        let chain = json!({"chain": [{"kind": "echo", "args": args}, {"kind": "take"}], "as": "given"});
        let chain = server.post("/api/v1/workflows", chain).await.expect(202);
        let done =
            server.get(&format!("/api/v1/jobs/{}/result?wait=20s", text(&chain["id"]))).await.expect(200);
        assert_eq!(done["result"], json!(900 * 1024), "{done}");
        mill.stop().await;
    }
    let db = Db::new().await;
    let store = db.another_store();
    let mill = Mill::builder(&store).handler("echo", |_| async { ok(json!(large(1100))) }).start();
    let (server, _guard) = api(&store).await;
    let made = server.enqueue(json!({"kind": "echo"})).await;
    let done = server.get(&format!("/api/v1/jobs/{}/result?wait=20s", text(&made["id"]))).await.expect(200);
    assert_eq!((&done["state"], &done["error"]["type"]), (&json!("failed"), &json!("result_too_large")));
    assert!(text(&done["error"]["message"]).contains("configure [storage]"), "{done}");
    mill.stop().await;
}

#[tokio::test]
async fn a_remote_worker_may_say_its_large_result_again() {
    let (db, folder) = (Db::new().await, tempfile::tempdir().unwrap());
    let store = with(&db, keys(&["a"]), Some(blob_store(&folder)));
    let (server, _guard) = api(&store).await;
    server.enqueue(json!({"kind": "k", "args": {"text": large(100)}})).await;
    let claimed = server.claim("w", "k", 1).await.remove(0);
    assert_eq!(text(&claimed["args"]["text"]).len(), 100 * 1024);
    let result = json!({"result": large(1500)});
    server.word(&claimed, "complete", result.clone()).await.expect(200);
    server.word(&claimed, "complete", result).await.expect(200);
    let stored = server.job(&claimed["id"]).await["result"]["$stored"].clone();
    assert_eq!(text(&server.get(text(&stored["href"])).await.expect(200)).len(), 1500 * 1024);
}

#[tokio::test]
async fn handlers_keep_files_that_go_with_their_job() {
    let (db, folder) = (Db::new().await, tempfile::tempdir().unwrap());
    let store = with(&db, Keyring::default(), Some(blob_store(&folder)));
    let (server, _guard) = api(&store).await;
    let mill = Mill::builder(&store)
        .handler("k", |context| async move {
            let png = context.keep("shot.png", "image/png", b"png".as_slice()).await?;
            context.keep("page.html", "text/html", b"<script>alert(1)</script>".as_slice()).await?;
            let bad = context.keep("../../etc/passwd", "text/plain", b"".as_slice()).await.unwrap_err();
            ok(json!({"png": png, "bad": bad.to_string()}))
        })
        .start();
    let made = server.enqueue(json!({"kind": "k"})).await;
    let done = server.get(&format!("/api/v1/jobs/{}/result?wait=20s", text(&made["id"]))).await.expect(200);
    assert!(text(&done["result"]["bad"]).contains("a file cannot be called"), "{done}");
    mill.stop().await;
    let png = server.get(text(&done["result"]["png"])).await;
    assert_eq!(
        (&png.headers["content-type"], &png.body),
        (&HeaderValue::from_static("image/png"), &json!("png"))
    );
    let page = server.get(&format!("/api/v1/jobs/{}/artifacts/page.html", text(&made["id"]))).await;
    assert_eq!(page.headers["content-type"], "application/octet-stream", "no page of ours runs it");
    assert!(page.headers["content-disposition"].to_str().unwrap().starts_with("attachment"));
    server.get(&format!("/api/v1/jobs/{}/artifacts/none", text(&made["id"]))).await.problem(404, "not-found");

    assert_eq!(
        (files(&folder), store.clear_artifacts(100).await.unwrap()),
        (2, 0),
        "nothing is looked at yet"
    );
    db.execute("update artifacts set checked_at = now() - interval '2 hours'").await;
    assert_eq!(store.clear_artifacts(100).await.unwrap(), 0, "the job is there");
    server
        .send(server.request(reqwest::Method::DELETE, &format!("/api/v1/jobs/{}", text(&made["id"]))))
        .await;
    db.execute("update artifacts set checked_at = now() - interval '2 hours'").await;
    assert_eq!(store.clear_artifacts(100).await.unwrap(), 2);
    assert_eq!((files(&folder), db.count("artifacts").await), (0, 0));
}

#[tokio::test]
async fn nobody_reads_another_s_file_by_a_forged_reference() {
    let (db, folder) = (Db::new().await, tempfile::tempdir().unwrap());
    let store = with(&db, Keyring::default(), Some(blob_store(&folder)));
    let (server, _guard) = api(&store).await;
    let made = server.enqueue(json!({"kind": "k", "args": {"text": large(10)}})).await;
    let forged = json!({"deep": [{"$stored": {"job": made["id"], "name": "args.json"}}]});
    let refused = server.post("/api/v1/jobs", json!({"kind": "k", "args": forged})).await;
    assert!(text(&refused.problem(422, "invalid-request")["detail"]).contains("$stored"));
    let batch = json!([{"kind": "k", "args": forged}, {"kind": "k"}]);
    let results = server.post("/api/v1/jobs/batch", batch).await.expect(202);
    let statuses: Vec<&Value> =
        results["results"].as_array().unwrap().iter().map(|item| &item["status"]).collect();
    assert_eq!(statuses, ["refused", "created"]);
    assert_eq!(storable_json(forged.clone()), forged);
}

/// Removes from storage all that nobody needs, as if a year had passed; answers how many files.
async fn cleared(db: &Db, store: &Store) -> usize {
    db.execute("update artifacts set checked_at = now() - interval '2 hours', created_at = now() - interval '1 year'").await;
    store.clear_artifacts(100).await.unwrap()
}

async fn delete(server: &Server, id: &Value) {
    let path = format!("/api/v1/jobs/{}", text(id));
    server.send(server.request(reqwest::Method::DELETE, &path)).await.expect(204);
}

#[tokio::test]
async fn args_and_results_stay_as_long_as_a_job_refers_to_them() {
    let (db, folder) = (Db::new().await, tempfile::tempdir().unwrap());
    let store = with(&db, Keyring::default(), Some(blob_store(&folder)));
    let (server, _guard) = api(&store).await;
    let args = json!({"text": large(10)});

    // Of a fork.
    let made = server.enqueue(json!({"kind": "forked", "args": args})).await;
    let fork = server.act(&format!("/api/v1/jobs/{}/fork", text(&made["id"]))).await.body["id"].clone();
    let refork = server.act(&format!("/api/v1/jobs/{}/fork", text(&fork))).await.body["id"].clone();
    for gone in [&made["id"], &fork] {
        delete(&server, gone).await;
        assert_eq!(cleared(&db, &store).await, 0);
    }
    let shown = server.job(&refork).await["args"]["$stored"]["href"].clone();
    assert_eq!(server.get(text(&shown)).await.expect(200), args);
    assert_eq!(server.claim("w", "forked", 1).await[0]["args"], args);
    let path = format!("/api/v1/jobs/{}/cancel", text(&refork));
    server.act(&path).await;
    db.execute("update running set lease_expires_at = '-infinity'; select sweep()").await;
    delete(&server, &refork).await;
    assert_eq!((cleared(&db, &store).await, files(&folder)), (1, 0), "with the last of them");

    // Of one that took them over, and of one that was enqueued in a transaction of the caller's.
    let spec = |kib: usize| json!({"kind": "replaced", "args": {"text": large(kib)}, "unique": {"key": "u", "on_conflict": "replace", "replace": ["args"]}});
    let first = server.enqueue(spec(5)).await;
    server.post("/api/v1/jobs", spec(6)).await.expect(200);
    let own = store.prepare(job("own", args.clone())).await.unwrap();
    let own = enqueue_prepared_in(store.pool(), &store, &own).await.unwrap();
    assert_eq!(cleared(&db, &store).await, 0);
    assert_eq!(text(&server.claim("w", "replaced", 1).await[0]["args"]["text"]).len(), 6 * 1024);
    assert_eq!(server.claim("w", "own", 1).await[0]["args"], args);
    db.execute("update running set lease_expires_at = '-infinity'; update jobs_live set max_attempts = 1; select sweep()").await;
    delete(&server, &first["id"]).await;
    delete(&server, &json!(own)).await;
    assert_eq!((cleared(&db, &store).await, files(&folder)), (3, 0));

    // Of those who got results passed, and of their workflow.
    let mill =
        Mill::builder(&store).handler("echo", |context| async move { ok(context.args().clone()) }).start();
    let chain = json!({"jobs": [{"name": "a", "kind": "echo", "args": {"text": large(2)}}, {"name": "b", "kind": "later", "after": [{"job": "a", "as": "given"}]}]});
    let chain = server.post("/api/v1/workflows", chain).await.expect(202)["id"].clone();
    wait_for("the result is passed", || async {
        (db.count("jobs_live where kind = 'later' and args ? 'given'").await == 1).then_some(())
    })
    .await;
    mill.stop().await;
    let echo: uuid::Uuid = db.scalar("select id from jobs where kind = 'echo'").await;
    delete(&server, &json!(echo)).await;
    assert_eq!((cleared(&db, &store).await, files(&folder)), (0, 1));
    let later = server.claim("w", "later", 1).await.remove(0);
    assert_eq!(text(&later["args"]["given"]["text"]).len(), 2 * 1024);
    server.word(&later, "complete", json!({})).await.expect(200);
    server.get(&format!("/api/v1/jobs/{}/result?wait=20s", text(&chain))).await.expect(200);
    assert_eq!(cleared(&db, &store).await, 0);
    delete(&server, &later["id"]).await;
    assert_eq!((cleared(&db, &store).await, files(&folder)), (1, 0));

    // Of a workflow, which brought what its jobs did.
    let mill =
        Mill::builder(&store).handler("echo", |context| async move { ok(context.args().clone()) }).start();
    let group = json!({"group": [{"kind": "echo", "args": {"text": large(2)}}]});
    let group = server.post("/api/v1/workflows", group).await.expect(202)["id"].clone();
    server.get(&format!("/api/v1/jobs/{}/result?wait=20s", text(&group))).await.expect(200);
    mill.stop().await;
    let echo: uuid::Uuid = db.scalar("select id from jobs where kind = 'echo'").await;
    delete(&server, &json!(echo)).await;
    assert_eq!(cleared(&db, &store).await, 0);
    let brought: Value = db.scalar("select result from jobs where kind = 'tidemill.workflow' and result is not null and jsonb_typeof(result) = 'array'").await;
    assert_eq!(text(&store.open_value(brought).await.unwrap()[0]["text"]).len(), 2 * 1024);
    delete(&server, &group).await;
    assert_eq!((cleared(&db, &store).await, files(&folder)), (1, 0));
    assert_eq!(db.count("artifacts").await + db.count("artifact_referrers").await, 0);
}

#[tokio::test]
async fn references_to_a_file_and_its_removal_are_serialised() {
    let (db, folder) = (Db::new().await, tempfile::tempdir().unwrap());
    let store = with(&db, Keyring::default(), Some(blob_store(&folder)));
    let (server, _guard) = api(&store).await;
    let other = server.enqueue(json!({"kind": "other"})).await["id"].clone();
    let made = server.enqueue(json!({"kind": "k", "args": {"text": large(10)}})).await;
    let stored: Value = db.scalar("select args from jobs where kind = 'k'").await;
    let refer = format!("select note_references('{}', '{{\"deep\": [{stored}]}}')", text(&other));
    delete(&server, &made["id"]).await;

    // A job that just refers to it keeps it, before the commit and after.
    let mut referrer = Session::begin(&db).await;
    referrer.run(&refer).await.unwrap();
    assert_eq!(cleared(&db, &store).await, 0);
    referrer.run("commit").await.unwrap();
    assert_eq!(cleared(&db, &store).await, 0);

    // Once it is doomed nobody refers to it any more, and it goes, also if its remover died.
    db.execute("delete from artifact_referrers; update artifacts set checked_at = '-infinity'").await;
    let mut remover = Session::begin(&db).await;
    remover.run("select left_artifacts(10)").await.unwrap();
    let late = Session::open(&db).await;
    let pid = late.pid;
    let late = late.run_apart(refer);
    assert!(blocked_or_done(&db, pid, &late).await, "it waits for what becomes of the file");
    remover.run("commit").await.unwrap();
    late.await.unwrap().1.unwrap();
    assert_eq!((db.count("artifact_referrers").await, files(&folder)), (0, 1));
    let gone = store.open_value(stored).await.expect_err("it is doomed");
    assert!(!gone.is_transient(), "{gone}");
    assert_eq!((cleared(&db, &store).await, files(&folder)), (1, 0));
}
