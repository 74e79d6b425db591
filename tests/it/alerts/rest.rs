//! Alerts by REST: rules are set, looked at and dropped; bad ones are refused with the field.

use reqwest::Method;
use serde_json::{Value, json};

use tidemill::api::server::auth::api_key::Scope;

use crate::api::server::{on_a_server, text, until};

/// A token stands in each part of it that can hold one.
const HOOK: &str = "https://ann:token@example.org:8443/token?key=token";

#[tokio::test]
async fn the_whole_address_of_a_webhook_is_for_admins_alone() {
    on_a_server(|server| async move {
        let body = json!({"condition": "no_worker", "webhook": HOOK});
        let put = server.request(Method::PUT, "/api/v1/alert-rules/nobody").json(&body);
        assert_eq!(server.send(put).await.expect(200)["webhook"], HOOK);
        let reader = server.make_key("reader", &[Scope::Read]).await;
        let admin = server.make_key("admin", &[Scope::Admin]).await;
        until("the end of openness", || async { server.get("/api/v1/alert-rules").await.status == 401 })
            .await;
        for (key, shown) in [(&reader, "https://example.org:8443/…"), (&admin, HOOK)] {
            let get = |path: &str| {
                let request = server.request(Method::GET, path).bearer_auth(key.reveal());
                async { server.send(request).await.expect(200) }
            };
            assert_eq!(text(&get("/api/v1/alert-rules").await["items"][0]["webhook"]), shown);
            assert_eq!(text(&get("/api/v1/alert-rules/nobody").await["webhook"]), shown);
        }
    })
    .await;
}

#[tokio::test]
async fn rules_are_set_and_dropped_and_what_they_find_is_listed() {
    on_a_server(|server| async move {
        let put = |name: &str, body: Value| {
            let request = server.request(Method::PUT, &format!("/api/v1/alert-rules/{name}")).json(&body);
            async { server.send(request).await }
        };
        let spec = json!({"condition": "no_worker", "hold": "0s", "webhook": "https://example.org/x", "email": ["a@b.c"]});
        let rule = put("nobody", spec).await.expect(200);
        assert_eq!((&rule["above"], &rule["hold_seconds"], &rule["over_seconds"]), (&json!(0.0), &json!(0.0), &json!(900.0)));
        server.store.evaluate_alerts(None).await.unwrap();
        let alerts = server.get("/api/v1/alerts?open=true").await.expect(200);
        let alert = &alerts["items"][0];
        assert_eq!((&alert["state"], &alert["rule"], &alert["undelivered"]), (&json!("firing"), &json!("nobody"), &json!(3)));
        let metrics = server.get("/metrics").await.expect(200);
        assert!(metrics.as_str().unwrap().contains("tidemill_alerts_firing{rule=\"nobody\"} 1"), "{metrics}");
        server.send(server.request(Method::DELETE, "/api/v1/alert-rules/nobody")).await.expect(204);
        server.send(server.request(Method::DELETE, "/api/v1/alert-rules/nobody")).await.problem(404, "not-found");
        assert_eq!(server.get("/api/v1/alerts?rule=nobody").await.expect(200)["items"][0]["state"], "resolved");
        assert_eq!(server.get("/api/v1/alerts?open=true").await.expect(200)["items"], json!([]));
        assert_eq!(server.get("/api/v1/alert-rules").await.expect(200)["items"], json!([]));
        for (body, field) in [
            (json!({"condition": "error_rate", "above": 2}), "/above"),
            (json!({"condition": "error_rate", "over": "1s"}), "/over"),
            (json!({"condition": "error_rate", "hold": "2days"}), "/hold"),
            (json!({"condition": "error_rate", "at_least": 0}), "/at_least"),
            (json!({"condition": "no_worker", "kind": "k"}), "/kind"),
            (json!({"condition": "database_size", "queue": "q"}), "/queue"),
            (json!({"condition": "no_worker", "webhook": "ftp://x"}), "/webhook"),
            (json!({"condition": "no_worker", "email": ["nobody"]}), "/email"),
        ] {
            let problem = put("x", body.clone()).await.problem(422, "invalid-request");
            assert_eq!(problem["field"], field, "{body}");
        }
        put("x", json!({"condition": "bad_mood"})).await.problem(422, "invalid-request");
        put("a%20b", json!({"condition": "no_worker"})).await.problem(422, "invalid-request");
    })
    .await;
}
