//! Uniqueness over HTTP: which status, which document, which field.

use serde_json::{Value, json};

use crate::api::server::{Server, on_a_server, text, until};

fn unique(more: Value) -> Value {
    let mut unique = json!({"key": "one"});
    unique.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    json!({"kind": "a", "unique": unique})
}

#[tokio::test]
async fn an_existing_job_is_answered_with_200_and_a_refused_one_with_409() {
    on_a_server(|server| async move {
        let first = server.enqueue(unique(json!({}))).await;
        let again = server.post("/api/v1/jobs", unique(json!({}))).await;
        assert_eq!(again.headers["location"], text(&first["links"]["self"]));
        let mut again = again.expect(200);
        assert_eq!(again.as_object_mut().unwrap().remove("existing"), Some(json!(true)));
        assert_eq!(again, first);
        let refused = server.post("/api/v1/jobs", unique(json!({"on_conflict": "reject"}))).await;
        let problem = refused.problem(409, "not-unique");
        assert_eq!((&problem["job"]["id"], &problem["job"]["links"]), (&first["id"], &first["links"]));
        assert_eq!(problem["field"], "/unique");
        let mut replace = unique(json!({"on_conflict": "replace", "replace": ["priority"]}));
        replace["priority"] = json!(1);
        let replaced = server.post("/api/v1/jobs", replace).await.expect(200);
        assert_eq!((&replaced["id"], &replaced["priority"]), (&first["id"], &json!(1)));
        // A repeated request is answered as before, with its status.
        let body = unique(json!({}));
        let keyed = server.keyed("/api/v1/jobs", "k", body.clone()).await.expect(200);
        let repeated = server.keyed("/api/v1/jobs", "k", body).await;
        assert_eq!(repeated.headers["idempotency-replayed"], "true");
        assert_eq!(repeated.expect(200), keyed);
    })
    .await;
}

#[tokio::test]
async fn a_batch_says_which_are_there_already() {
    on_a_server(|server| async move {
        let items = json!([
            unique(json!({})),
            unique(json!({})),
            unique(json!({"on_conflict": "reject"})),
            {"kind": "a", "unique": {"states": ["available"]}},
        ]);
        let answer = server.post("/api/v1/jobs/batch", items).await.expect(202);
        let results = answer["results"].as_array().unwrap();
        let statuses: Vec<_> = results.iter().map(|result| text(&result["status"])).collect();
        assert_eq!(statuses, ["created", "existing", "refused", "refused"]);
        assert_eq!(results[1]["job"]["id"], results[0]["job"]["id"]);
        assert!(text(&results[2]["problem"]["type"]).ends_with("/not-unique"));
        assert_eq!(results[2]["problem"]["field"], "/2/unique");
        assert_eq!(results[3]["problem"]["field"], "/3/unique/states");
    })
    .await;
}

#[tokio::test]
async fn a_bad_rule_is_refused_with_its_field() {
    on_a_server(|server| async move {
        for (spec, field) in [
            (json!({"unique": 1}), "/unique"),
            (json!({"unique": {"colour": 1}}), "/unique/colour"),
            (json!({"unique": {"by": ["colour"]}}), "/unique/by/0"),
            (json!({"unique": {"period": "soon"}}), "/unique/period"),
            (json!({"unique": {"on_conflict": "next_period"}}), "/unique/on_conflict"),
            (json!({"expires_at": "soon"}), "/expires_at"),
            (json!({"expires_in": 0}), "/expires_in"),
            (json!({"expires_in": "1h", "expires_at": "2030-01-01T00:00:00Z"}), "/expires_in"),
        ] {
            let mut body = json!({"kind": "a"});
            body.as_object_mut().unwrap().extend(spec.as_object().unwrap().clone());
            let problem = server.post("/api/v1/jobs", body).await.problem(422, "invalid-request");
            assert_eq!(problem["field"], field, "{problem}");
        }
        assert_eq!(server.get("/api/v1/jobs").await.expect(200)["items"], json!([]));
    })
    .await;
}

#[tokio::test]
async fn b9_a_response_that_is_lost_is_given_again_and_nothing_happens_twice() {
    use tokio::io::AsyncWriteExt;
    on_a_server(|server| async move {
        let body = json!({"kind": "a"}).to_string();
        let request = format!(
            "POST /api/v1/jobs HTTP/1.1\r\nHost: {}\r\nContent-Type: application/json\r\nIdempotency-Key: lost\r\nContent-Length: {}\r\n\r\n{body}",
            server.address,
            body.len()
        );
        let mut connection = tokio::net::TcpStream::connect(server.address).await.unwrap();
        connection.write_all(request.as_bytes()).await.unwrap();
        until("the job is stored", || async { !jobs(&server).await.is_empty() }).await;
        drop(connection);
        let again = server.keyed("/api/v1/jobs", "lost", json!({"kind": "a"})).await;
        assert_eq!(again.headers["idempotency-replayed"], "true");
        assert_eq!([again.expect(202)["id"].clone()], *jobs(&server).await);
    })
    .await;
}

#[tokio::test]
async fn b9_a_crash_between_insert_and_response_leaves_the_key_and_the_work_undone() {
    on_a_server(|server| async move {
        let mut holder = server.store.pool().begin().await.unwrap();
        // The insert has to wait, and dies while it does.
        sqlx::query("lock table jobs_live in share mode").execute(holder.connection()).await.unwrap();
        let keyed = {
            let server = server.clone();
            tokio::spawn(async move { server.keyed("/api/v1/jobs", "dies", json!({"kind": "a"})).await })
        };
        let killed = "select count(pg_terminate_backend(pid)) from pg_stat_activity
             where datname = current_database() and wait_event_type = 'Lock' and query ~ 'insert_(jobs|plain_job)' and pid <> pg_backend_pid()";
        until("the insert dies", || async {
            sqlx::query_scalar::<_, i64>(killed).fetch_one(server.store.pool()).await.unwrap() > 0
        })
        .await;
        assert!(keyed.await.unwrap().status >= 500);
        holder.rollback().await.unwrap();
        assert!(jobs(&server).await.is_empty());
        let again = server.keyed("/api/v1/jobs", "dies", json!({"kind": "a"})).await;
        assert!(!again.headers.contains_key("idempotency-replayed"));
        assert_eq!([again.expect(202)["id"].clone()], *jobs(&server).await);
    })
    .await;
}

async fn jobs(server: &Server) -> Vec<Value> {
    let listed = server.get("/api/v1/jobs").await.expect(200);
    listed["items"].as_array().unwrap().iter().map(|job| job["id"].clone()).collect()
}
