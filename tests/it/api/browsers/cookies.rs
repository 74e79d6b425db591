//! A token in a cookie: only where the operator says so, and never for a foreign page.

use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};
use tidemill::api::server::auth::api_key::Scope;
use tidemill::api::server::auth::cookie::SameSite;
use tidemill::api::server::settings::ApiSettings;

use crate::api::server::{Answer, Server, on_a_server, on_a_server_with, text, until};

const APP: &str = "https://app.test";

/// Ann's token of a backend.
async fn token(server: &Server) -> String {
    let key = server.make_key("backend", &[Scope::Enqueue]).await;
    until("the end of openness", || async { server.get("/api/v1/queues").await.status == 401 }).await;
    let body = json!({"scopes": ["read", "enqueue", "cancel"], "owner": "ann"});
    let request = server.request(Method::POST, "/api/v1/tokens").bearer_auth(key.reveal()).json(&body);
    text(&server.send(request).await.expect(201)["token"]).to_owned()
}

fn header<'a>(answer: &'a Answer, name: &str) -> Option<&'a str> {
    answer.headers.get(name).map(|value| value.to_str().unwrap())
}

#[tokio::test]
async fn a_page_of_an_allowed_origin_works_with_the_cookie_alone() {
    let settings = ApiSettings {
        cors_origins: vec![APP.into()],
        token_cookie: Some(("tm".into(), SameSite::None)),
        ..ApiSettings::default()
    };
    on_a_server_with(settings, Vec::new(), |server| async move {
        let job = server.enqueue(json!({"kind": "k", "owner": "ann"})).await;
        let other = server.enqueue(json!({"kind": "k", "owner": "bob"})).await;
        let token = token(&server).await;
        let preflight = server
            .request(Method::OPTIONS, "/api/v1/jobs")
            .header("origin", APP)
            .header("access-control-request-method", "POST")
            .header("access-control-request-headers", "content-type,x-csrf-token");
        let preflight = server.http.execute(preflight.build().unwrap()).await.unwrap();
        assert_eq!(preflight.headers()["access-control-allow-origin"], APP);
        assert_eq!(preflight.headers()["access-control-allow-credentials"], "true");
        let allowed = preflight.headers()["access-control-allow-headers"].to_str().unwrap();
        assert!(allowed.contains("x-csrf-token"), "{allowed}");

        let set =
            server.request(Method::POST, "/api/v1/tokens/cookie").bearer_auth(&token).header("origin", APP);
        let set = server.send(set).await;
        let cookie = header(&set, "set-cookie").unwrap().to_owned();
        assert!(cookie.starts_with(&format!("tm={token}; Path=/; Max-Age=")), "{cookie}");
        assert!(cookie.ends_with("; HttpOnly; Secure; SameSite=None"), "{cookie}");
        let with = |method: Method, path: &str| {
            let request = server.request(method, path).header("cookie", format!("theme=dark; tm={token}"));
            request.header("origin", APP)
        };
        let csrf = server.send(with(Method::GET, "/api/v1/tokens/csrf")).await;
        assert_eq!(header(&csrf, "access-control-allow-origin"), Some(APP));
        assert_eq!(header(&csrf, "access-control-allow-credentials"), Some("true"));
        assert_eq!(csrf.body["csrf_token"], set.body["csrf_token"]);
        let csrf = text(&csrf.body["csrf_token"]).to_owned();

        let found = server.send(with(Method::GET, "/api/v1/jobs")).await.expect(200);
        assert_eq!((found["items"].as_array().unwrap().len(), &found["items"][0]["id"]), (1, &job["id"]));
        let at = |id: &Value, verb: &str| format!("/api/v1/jobs/{}{verb}", text(id));
        server.send(with(Method::GET, &at(&other["id"], ""))).await.problem(404, "job-not-found");
        let act = |request: RequestBuilder| server.send(request.json(&json!({"kind": "k"})));
        act(with(Method::POST, "/api/v1/jobs")).await.problem(403, "cross-site");
        act(with(Method::POST, "/api/v1/jobs").header("x-csrf-token", "x")).await.problem(403, "cross-site");
        let made = act(with(Method::POST, "/api/v1/jobs").header("x-csrf-token", &csrf)).await.expect(202);
        assert_eq!(made["owner"], "ann");
        server.send(with(Method::POST, &at(&made["id"], "/cancel"))).await.problem(403, "cross-site");
        let cancel = with(Method::POST, &at(&made["id"], "/cancel")).header("x-csrf-token", &csrf);
        server.send(cancel).await.expect(200);
        // A key is no token, and what a token may not do a cookie may not either.
        let retry = with(Method::POST, &at(&made["id"], "/retry")).header("x-csrf-token", &csrf);
        server.send(retry).await.problem(403, "forbidden");
        let removed = with(Method::DELETE, "/api/v1/tokens/cookie").header("x-csrf-token", &csrf);
        let removed = server.send(removed).await;
        assert!(header(&removed, "set-cookie").unwrap().starts_with("tm=; Path=/; Max-Age=0;"));
    })
    .await;
}

