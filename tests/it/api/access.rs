//! Who may do what: open without keys, shut with one, each scope exactly what the table says; and that
//! strangers' hosts and origins are refused.

use std::collections::BTreeSet;

use futures_util::StreamExt;
use reqwest::Method;
use serde_json::json;
use tidemill::api::server::auth::access::Rule;
use tidemill::api::server::auth::api_key::{ApiKey, Scope};
use tidemill::api::server::settings::ApiSettings;

use super::server::{Server, on_a_server, on_a_server_with, text, until};

/// What a request of a rule's route was answered with; it may make sense or not.
async fn knock(server: &Server, rule: &Rule, key: Option<&ApiKey>) -> u16 {
    let path = rule
        .path
        .replace("{id}", "execution:nobody")
        .replace("{queue}", "lane")
        .replace("{worker}", "nobody")
        .replace("{schedule}", "nobody")
        .replace("{execution_id}", "nobody")
        .replace("{file}", "x");
    let method = Method::from_bytes(rule.method.as_bytes()).unwrap();
    let mut request = server.request(method.clone(), &path);
    if method != Method::GET {
        request = request.json(&json!({}));
    }
    if let Some(key) = key {
        request = request.bearer_auth(key.reveal());
    }
    server.send(request).await.status
}

#[tokio::test]
async fn every_route_lets_in_whom_its_rule_names() {
    on_a_server(|server| async move {
        for rule in server.state.access.rules() {
            let status = knock(&server, rule, None).await;
            assert!(![401, 403, 405, 500].contains(&status), "{} {} open: {status}", rule.method, rule.path);
        }
        let mut keys = Vec::new();
        for scope in Scope::ALL {
            keys.push((*scope, server.make_key(scope.name(), &[*scope]).await));
        }
        until("the end of openness", || async { server.get("/api/v1/queues").await.status == 401 }).await;
        for rule in server.state.access.rules() {
            let name = format!("{} {}", rule.method, rule.path);
            let anonymous = knock(&server, rule, None).await;
            assert_eq!(anonymous == 401, !rule.scopes.is_empty(), "{name} without a key: {anonymous}");
            let stranger = knock(&server, rule, Some(&ApiKey::generate())).await;
            assert_eq!(stranger == 401, !rule.scopes.is_empty(), "{name} with an unknown key: {stranger}");
            for (scope, key) in &keys {
                let status = knock(&server, rule, Some(key)).await;
                let may = rule.scopes.is_empty() || *scope == Scope::Admin || rule.scopes.contains(scope);
                assert_eq!(status == 403, !may, "{name} with {scope}: {status}");
                assert!(status != 401 && status != 405 && status != 500, "{name} with {scope}: {status}");
            }
        }
        let (_, admin) = &keys[3];
        server.store.revoke_api_key(admin.id()).await.unwrap();
        until("the key's end", || async {
            knock(&server, server.state.access.rules().last().unwrap(), Some(admin)).await == 401
        })
        .await;
    })
    .await;
}

#[tokio::test]
async fn the_actor_is_the_name_of_the_key() {
    on_a_server(|server| async move {
        let key = server.make_key("ann", &[Scope::Admin]).await;
        until("the end of openness", || async { server.get("/api/v1/queues").await.status == 401 }).await;
        let pause = server.request(Method::POST, "/api/v1/queues/q/pause").bearer_auth(key.reveal());
        assert_eq!(server.send(pause).await.expect(200)["paused_by"], "ann");
        // A key's answers are its own.
        let other = server.make_key("bob", &[Scope::Admin]).await;
        let mut ids = BTreeSet::new();
        for key in [&key, &other] {
            let request = server.request(Method::POST, "/api/v1/jobs").bearer_auth(key.reveal());
            let request = request.header("Idempotency-Key", "same").json(&json!({"kind": "a"}));
            ids.insert(server.send(request).await.expect(202)["id"].to_string());
        }
        assert_eq!(ids.len(), 2);
    })
    .await;
}

