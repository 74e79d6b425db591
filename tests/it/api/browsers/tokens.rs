//! Tokens: who gets which, that SQL makes the same, what their jobs are, and that their streams end.

use futures_util::StreamExt;
use reqwest::Method;
use serde_json::{Value, json};
use tidemill::api::server::auth::api_key::Scope;

use crate::api::server::{Answer, Server, on_a_server, text, until};

async fn send(server: &Server, method: Method, path: &str, bearer: &str, body: Value) -> Answer {
    let request = server.request(method.clone(), path).bearer_auth(bearer);
    server.send(if method == Method::GET { request } else { request.json(&body) }).await
}

async fn get(server: &Server, path: &str, bearer: &str) -> Answer {
    send(server, Method::GET, path, bearer, Value::Null).await
}

async fn post(server: &Server, path: &str, bearer: &str, body: Value) -> Answer {
    send(server, Method::POST, path, bearer, body).await
}

async fn token(server: &Server, key: &str, body: Value) -> String {
    text(&post(server, "/api/v1/tokens", key, body).await.expect(201)["token"]).to_owned()
}

#[tokio::test]
async fn a_token_never_has_more_than_its_key() {
    on_a_server(|server| async move {
        let all = json!({"scopes": ["read"], "owner": "ann"});
        server.post("/api/v1/tokens", all.clone()).await.problem(403, "forbidden");
        let reader = server.make_key("reader", &[Scope::Read]).await;
        let backend = server.make_key("backend", &[Scope::Enqueue]).await;
        let worker = server.make_key("worker", &[Scope::Work]).await;
        until("the end of openness", || async { server.get("/api/v1/queues").await.status == 401 }).await;
        post(&server, "/api/v1/tokens", worker.reveal(), all.clone()).await.problem(403, "forbidden");
        post(&server, "/api/v1/tokens", reader.reveal(), all.clone()).await.expect(201);
        for scope in ["enqueue", "cancel", "retry", "signal"] {
            let body = json!({"scopes": ["read", scope], "owner": "ann"});
            post(&server, "/api/v1/tokens", reader.reveal(), body.clone()).await.problem(403, "forbidden");
            let made = token(&server, backend.reveal(), body).await;
            post(&server, "/api/v1/tokens", &made, all.clone()).await.problem(403, "forbidden");
            // In the header, never in an address.
            let leaked = format!("/api/v1/jobs?owner={made}");
            get(&server, &leaked, backend.reveal()).await.problem(400, "bad-request");
        }
        for (body, field) in [
            (json!({"scopes": ["read"]}), "/job"),
            (json!({"scopes": [], "owner": "a"}), "/scopes"),
            (json!({"scopes": ["read"], "owner": ""}), "/owner"),
            (json!({"scopes": ["read"], "kinds": []}), "/kinds"),
            (json!({"scopes": ["read"], "kinds": ["a b"]}), "/kinds/0"),
            (json!({"scopes": ["read"], "owner": "a", "expires_in": "25h"}), "/expires_in"),
            (json!({"scopes": ["enqueue"], "job": uuid::Uuid::now_v7()}), "/scopes"),
        ] {
            let problem =
                post(&server, "/api/v1/tokens", backend.reveal(), body).await.problem(422, "invalid-request");
            assert_eq!(problem["field"], field);
        }
    })
    .await;
}

