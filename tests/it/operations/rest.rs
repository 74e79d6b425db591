//! The routes: preview, start once per key, list, report, cancel, undo; and who may do what.

use reqwest::Method;
use serde_json::{Value, json};
use tidemill::api::server::auth::api_key::Scope;

use crate::api::server::{Server, on_a_server, text};

async fn carry_out(server: &Server, id: &Value) {
    let id = text(id).parse().unwrap();
    while server.store.step_operation(id).await.unwrap().is_some() {}
}

#[tokio::test]
async fn an_operation_is_previewed_started_once_and_reported() {
    on_a_server(|server| async move {
        for _ in 0..3 {
            server.enqueue(json!({"kind": "a", "delay": "1h"})).await;
        }
        server.claim("w", "none", 1).await;
        let request = json!({"action": "move", "filter": {"kind": "a"}, "queue": "slow", "rate": "200/min"});
        let preview = server.post("/api/v1/operations/preview", request.clone()).await.expect(200);
        assert_eq!((&preview["matched"], &preview["complete"]), (&json!(3), &json!(true)));
        assert_eq!(preview["sample"].as_array().unwrap().len(), 3);
        let on = format!("/api/v1/operations/preview?after={}", text(&preview["sample"][0]));
        let rest = server.post(&on, request.clone()).await.expect(200);
        assert_eq!(
            (&rest["matched"], &rest["looked_to"]),
            (&json!(2), &Value::Null),
            "it goes on after a job"
        );
        assert_eq!(
            server.get("/api/v1/operations").await.expect(200)["items"],
            json!([]),
            "a preview starts nothing"
        );
        let first = server.keyed("/api/v1/operations", "once", request.clone()).await.expect(202);
        let again = server.keyed("/api/v1/operations", "once", request).await.expect(202);
        assert_eq!(first["id"], again["id"]);
        assert_eq!(
            (&first["expected"], &first["who"], &first["rate"]),
            (&json!(3), &json!("anonymous"), &json!("200/min"))
        );
        carry_out(&server, &first["id"]).await;
        let path = format!("/api/v1/operations/{}", text(&first["id"]));
        let operation = server.get(&path).await.expect(200);
        assert_eq!(
            (&operation["state"], &operation["done"], &operation["left"]),
            (&json!("done"), &json!(3), &json!([]))
        );
        let undo = server.post(&format!("{path}/undo"), json!({"rate": "5/s"})).await.expect(202);
        assert_eq!((&undo["undoes"], &undo["rate"]), (&first["id"], &json!("5/s")));
        let cancelled =
            server.act(&format!("/api/v1/operations/{}/cancel", text(&undo["id"]))).await.expect(200);
        assert_eq!(cancelled["state"], "cancelled");
        let undo = server.act(&format!("{path}/undo")).await.expect(202);
        carry_out(&server, &undo["id"]).await;
        assert_eq!(
            server.get("/api/v1/jobs?queue=default").await.expect(200)["items"].as_array().unwrap().len(),
            3
        );
        let page = server.get("/api/v1/operations?limit=2").await.expect(200);
        assert_eq!(page["items"][0]["id"], undo["id"], "newest first");
        let rest = server
            .get(&format!("/api/v1/operations?cursor={}", text(&page["next_cursor"])))
            .await
            .expect(200);
        assert_eq!(
            (rest["items"][0]["id"].clone(), rest["next_cursor"].clone()),
            (first["id"].clone(), Value::Null)
        );
    })
    .await;
}

#[tokio::test]
async fn a_request_that_makes_no_sense_starts_nothing() {
    on_a_server(|server| async move {
        for bad in [
            json!({"action": "cancel"}),
            json!({"action": "cancel", "filter": {}, "all": false}),
            json!({"action": "cancel", "filter": {"kind": "a"}, "all": true}),
            json!({"action": "explode", "all": true}),
            json!({"action": "cancel", "filter": {"state": "x"}}),
            json!({"action": "cancel", "filter": {"priority": "11"}}),
            json!({"action": "cancel", "filter": {"nonsense": "x"}}),
            json!({"action": "cancel", "all": true, "rate": "much"}),
            json!({"action": "move", "all": true}),
            json!({"action": "set_priority", "all": true, "priority": 0}),
        ] {
            server.post("/api/v1/operations", bad.clone()).await.problem(422, "invalid-request");
        }
        let unknown = "/api/v1/operations/01900000-0000-7000-8000-000000000000";
        server.get(unknown).await.problem(404, "not-found");
        server.act(&format!("{unknown}/cancel")).await.problem(404, "not-found");
        server.act(&format!("{unknown}/undo")).await.problem(404, "not-found");
        server.get("/api/v1/operations/x").await.problem(422, "invalid-request");
        assert_eq!(server.get("/api/v1/operations").await.expect(200)["items"], json!([]));
    })
    .await;
}

#[tokio::test]
async fn whoever_only_reads_sees_operations_and_starts_none() {
    on_a_server(|server| async move {
        let request = json!({"action": "cancel", "all": true});
        let asks: [(Method, &str, [u16; 4]); 3] = [
            (Method::GET, "/api/v1/operations", [200, 403, 403, 200]),
            (Method::POST, "/api/v1/operations/preview", [200, 403, 403, 200]),
            (Method::POST, "/api/v1/operations", [403, 403, 403, 202]),
        ];
        for (place, scope) in [Scope::Read, Scope::Enqueue, Scope::Work, Scope::Admin].into_iter().enumerate()
        {
            let key = server.make_key("somebody", &[scope]).await;
            for (method, path, expected) in &asks {
                let asked = server.request(method.clone(), path).bearer_auth(key.reveal());
                let asked = if *method == Method::POST { asked.json(&request) } else { asked };
                assert_eq!(server.send(asked).await.status, expected[place], "{scope} {method} {path}");
            }
        }
    })
    .await;
}