#[tokio::test]
async fn the_table_and_the_description_have_the_same_routes() {
    on_a_server(|server| async move {
        let api = server.get("/api/v1/openapi.json").await.expect(200);
        let described: BTreeSet<(String, String)> = api["paths"]
            .as_object()
            .unwrap()
            .iter()
            .flat_map(|(path, item)| {
                let methods = ["get", "post", "patch", "put", "delete"];
                let found = methods.into_iter().filter(move |method| item.get(method).is_some());
                found.map(move |method| (method.to_uppercase(), path.clone()))
            })
            .collect();
        // For browsers, and the description itself.
        let undescribed = |path: &str| {
            path.starts_with("/docs")
                || path == "/api/v1/openapi.json"
                || !path.starts_with("/api") && !is_described(path)
        };
        let ruled: BTreeSet<(String, String)> = server
            .state
            .access
            .rules()
            .filter(|rule| !undescribed(&rule.path))
            .map(|rule| (rule.method.to_owned(), rule.path.clone().into_owned()))
            .collect();
        assert_eq!(described, ruled);
        for (path, item) in api["paths"].as_object().unwrap() {
            for operation in
                item.as_object().unwrap().values().filter(|operation| operation["responses"].is_object())
            {
                assert!(
                    operation["summary"].is_string() && operation["tags"][0].is_string(),
                    "{path}: {operation}"
                );
            }
        }
    })
    .await;
}

/// Outside of /api: what watches a process, and the shapes of other services.
fn is_described(path: &str) -> bool {
    ["/healthz", "/readyz", "/metrics", "/execute", "/ws/execution/{execution_id}"].contains(&path)
        || path.starts_with("/task-status/")
}

#[tokio::test]
async fn strangers_hosts_and_origins_are_refused() {
    let settings = ApiSettings { cors_origins: vec!["https://good.test".into()], ..ApiSettings::default() };
    on_a_server_with(settings, Vec::new(), |server| async move {
        let with_host = server.request(Method::GET, "/healthz").header("Host", "evil.test");
        server.send(with_host).await.problem(421, "misdirected-host");
        let job = json!({"kind": "a"});
        let from = |origin: &'static str| {
            server
                .request(Method::POST, "/api/v1/jobs")
                .header("Origin", origin)
                .header("Sec-Fetch-Site", "cross-site")
                .json(&job)
        };
        server.send(from("https://evil.test")).await.problem(403, "cross-site");
        let good = server.send(from("https://good.test")).await;
        assert_eq!(good.headers["access-control-allow-origin"], "https://good.test");
        good.expect(202);
        let preflight = |origin: &'static str| {
            server
                .request(Method::OPTIONS, "/api/v1/jobs")
                .header("Origin", origin)
                .header("Access-Control-Request-Method", "POST")
        };
        assert_eq!(server.send(preflight("https://good.test")).await.status, 200);
        let bad = server.send(preflight("https://evil.test")).await;
        assert!(!bad.headers.contains_key("access-control-allow-origin"));
        let listed = server.get("/api/v1/jobs").await.expect(200);
        assert_eq!(listed["items"].as_array().map(Vec::len), Some(1), "{listed}");
    })
    .await;
}

#[tokio::test]
async fn m7_a_key_that_is_revoked_ends_its_stream() {
    on_a_server(|server| async move {
        let key = server.make_key("ann", &[Scope::Admin]).await;
        let bearer = key.reveal();
        let enqueue = server.request(Method::POST, "/api/v1/jobs").bearer_auth(bearer);
        let job = server.send(enqueue.json(&json!({"kind": "k"}))).await.expect(202);
        let path = format!("/api/v1/jobs/{}/events", text(&job["id"]));
        let request =
            server.request(Method::GET, &path).bearer_auth(bearer).header("Accept", "text/event-stream");
        let mut stream = request.send().await.unwrap().bytes_stream();
        assert!(!stream.next().await.unwrap().unwrap().is_empty());
        server.store.revoke_api_key(key.id()).await.unwrap();
        let ended = tokio::time::timeout(std::time::Duration::from_secs(30), async {
            while stream.next().await.is_some() {}
        });
        ended.await.expect("the stream ends");
        let again = server.request(Method::GET, &path).bearer_auth(bearer);
        server.send(again).await.problem(401, "unauthorized");
    })
    .await;
}

#[tokio::test]
async fn a_key_that_is_made_or_revoked_over_rest_counts_with_the_next_request() {
    on_a_server(|server| async move {
        server.get("/api/v1/queues").await.expect(200);
        let root =
            server.post("/api/v1/keys", json!({"name": "root", "scopes": ["admin"]})).await.expect(201);
        server.get("/api/v1/queues").await.problem(401, "unauthorized");
        let bearer = text(&root["key"]);
        let with = |method, path: &str| server.request(method, path).bearer_auth(bearer);
        server.send(with(Method::GET, "/api/v1/queues")).await.expect(200);
        let revoke = with(Method::DELETE, &format!("/api/v1/keys/{}", text(&root["id"])));
        assert_eq!(server.send(revoke).await.status, 204);
        server.send(with(Method::GET, "/api/v1/queues")).await.problem(401, "unauthorized");
    })
    .await;
}
