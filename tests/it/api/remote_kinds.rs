//! Kinds whose code is with remote workers: a worker sets their rules, and the server keeps to them as it does for
//! commands.

use serde_json::json;
use tidemill::KindSettings;
use tidemill::store::kinds::KindRow;

use super::server::{on_a_server, text};

#[tokio::test]
async fn the_rules_of_a_remote_kind_hold_for_its_jobs() {
    on_a_server(|server| async move {
        let rules = json!({
            "queue": "images", "priority": "high", "max_attempts": 2, "hard_timeout": "10m", "backoff": { "first": 0 },
            "permanent_errors": ["ValueError"], "unique": { "args": ["file"] }, "retain": "2days",
        });
        let request = server.request(reqwest::Method::PUT, "/api/v1/kinds/resize").json(&rules);
        let kind = server.send(request).await.expect(200);
        assert_eq!(
            (&kind["source"], &kind["queue"], &kind["max_attempts"], &kind["hard_timeout_seconds"]),
            (&json!("remote"), &json!("images"), &json!(2), &json!(600.0))
        );
        let job = json!({ "kind": "resize", "args": { "file": "a.png" } });
        let made = server.post("/api/v1/jobs", job.clone()).await.expect(202);
        assert_eq!((&made["queue"], &made["priority"], &made["max_attempts"]), (&json!("images"), &json!(3), &json!(2)));
        assert_eq!(server.post("/api/v1/jobs", job).await.expect(200)["id"], made["id"], "it is unique");

        let claim = json!({ "worker": "w", "kinds": ["resize"], "queues": ["images"] });
        let claimed = async || server.post("/api/v1/worker/claim", claim.clone()).await.expect(200)["jobs"][0].clone();
        let first = claimed().await;
        let error = |class: &str| json!({ "error": { "message": "it broke", "type": class } });
        let after = server.word(&first, "fail", error("OSError")).await.expect(200);
        assert_eq!(after["state"], "available", "there is another attempt");
        let second = claimed().await;
        assert_eq!((&second["id"], &second["attempt"]), (&made["id"], &json!(2)));
        assert_eq!(server.word(&second, "fail", error("OSError")).await.expect(200)["state"], "failed");

        let other = json!({ "kind": "resize", "args": { "file": "b.png" } });
        server.post("/api/v1/jobs", other).await.expect(202);
        let bad = claimed().await;
        assert_eq!(server.word(&bad, "fail", error("ValueError")).await.expect(200)["state"], "failed");
        // A worker that only claims changes nothing.
        let kinds = server.get("/api/v1/kinds").await.expect(200);
        assert_eq!(kinds["items"][0]["max_attempts"], 2);
    })
    .await;
}

#[tokio::test]
async fn wrong_rules_are_refused_by_field_and_other_kinds_keep_theirs() {
    on_a_server(|server| async move {
        let put = async |kind: &str, rules| {
            let path = format!("/api/v1/kinds/{kind}");
            server.send(server.request(reqwest::Method::PUT, &path).json(&rules)).await
        };
        for (rules, field) in [
            (json!({ "max_attempts": 0 }), "/max_attempts"),
            (json!({ "queue": "a b" }), "/queue"),
            (json!({ "soft_timeout": "2h", "hard_timeout": "1h" }), "/soft_timeout"),
            (json!({ "backoff": { "factor": 0.5 } }), "/backoff/factor"),
            (json!({ "backoff": { "first": "2h", "max": "1h" } }), "/backoff/first"),
            (json!({ "breaker": { "after": 0 } }), "/breaker/after"),
            (json!({ "permanent_errors": [""] }), "/permanent_errors/0"),
            (json!({ "unique": { "by": ["nothing"] } }), "/unique/by/0"),
        ] {
            let problem = put("k", rules.clone()).await.problem(422, "invalid-request");
            assert!(text(&problem["field"]).starts_with(field), "{rules}: {problem}");
        }
        put("tidemill.x", json!({})).await.problem(422, "invalid-request");
        assert_eq!(server.get("/api/v1/kinds").await.expect(200)["items"], json!([]), "nothing was stored");

        let rust = KindRow { name: "own".into(), source: "rust", settings: Some(KindSettings::default()) };
        server.store.see_kind(&rust).await.unwrap();
        let problem = put("own", json!({ "max_attempts": 9 })).await.problem(409, "kind-not-remote");
        assert_eq!(problem["source"], "rust");
        assert_eq!(server.get("/api/v1/kinds").await.expect(200)["items"][0]["max_attempts"], 5);
    })
    .await;
}

#[tokio::test]
async fn a_job_turns_off_what_its_kind_says_by_an_explicit_null() {
    on_a_server(|server| async move {
        let rules = json!({
            "unique": {}, "concurrency_key": "disk", "fair_key": "{tenant}", "expires_in": "1h",
        });
        server
            .send(server.request(reqwest::Method::PUT, "/api/v1/kinds/resize").json(&rules))
            .await
            .expect(200);
        let args = json!({ "tenant": "ann" });
        let plain = json!({ "kind": "resize", "args": args });
        let off = json!({
            "kind": "resize", "args": args,
            "unique": null, "concurrency_key": null, "fair_key": null, "expires_in": null,
        });
        let kept = server.post("/api/v1/jobs", plain.clone()).await.expect(202);
        assert_eq!((&kept["concurrency_keys"], &kept["fair_key"]), (&json!(["disk"]), &json!("ann")));
        assert!(kept["expires_at"].is_string(), "{kept}");
        assert_eq!(server.post("/api/v1/jobs", plain).await.expect(200)["id"], kept["id"]);

        let bare = |job: &serde_json::Value| {
            assert_ne!(job["id"], kept["id"], "it is a job of its own");
            assert_eq!((&job["concurrency_keys"], &job["fair_key"]), (&json!([]), &json!(null)), "{job}");
            assert_eq!(job["expires_at"], json!(null), "{job}");
        };
        bare(&server.post("/api/v1/jobs", off.clone()).await.expect(202));
        let batch = server.post("/api/v1/jobs/batch", json!([off, off])).await.expect(202);
        for item in batch["results"].as_array().unwrap() {
            assert_eq!(item["status"], "created", "{batch}");
            bare(&item["job"]);
        }
        // In SQL too, one by one and several of them.
        for jobs in [json!([off]), json!([off, off])] {
            let made = sqlx::query_scalar::<_, String>("select id::text from enqueue_many($1) as id");
            for id in made.bind(jobs).fetch_all(server.store.pool()).await.unwrap() {
                bare(&server.get(&format!("/api/v1/jobs/{id}")).await.expect(200));
            }
        }
        // What the job says itself comes before either.
        let own = json!({ "kind": "resize", "args": args, "unique": null, "fair_key": "bob" });
        let own = server.post("/api/v1/jobs", own).await.expect(202);
        assert_eq!((&own["fair_key"], &own["concurrency_keys"]), (&json!("bob"), &json!(["disk"])));
    })
    .await;
}
