//! GET /me/activity: the jobs of an owner that changed, the newest change first; a call with the cursor
//! of the one before misses no change, however late it is committed.

use std::collections::HashSet;
use std::slice::from_ref;

use reqwest::Method;
use serde_json::{Value, json};
use tidemill::api::server::auth::api_key::Scope;

use crate::api::server::{Server, on_a_server, text, until};

async fn activity(server: &Server, query: &str) -> Value {
    server.get(&format!("/api/v1/me/activity?{query}")).await.expect(200)
}

fn ids(activity: &Value) -> Vec<Value> {
    activity["items"].as_array().unwrap().iter().map(|job| job["id"].clone()).collect()
}

/// What changed since the cursor, without what is repeated because it had changed shortly before.
async fn news(server: &Server, cursor: &mut String, seen: &mut HashSet<String>) -> Vec<Value> {
    let found = activity(server, &format!("owner=ann&since={cursor}")).await;
    text(&found["cursor"]).clone_into(cursor);
    let items = found["items"].as_array().unwrap().iter();
    items.filter(|job| seen.insert(job.to_string())).map(|job| job["id"].clone()).collect()
}

async fn claim(server: &Server) -> Value {
    let claim = json!({"worker": "w", "kinds": ["k"], "queues": ["default"], "max": 1});
    server.post("/api/v1/worker/claim", claim).await.expect(200)["jobs"][0].clone()
}

#[tokio::test]
async fn every_change_of_an_owners_jobs_comes_the_newest_first() {
    on_a_server(|server| async move {
        let job =
            async |owner: &str| server.enqueue(json!({"kind": "k", "owner": owner})).await["id"].clone();
        let (first, _, second) = (job("ann").await, job("bob").await, job("ann").await);
        let all = activity(&server, "owner=ann").await;
        assert_eq!((ids(&all), &all["more"]), (vec![second.clone(), first.clone()], &json!(false)));
        let (mut cursor, mut seen) = (text(&all["cursor"]).to_owned(), HashSet::new());
        seen.extend(all["items"].as_array().unwrap().iter().map(ToString::to_string));
        assert_eq!(news(&server, &mut cursor, &mut seen).await, Vec::<Value>::new());
        // A start, a progress, a failed attempt, a cancel and a retry.
        let claimed = claim(&server).await;
        assert_eq!(news(&server, &mut cursor, &mut seen).await, from_ref(&first));
        let path = |id: &Value, verb: &str| format!("/api/v1/jobs/{}/{verb}", text(id));
        let report = |verb: &str| format!("/api/v1/worker/jobs/{}/{verb}", text(&first));
        let lease = &claimed["lease_id"];
        let progress = json!({"lease_id": lease, "percent": 40});
        server.post(&report("progress"), progress).await.expect(200);
        assert_eq!(news(&server, &mut cursor, &mut seen).await, from_ref(&first));
        server.act(&path(&second, "cancel")).await.expect(200);
        assert_eq!(news(&server, &mut cursor, &mut seen).await, from_ref(&second));
        let failed = json!({"lease_id": lease, "error": {"message": "no"}});
        server.post(&report("fail"), failed).await.expect(200);
        assert_eq!(news(&server, &mut cursor, &mut seen).await, from_ref(&first));
        let all = activity(&server, "owner=ann").await;
        assert_eq!(ids(&all), [first.clone(), second.clone()]);
        server.act(&path(&second, "retry")).await.expect(200);
        assert_eq!(news(&server, &mut cursor, &mut seen).await, from_ref(&second));
        let one = activity(&server, "owner=ann&limit=1").await;
        assert_eq!((ids(&one), &one["more"]), (vec![second], &json!(true)));
        assert_eq!(
            ids(&activity(&server, "owner=ann&since=2199-01-01T00:00:00Z").await),
            Vec::<Value>::new()
        );
        assert_eq!(ids(&activity(&server, "owner=ann&since=2001-01-01T00:00:00Z").await).len(), 2);
        for bad in ["", "owner=", "owner=ann&since=x", "owner=ann&since=1-x", "owner=ann&limit=201"] {
            let problem = server.get(&format!("/api/v1/me/activity?{bad}")).await;
            problem.problem(422, "invalid-request");
        }
    })
    .await;
}

