//! Tickets: each opens one stream, reads what its token reads, and leaves no trace of itself.

use futures_util::StreamExt;
use reqwest::Method;
use serde_json::{Value, json};
use tidemill::api::server::auth::api_key::Scope;

use crate::api::server::{Answer, Server, on_a_server, text, until};

async fn post(server: &Server, path: &str, bearer: &str, body: Value) -> Answer {
    server.send(server.request(Method::POST, path).bearer_auth(bearer).json(&body)).await
}

async fn ticket(server: &Server, token: &str) -> String {
    let made = post(server, "/api/v1/tokens/ticket", token, json!({})).await.expect(201);
    text(&made["ticket"]).to_owned()
}

/// The status of a request without any header, as `EventSource` sends it, and the beginning of what it streams.
async fn open(server: &Server, path: &str) -> (u16, String) {
    let request = server.request(Method::GET, path).header("accept", "text/event-stream");
    let response = request.send().await.unwrap();
    let status = response.status().as_u16();
    let mut pieces = response.bytes_stream();
    let mut text = String::new();
    while status == 200 && !text.contains("event: snapshot") {
        text.push_str(&String::from_utf8_lossy(&pieces.next().await.unwrap().unwrap()));
    }
    (status, text)
}

#[tokio::test]
async fn a_ticket_opens_one_stream_of_what_its_token_reads() {
    on_a_server(|server| async move {
        let job = async |owner: &str| {
            text(&server.enqueue(json!({"kind": "k", "owner": owner})).await["id"]).to_owned()
        };
        let (own, other) = (job("ann").await, job("bob").await);
        let key = server.make_key("backend", &[Scope::Enqueue]).await;
        until("the end of openness", || async { server.get("/api/v1/queues").await.status == 401 }).await;
        post(&server, "/api/v1/tokens/ticket", key.reveal(), json!({})).await.problem(422, "invalid-request");
        let mint = async |scopes: Value| {
            let body = json!({"scopes": scopes, "owner": "ann"});
            text(&post(&server, "/api/v1/tokens", key.reveal(), body).await.expect(201)["token"]).to_owned()
        };
        let ann = mint(json!(["read", "cancel"])).await;
        let cancels = mint(json!(["cancel"])).await;
        post(&server, "/api/v1/tokens/ticket", &cancels, json!({})).await.problem(403, "forbidden");
        for path in [
            format!("/api/v1/jobs/{own}/events?ticket="),
            format!("/api/v1/jobs/{own}/events/stream?types=progress&ticket="),
            format!("/api/v1/events?job={own}&ticket="),
        ] {
            let path = format!("{path}{}", ticket(&server, &ann).await);
            let (status, begun) = open(&server, &path).await;
            assert_eq!(status, 200, "{path}");
            assert!(begun.contains(&own), "{begun}");
            assert_eq!(open(&server, &path).await.0, 401, "it was used");
        }
        let foreign = [format!("/api/v1/jobs/{other}/events?"), format!("/api/v1/events?job={other}&")];
        for path in foreign {
            let path = format!("{path}ticket={}", ticket(&server, &ann).await);
            assert_eq!(open(&server, &path).await.0, 404, "{path}");
        }
        // Nothing but streams, and no act.
        for (method, path) in [
            (Method::GET, format!("/api/v1/jobs/{own}")),
            (Method::GET, "/api/v1/jobs".into()),
            (Method::GET, "/api/v1/me/activity".into()),
            (Method::POST, format!("/api/v1/jobs/{own}/cancel")),
            (Method::POST, "/api/v1/tokens/ticket".into()),
        ] {
            let path = format!("{path}?ticket={}", ticket(&server, &ann).await);
            server.send(server.request(method, &path)).await.problem(403, "forbidden");
        }
        let made = ticket(&server, &ann).await;
        let (payload, _) = made.split_once('.').unwrap();
        let forged = format!("{payload}.{}", ticket(&server, &ann).await.split_once('.').unwrap().1);
        let path = format!("/api/v1/jobs/{own}/events?ticket=");
        for bad in ["", "x", &forged, &made.replace("tms_", "tmt_")] {
            let status = open(&server, &format!("{path}{bad}")).await.0;
            assert!([400, 401].contains(&status), "{status} {bad}");
        }
        let header = server.request(Method::GET, &format!("/api/v1/jobs/{own}")).bearer_auth(&made);
        server.send(header).await.problem(401, "unauthorized");
        server.store.revoke_api_key(key.id()).await.unwrap();
        until("the end of the key", || async {
            server.send(server.request(Method::GET, "/api/v1/jobs").bearer_auth(&ann)).await.status == 401
        })
        .await;
        assert_eq!(open(&server, &format!("{path}{made}")).await.0, 401);
    })
    .await;
}

#[tokio::test]
async fn a_stream_of_a_ticket_ends_with_its_token() {
    on_a_server(|server| async move {
        let job = server.enqueue(json!({"kind": "k", "owner": "ann"})).await;
        let key = server.make_key("backend", &[Scope::Enqueue]).await;
        until("the end of openness", || async { server.get("/api/v1/queues").await.status == 401 }).await;
        let body = json!({"scopes": ["read"], "owner": "ann", "expires_in": "3s"});
        let token = post(&server, "/api/v1/tokens", key.reveal(), body).await.expect(201);
        let ticket = ticket(&server, text(&token["token"])).await;
        let path = format!("/api/v1/jobs/{}/events?ticket={ticket}", text(&job["id"]));
        let request = server.request(Method::GET, &path).header("accept", "text/event-stream");
        let body = request.send().await.unwrap().error_for_status().unwrap().text().await.unwrap();
        assert!(body.contains("the token has expired"), "{body}");
    })
    .await;
}
