//! Streams and connections have bounds, and a caller that reaches them shuts no other out.

use std::time::Duration;

use reqwest::Method;
use reqwest::header::{ACCEPT, RETRY_AFTER};
use serde_json::json;
use tidemill::api::server::auth::api_key::Scope;
use tidemill::api::server::settings::ApiSettings;
use tokio::io::AsyncReadExt as _;
use tokio::net::TcpStream;

use super::server::{Server, on_a_server_with, text, until};

fn bounds() -> ApiSettings {
    ApiSettings {
        max_connections: 20,
        max_streams_per_address: 8,
        max_streams_per_key: 3,
        ..ApiSettings::default()
    }
}

/// Opens an event stream; the answer stays open as long as it is kept.
async fn stream(server: &Server, id: &str, key: Option<&str>) -> reqwest::Response {
    let request =
        server.request(Method::GET, &format!("/api/v1/jobs/{id}/events")).header(ACCEPT, "text/event-stream");
    let request = if let Some(key) = key { request.bearer_auth(key) } else { request };
    request.send().await.unwrap()
}

#[tokio::test]
async fn streams_of_one_address_are_limited_and_everything_else_goes_on() {
    on_a_server_with(bounds(), Vec::new(), |server| async move {
        let id = text(&server.enqueue(json!({"kind": "k"})).await["id"]).to_owned();
        let mut open = Vec::new();
        for _ in 0..8 {
            let answer = stream(&server, &id, None).await;
            assert_eq!(answer.status(), 200);
            open.push(answer);
        }
        let refused = stream(&server, &id, None).await;
        assert_eq!((refused.status().as_u16(), refused.headers()[RETRY_AFTER].to_str().unwrap()), (429, "5"));
        let problem: serde_json::Value = refused.json().await.unwrap();
        assert!(text(&problem["remedy"]).contains("api.max_streams_per_address"), "{problem}");
        let waiting = server.get(&format!("/api/v1/jobs/{id}/result?wait=1s")).await;
        waiting.problem(429, "too-many-requests");
        assert_eq!(server.get("/healthz").await.status, 200);
        assert_eq!(server.get("/readyz").await.status, 200);
        server.enqueue(json!({"kind": "k"})).await;
        drop(open.pop());
        until("a place is free again", || async { stream(&server, &id, None).await.status() == 200 }).await;
    })
    .await;
}

#[tokio::test]
async fn a_key_has_fewer_of_its_own() {
    on_a_server_with(bounds(), Vec::new(), |server| async move {
        let id = text(&server.enqueue(json!({"kind": "k"})).await["id"]).to_owned();
        let (one, other) =
            (server.make_key("one", &[Scope::Read]).await, server.make_key("other", &[Scope::Read]).await);
        until("the end of openness", || async { server.get("/api/v1/queues").await.status == 401 }).await;
        let mut open = Vec::new();
        for _ in 0..3 {
            open.push(stream(&server, &id, Some(one.reveal())).await);
        }
        assert_eq!(stream(&server, &id, Some(one.reveal())).await.status(), 429);
        assert_eq!(stream(&server, &id, Some(other.reveal())).await.status(), 200);
        assert!(open.iter().all(|answer| answer.status() == 200));
    })
    .await;
}

#[tokio::test]
async fn with_all_connections_taken_short_requests_are_answered() {
    // The tests share an address, and one address has three quarters of the places.
    let settings = ApiSettings { max_streams_per_address: 15, ..bounds() };
    on_a_server_with(settings, Vec::new(), |server| async move {
        let id = text(&server.enqueue(json!({"kind": "k"})).await["id"]).to_owned();
        let mut open = Vec::new();
        for _ in 0..15 {
            let answer = stream(&server, &id, None).await;
            assert_eq!(answer.status(), 200);
            open.push(answer);
        }
        let fresh = reqwest::Client::builder().no_proxy().pool_max_idle_per_host(0).build().unwrap();
        let get = |path: &str| fresh.get(format!("http://{}{path}", server.address)).send();
        assert_eq!(get("/healthz").await.unwrap().status(), 200);
        assert_eq!(get("/readyz").await.unwrap().status(), 200);
        assert_eq!(get("/metrics").await.unwrap().status(), 200);
        let post = fresh.post(format!("http://{}/api/v1/jobs", server.address)).json(&json!({"kind": "k"}));
        assert_eq!(post.send().await.unwrap().status(), 202);
        let refused = get(&format!("/api/v1/jobs/{id}/result?wait=1s")).await.unwrap();
        assert_eq!(refused.status(), 503, "it would hold a place that is kept for short requests");
        // Far more than there are places of either sort: those beyond hear so at once.
        let mut beyond = Vec::new();
        for _ in 0..300 {
            beyond.push(TcpStream::connect(server.address).await.unwrap());
        }
        let mut is_said = false;
        for socket in beyond.iter_mut().rev() {
            let mut heard = String::new();
            // Those that have a place say nothing and are cut.
            let _ = tokio::time::timeout(Duration::from_secs(20), socket.read_to_string(&mut heard))
                .await
                .unwrap();
            is_said |= heard.starts_with("HTTP/1.1 503") && heard.contains("Retry-After");
        }
        assert!(is_said);
        assert!(open.iter().all(|answer| answer.status() == 200));
    })
    .await;
}