#[tokio::test]
async fn sql_makes_the_same_tokens() {
    on_a_server(|server| async move {
        let job = server.enqueue(json!({"kind": "k", "owner": "ann"})).await;
        let key = server.make_key("backend", &[Scope::Read]).await;
        until("the end of openness", || async { server.get("/api/v1/queues").await.status == 401 }).await;
        let made = async |scopes: &str, rest: &str| {
            let call = format!("select create_token('{}', '{scopes}', {rest})", key.id());
            sqlx::query_scalar::<_, String>(sqlx::AssertSqlSafe(call)).fetch_one(server.store.pool()).await
        };
        let path = format!("/api/v1/jobs/{}", text(&job["id"]));
        let ann = made("{read}", "owner => 'ann'").await.unwrap();
        assert_eq!(get(&server, &path, &ann).await.expect(200)["owner"], "ann");
        let bob = made("{read}", "owner => 'bob'").await.unwrap();
        get(&server, &path, &bob).await.problem(404, "job-not-found");
        for (scopes, rest) in [
            ("{cancel}", "owner => 'ann'"),
            ("{}", "owner => 'ann'"),
            ("{admin}", "owner => 'ann'"),
            ("{read}", "expires_in => '1 hour'"),
            ("{read}", "owner => ''"),
            ("{read}", "kinds => '{}'"),
            ("{read}", "owner => 'ann', job => gen_random_uuid()"),
            ("{read}", "owner => 'ann', expires_in => '25 hours'"),
            ("{read}", "owner => 'ann', expires_in => null"),
        ] {
            assert!(made(scopes, rest).await.is_err(), "{scopes} {rest}");
        }
        server.store.revoke_api_key(key.id()).await.unwrap();
        assert!(made("{read}", "owner => 'ann'").await.is_err());
        until("the end of the token", || async { get(&server, &path, &ann).await.status == 401 }).await;
    })
    .await;
}

#[tokio::test]
async fn what_a_token_enqueues_is_its_owners_and_what_it_lists_too() {
    on_a_server(|server| async move {
        let other = server.enqueue(json!({"kind": "k", "owner": "bob", "execution_id": "bobs"})).await;
        let key = server.make_key("backend", &[Scope::Enqueue]).await;
        until("the end of openness", || async { server.get("/api/v1/queues").await.status == 401 }).await;
        let body = json!({"scopes": ["read", "enqueue"], "owner": "ann", "kinds": ["k"]});
        let ann = token(&server, key.reveal(), body).await;
        let own = post(&server, "/api/v1/jobs", &ann, json!({"kind": "k"})).await.expect(202);
        assert_eq!(own["owner"], "ann");
        for (body, field) in [
            (json!({"kind": "k", "owner": "bob"}), "/owner"),
            (json!({"kind": "x"}), "/kind"),
            (json!({"kind": "k", "unique": {}}), "/unique"),
            (json!({"kind": "k", "after": [other["id"]]}), "/after"),
        ] {
            assert_eq!(
                post(&server, "/api/v1/jobs", &ann, body).await.problem(403, "forbidden")["field"],
                field
            );
        }
        let taken = json!({"kind": "k", "execution_id": "bobs"});
        let taken = post(&server, "/api/v1/jobs", &ann, taken).await.problem(409, "execution-id-taken");
        assert_eq!(taken["job"], Value::Null);
        for query in ["", "?kind=k", "?owner=ann", "?state=available"] {
            let page = get(&server, &format!("/api/v1/jobs{query}"), &ann).await.expect(200);
            assert_eq!(
                (page["items"].as_array().unwrap().len(), &page["items"][0]["id"]),
                (1, &own["id"]),
                "{query}"
            );
        }
        let page = get(&server, "/api/v1/jobs?owner=bob", &ann).await.expect(200);
        assert_eq!(page["items"], json!([]));
        let of_job = token(&server, key.reveal(), json!({"scopes": ["read"], "job": other["id"]})).await;
        let page = get(&server, "/api/v1/jobs", &of_job).await.expect(200);
        assert_eq!((page["items"].as_array().unwrap().len(), &page["items"][0]["id"]), (1, &other["id"]));
        let named = format!("/api/v1/events?job={}&job=execution:bobs", text(&own["id"]));
        get(&server, &named, &ann).await.problem(404, "job-not-found");
        get(&server, "/api/v1/events?all=true", &ann).await.problem(403, "forbidden");
    })
    .await;
}

