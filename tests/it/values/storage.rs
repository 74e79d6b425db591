//! Object storage: what is too large for a row goes there, comes back whole, and goes with its job.

use reqwest::header::HeaderValue;
use serde_json::{Value, json};
use tidemill::job::text::storable_json;
use tidemill::vault::Keyring;

use super::{api, depot, keys, with};
use crate::api::server::text;
use crate::support::{Db, Mill, ok};

fn files(folder: &tempfile::TempDir) -> usize {
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
        let store = with(&db, keyring, Some(depot(&folder)));
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
    let store = with(&db, keys(&["a"]), Some(depot(&folder)));
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
    let store = with(&db, Keyring::default(), Some(depot(&folder)));
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
    let store = with(&db, Keyring::default(), Some(depot(&folder)));
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