#[tokio::test]
async fn foreign_pages_cannot_use_the_cookie() {
    let settings = ApiSettings { token_cookie: Some(("tm".into(), SameSite::Lax)), ..ApiSettings::default() };
    on_a_server_with(settings, Vec::new(), |server| async move {
        let token = token(&server).await;
        let own = format!("http://{}", server.address);
        let send =
            async |method: Method, path: &str, cookie: &str, origin: Option<&str>, csrf: Option<&str>| {
                let mut request =
                    server.request(method, path).header("cookie", cookie).json(&json!({"kind": "k"}));
                for (name, value) in [("origin", origin), ("x-csrf-token", csrf)] {
                    if let Some(value) = value {
                        request = request.header(name, value);
                    }
                }
                server.send(request).await
            };
        let cookie = format!("tm={token}");
        let csrf = send(Method::GET, "/api/v1/tokens/csrf", &cookie, Some(&own), None).await.expect(200);
        let csrf = Some(text(&csrf["csrf_token"]));
        send(Method::POST, "/api/v1/jobs", &cookie, Some(&own), csrf).await.expect(202);
        send(Method::POST, "/api/v1/jobs", &cookie, None, csrf).await.problem(403, "cross-site");
        for origin in ["https://evil.test", APP, "null"] {
            for (method, path) in [(Method::POST, "/api/v1/jobs"), (Method::GET, "/api/v1/jobs")] {
                let answer = send(method, path, &cookie, Some(origin), csrf).await;
                assert_eq!(header(&answer, "access-control-allow-origin"), None);
                answer.problem(403, "cross-site");
            }
        }
        let twice = format!("{cookie}; {cookie}");
        send(Method::GET, "/api/v1/jobs", &twice, Some(&own), None).await.problem(400, "bad-request");
        let key = server.make_key("admin", &[Scope::Admin]).await;
        let of_key = format!("tm={}", key.reveal());
        send(Method::GET, "/api/v1/jobs", &of_key, Some(&own), None).await.problem(401, "unauthorized");
    })
    .await;
}

#[tokio::test]
async fn by_default_no_cookie_is_read_and_no_page_may_send_one() {
    let settings = ApiSettings { cors_origins: vec![APP.into()], ..ApiSettings::default() };
    on_a_server_with(settings, Vec::new(), |server| async move {
        let token = token(&server).await;
        let with = server.request(Method::GET, "/api/v1/jobs").header("cookie", format!("tm={token}"));
        let answer = server.send(with.header("origin", APP)).await;
        assert_eq!(header(&answer, "access-control-allow-origin"), Some(APP));
        assert_eq!(header(&answer, "access-control-allow-credentials"), None);
        answer.problem(401, "unauthorized");
        for (method, path) in [(Method::POST, "cookie"), (Method::DELETE, "cookie"), (Method::GET, "csrf")] {
            let request = server.request(method, &format!("/api/v1/tokens/{path}")).bearer_auth(&token);
            server.send(request).await.problem(404, "not-found");
        }
    })
    .await;
}

#[tokio::test]
async fn a_key_cannot_be_put_into_the_cookie() {
    let settings = ApiSettings { token_cookie: Some(("tm".into(), SameSite::Lax)), ..ApiSettings::default() };
    on_a_server_with(settings, Vec::new(), |server| async move {
        let key = server.make_key("backend", &[Scope::Enqueue]).await;
        until("the end of openness", || async { server.get("/api/v1/queues").await.status == 401 }).await;
        let request = server.request(Method::POST, "/api/v1/tokens/cookie").bearer_auth(key.reveal());
        server.send(request).await.problem(422, "invalid-request");
    })
    .await;
    on_a_server(|server| async move {
        server.act("/api/v1/tokens/cookie").await.problem(404, "not-found");
    })
    .await;
}