#[tokio::test]
async fn what_is_committed_late_is_in_the_next_answer() {
    on_a_server(|server| async move {
        let old = server.enqueue(json!({"kind": "k", "owner": "ann"})).await["id"].clone();
        let mut open = server.store.pool().begin().await.unwrap();
        let late: uuid::Uuid = sqlx::query_scalar("select enqueue('k', owner => 'ann')")
            .fetch_one(open.connection())
            .await
            .unwrap();
        sqlx::query("select cancel($1::uuid)")
            .bind(uuid::Uuid::parse_str(text(&old)).unwrap())
            .execute(open.connection())
            .await
            .unwrap();
        // As if the transaction had been open for long: its times lie far before the answer.
        sqlx::query("update jobs_live set created_at = now() - interval '40 minutes' where id = $1")
            .bind(late)
            .execute(open.connection())
            .await
            .unwrap();
        sqlx::query("update jobs set finished_at = now() - interval '40 minutes' where id = $1::uuid")
            .bind(uuid::Uuid::parse_str(text(&old)).unwrap())
            .execute(open.connection())
            .await
            .unwrap();
        let before = activity(&server, "owner=ann").await;
        assert_eq!(before["items"][0]["state"], "available");
        open.commit().await.unwrap();
        let after = activity(&server, &format!("owner=ann&since={}", text(&before["cursor"]))).await;
        let found: HashSet<String> = ids(&after).iter().map(|id| text(id).to_owned()).collect();
        assert_eq!(found, HashSet::from([late.to_string(), text(&old).to_owned()]));
    })
    .await;
}

#[tokio::test]
async fn a_token_sees_its_owners_jobs_of_its_kinds() {
    on_a_server(|server| async move {
        let mut of_ann = Vec::new();
        for (owner, kind) in [("ann", "k"), ("ann", "other"), ("bob", "k")] {
            of_ann.push(server.enqueue(json!({"kind": kind, "owner": owner})).await["id"].clone());
        }
        let key = server.make_key("backend", &[Scope::Enqueue]).await;
        until("the end of openness", || async { server.get("/api/v1/queues").await.status == 401 }).await;
        let ask = async |token: Value, query: &str| {
            let request = server.request(Method::POST, "/api/v1/tokens").bearer_auth(key.reveal());
            let token = server.send(request.json(&token)).await.expect(201)["token"].clone();
            let path = format!("/api/v1/me/activity{query}");
            server.send(server.request(Method::GET, &path).bearer_auth(text(&token))).await
        };
        let ann = json!({"scopes": ["read"], "owner": "ann"});
        assert_eq!(ids(&ask(ann.clone(), "").await.expect(200)), [of_ann[1].clone(), of_ann[0].clone()]);
        assert_eq!(ids(&ask(ann.clone(), "?owner=ann").await.expect(200)).len(), 2);
        ask(ann, "?owner=bob").await.problem(403, "forbidden");
        let kind = json!({"scopes": ["read"], "owner": "ann", "kinds": ["other"]});
        assert_eq!(ids(&ask(kind, "").await.expect(200)), [of_ann[1].clone()]);
        ask(json!({"scopes": ["read"], "kinds": ["k"]}), "").await.problem(422, "invalid-request");
        ask(json!({"scopes": ["cancel"], "owner": "ann"}), "").await.problem(403, "forbidden");
        // A key that only enqueues does not list.
        let request = server.request(Method::GET, "/api/v1/me/activity?owner=ann").bearer_auth(key.reveal());
        server.send(request).await.problem(403, "forbidden");
    })
    .await;
}
