//! POST /jobs/batch: every item is answered in its place, and none takes others with it.

use reqwest::Method;
use serde_json::{Value, json};
use tidemill::NewJob;
use tidemill::store::jobs::enqueue::enqueue_apart;

use super::server::{on_a_server, text};

fn statuses(answer: &Value) -> Vec<&str> {
    answer["results"].as_array().unwrap().iter().map(|result| text(&result["status"])).collect()
}

#[tokio::test]
async fn a_bad_item_is_refused_wherever_it_stands() {
    on_a_server(|server| async move {
        for bad in 0..3 {
            let items: Vec<_> =
                (0..3)
                    .map(|index| {
                        if index == bad { r#"{"kind":"a","args":{"x":"\u0000"}}"# } else { r#"{"kind":"a"}"# }
                    })
                    .collect();
            let body = format!("[{}]", items.join(","));
            let answer = server.raw("/api/v1/jobs/batch", body).await.expect(202);
            for (index, result) in answer["results"].as_array().unwrap().iter().enumerate() {
                if index == bad {
                    assert_eq!(result["status"], "refused");
                    assert_eq!(result["problem"]["field"], format!("/{index}/args/x"));
                    assert!(result.get("job").is_none());
                } else {
                    assert_eq!(result["status"], "created");
                    assert_eq!(server.job(&result["job"]["id"]).await, result["job"]);
                }
            }
        }
        let all_bad = server.post("/api/v1/jobs/batch", json!([{}, 1])).await.expect(202);
        assert_eq!(statuses(&all_bad), ["refused", "refused"]);
    })
    .await;
}

#[tokio::test]
async fn items_are_judged_one_by_one() {
    on_a_server(|server| async move {
        let old = server.enqueue(json!({"kind": "a", "execution_id": "old"})).await;
        server.act("/api/v1/queues/shut/drain").await.expect(200);
        let answer = server
            .post(
                "/api/v1/jobs/batch",
                json!([
                    {"kind": "a", "execution_id": "old"},
                    {"kind": "a", "execution_id": "new"},
                    {"kind": "a", "execution_id": "new"},
                    {"kind": "a", "queue": "shut"},
                    {"kind": "a", "priority": "urgent"},
                    {"kind": "a"},
                ]),
            )
            .await
            .expect(202);
        assert_eq!(statuses(&answer), ["existing", "created", "existing", "refused", "refused", "created"]);
        let results = &answer["results"];
        assert_eq!(results[0]["job"]["id"], old["id"]);
        assert_eq!(results[2]["job"]["id"], results[1]["job"]["id"]);
        assert_eq!(results[3]["problem"]["field"], "/3/queue");
        assert!(text(&results[3]["problem"]["type"]).ends_with("/queue-draining"));
        assert_eq!(results[4]["problem"]["field"], "/4/priority");
    })
    .await;
}

#[tokio::test]
async fn a_whole_batch_may_be_repeated() {
    on_a_server(|server| async move {
        let items: Vec<_> = (0..200).map(|index| json!({"kind": "echo", "args": {"i": index}})).collect();
        let first = server.keyed("/api/v1/jobs/batch", "b", json!(items)).await.expect(202);
        assert_eq!(statuses(&first), vec!["created"; 200]);
        let again = server.keyed("/api/v1/jobs/batch", "b", json!(items)).await;
        assert_eq!(again.headers["idempotency-replayed"], "true");
        assert_eq!(again.expect(202), first);
        let fewer = server.keyed("/api/v1/jobs/batch", "b", json!(items[..199])).await;
        fewer.problem(409, "idempotency-key-reused");
        assert_eq!(server.store.queues(Some("default")).await.unwrap()[0].available, 200);
    })
    .await;
}

#[tokio::test]
async fn a_batch_has_bounds() {
    on_a_server(|server| async move {
        server.post("/api/v1/jobs/batch", json!([])).await.problem(422, "invalid-request");
        server.post("/api/v1/jobs/batch", json!({"kind": "a"})).await.problem(422, "invalid-request");
        server.raw("/api/v1/jobs/batch", "[1,").await.problem(400, "invalid-json");
        let most = vec![json!({"kind": "a"}); 10_000];
        let answer = server.post("/api/v1/jobs/batch", json!(most)).await.expect(202);
        assert_eq!(statuses(&answer), vec!["created"; 10_000]);
        let more = vec![json!({"kind": "a"}); 10_001];
        server.post("/api/v1/jobs/batch", json!(more)).await.problem(422, "invalid-request");
    })
    .await;
}

#[tokio::test]
async fn what_only_the_database_refuses_takes_nothing_with_it() {
    on_a_server(|server| async move {
        let job = |text: &str| NewJob::new("a", [("t".to_owned(), text.into())].into_iter().collect());
        let jobs = ["\0", "b", "c", "d\0", "e", "f\0"].map(job);
        let jobs = server.store.prepare_each(&jobs).unwrap();
        let mut transaction = server.store.pool().begin().await.unwrap();
        let outcomes = enqueue_apart(transaction.connection(), &jobs, false).await.unwrap();
        transaction.commit().await.unwrap();
        let stored: Vec<_> = outcomes.iter().map(Result::is_ok).collect();
        assert_eq!(stored, [false, true, true, false, true, false]);
        for (job, outcome) in jobs.iter().zip(&outcomes) {
            let found = server.store.find_job(job.id).await.unwrap();
            assert_eq!(found.is_some(), outcome.is_ok());
        }
    })
    .await;
}

#[tokio::test]
async fn an_answer_may_be_minimal() {
    on_a_server(|server| async move {
        // Not by `send`: the description has the schema of the whole answer, and this in words.
        let prefer = async |path: &str, body: Value| {
            let request = server.request(Method::POST, path).header("Prefer", "return=minimal");
            let answer = request.json(&body).send().await.unwrap();
            let applied =
                answer.headers().get("preference-applied").map(|value| value.to_str().unwrap().to_owned());
            (answer.status().as_u16(), applied, answer.json::<Value>().await.unwrap())
        };
        let applied = Some("return=minimal".to_owned());
        let named = json!({"kind": "a", "args": {"x": 1}, "execution_id": "one"});
        let (status, preference, one) = prefer("/api/v1/jobs", named.clone()).await;
        assert_eq!((status, preference), (202, applied.clone()));
        assert_eq!(one.as_object().unwrap().keys().collect::<Vec<_>>(), ["id", "links"]);
        assert_eq!(server.job(&one["id"]).await["args"], json!({"x": 1}));
        let (status, preference, problem) = prefer("/api/v1/jobs", named).await;
        assert_eq!((status, preference), (409, None), "{problem}");
        let items =
            json!([{"kind": "a"}, {"kind": "a", "priority": 0}, {"kind": "a", "execution_id": "one"}]);
        let (status, preference, many) = prefer("/api/v1/jobs/batch", items).await;
        assert_eq!((status, preference), (202, applied));
        assert_eq!(statuses(&many), ["created", "refused", "existing"]);
        let id = &many["results"][0]["job"]["id"];
        assert_eq!(many["results"][0]["job"], json!({ "id": id }));
        assert_eq!(server.job(id).await["state"], "available");
    })
    .await;
}

#[tokio::test]
async fn many_jobs_are_read_at_once() {
    on_a_server(|server| async move {
        let first = server.enqueue(json!({"kind": "a"})).await;
        let named = server.enqueue(json!({"kind": "b", "execution_id": "order/1"})).await;
        let missing = "01a20567-63c3-7095-bd2d-91516d2cc3c5";
        let names = json!(["execution:order/1", first["id"], missing, "execution:none", first["id"]]);
        let found = server.post("/api/v1/jobs/get", json!({ "jobs": names })).await.expect(200);
        assert_eq!(found["items"], json!([named, first, null, null, first]));
        let bad =
            server.post("/api/v1/jobs/get", json!({"jobs": ["x"]})).await.problem(422, "invalid-request");
        assert_eq!(bad["field"], "/jobs/0");
        for jobs in [0, 201] {
            let jobs = vec![first["id"].clone(); jobs];
            server.post("/api/v1/jobs/get", json!({ "jobs": jobs })).await.problem(422, "invalid-request");
        }
    })
    .await;
}