#[tokio::test]
async fn equal_idempotency_keys_of_two_owners_are_two() {
    on_a_server(|server| async move {
        let key = server.make_key("backend", &[Scope::Enqueue]).await;
        until("the end of openness", || async { server.get("/api/v1/queues").await.status == 401 }).await;
        let mut jobs = Vec::new();
        for owner in ["ann", "bob", "ann"] {
            let made = token(&server, key.reveal(), json!({"scopes": ["enqueue"], "owner": owner})).await;
            let request = server.request(Method::POST, "/api/v1/jobs").bearer_auth(made);
            let request = request.header("Idempotency-Key", "1").json(&json!({"kind": "k"}));
            jobs.push(server.send(request).await.expect(202));
        }
        assert_eq!((&jobs[0]["owner"], &jobs[1]["owner"]), (&json!("ann"), &json!("bob")));
        assert_eq!(jobs[0]["id"], jobs[2]["id"]);
    })
    .await;
}

#[tokio::test]
async fn a_stream_ends_with_its_token_and_says_so() {
    on_a_server(|server| async move {
        let job = server.enqueue(json!({"kind": "k", "owner": "ann"})).await;
        let key = server.make_key("backend", &[Scope::Read]).await;
        until("the end of openness", || async { server.get("/api/v1/queues").await.status == 401 }).await;
        let body = json!({"scopes": ["read"], "owner": "ann", "expires_in": "3s"});
        let ann = token(&server, key.reveal(), body).await;
        let path = format!("/api/v1/jobs/{}/events/stream", text(&job["id"]));
        let response = server.request(Method::GET, &path).bearer_auth(&ann).send().await.unwrap();
        assert_eq!(response.status(), 200);
        let mut stream = response.bytes_stream();
        let mut heard = Vec::new();
        let all = tokio::time::timeout(std::time::Duration::from_secs(30), async {
            while let Some(piece) = stream.next().await {
                heard.extend_from_slice(&piece.unwrap());
            }
        });
        all.await.expect("the stream ends");
        assert!(String::from_utf8(heard).unwrap().contains(": the token has expired"));
        get(&server, &path, &ann).await.problem(401, "unauthorized");
    })
    .await;
}

#[tokio::test]
async fn of_many_jobs_a_token_sees_those_that_it_reaches() {
    on_a_server(|server| async move {
        let anns = server.enqueue(json!({"kind": "k", "owner": "ann", "execution_id": "ann/1"})).await;
        let other = server.enqueue(json!({"kind": "other", "owner": "ann"})).await;
        let bobs = server.enqueue(json!({"kind": "k", "owner": "bob", "execution_id": "bob/1"})).await;
        let key = server.make_key("backend", &[Scope::Read, Scope::Enqueue]).await;
        until("the end of openness", || async { server.get("/api/v1/queues").await.status == 401 }).await;
        let names = json!(["execution:bob/1", "execution:ann/1", other["id"], bobs["id"], anns["id"]]);
        for (body, expected) in [
            (json!({"scopes": ["read"], "owner": "ann"}), json!([null, anns, other, null, anns])),
            (
                json!({"scopes": ["read"], "owner": "ann", "kinds": ["k"]}),
                json!([null, anns, null, null, anns]),
            ),
            (json!({"scopes": ["read"], "job": bobs["id"]}), json!([bobs, null, null, bobs, null])),
            (json!({"scopes": ["read"], "owner": "eve"}), json!([null, null, null, null, null])),
        ] {
            let made = token(&server, key.reveal(), body.clone()).await;
            let found = post(&server, "/api/v1/jobs/get", &made, json!({ "jobs": names })).await.expect(200);
            assert_eq!(found["items"], expected, "{body}");
        }
        let made = token(&server, key.reveal(), json!({"scopes": ["cancel"], "owner": "ann"})).await;
        let refused = post(&server, "/api/v1/jobs/get", &made, json!({ "jobs": names })).await;
        refused.problem(403, "forbidden");
    })
    .await;
}
