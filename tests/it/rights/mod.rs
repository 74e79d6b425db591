//! Who may do what over REST: one's own rights, API keys made and revoked, and the settings of the process.

mod sessions;

use reqwest::Method;
use serde_json::{Value, json};
use tidemill::api::server::auth::api_key::{ApiKey, Scope};
use tidemill::api::server::settings::{ApiSettings, ShownSetting};

use crate::api::server::{Answer, Server, on_a_server, on_a_server_with, text, until};

async fn ask(server: &Server, key: &str, method: Method, path: &str, body: Option<Value>) -> Answer {
    let request = server.request(method, path).bearer_auth(key);
    server.send(if let Some(body) = body { request.json(&body) } else { request }).await
}

/// A server that was open believes so for a moment.
async fn until_shut(server: &Server) {
    until("the server asks for a key", || async { server.get("/api/v1/keys").await.status == 401 }).await;
}

#[tokio::test]
async fn everybody_learns_his_own_role() {
    on_a_server(|server| async move {
        let open = server.get("/api/v1/me").await.expect(200);
        assert_eq!(
            (&open["role"], &open["has_key"], &open["name"]),
            (&json!("admin"), &json!(false), &json!("anonymous"))
        );
        server.make_key("first", &[Scope::Admin]).await;
        until_shut(&server).await;
        for (scopes, role) in [
            (&[Scope::Admin][..], "admin"),
            (&[Scope::Read, Scope::Enqueue], "operator"),
            (&[Scope::Read], "viewer"),
            (&[Scope::Work], "viewer"),
        ] {
            let key = server.make_key("somebody", scopes).await;
            let me = ask(&server, key.reveal(), Method::GET, "/api/v1/me", None).await.expect(200);
            let names: Vec<_> = scopes.iter().map(|scope| scope.name()).collect();
            assert_eq!(
                me,
                json!({"name": "somebody", "scopes": names, "role": role, "has_key": true, "session": null})
            );
        }
        server.get("/api/v1/me").await.problem(401, "unauthorized");
    })
    .await;
}

#[tokio::test]
async fn a_key_is_made_shown_once_used_and_revoked() {
    on_a_server(|server| async move {
        // The first key shuts the server for all others, so it has to open everything.
        let weak = json!({"name": "first", "scopes": ["read"]});
        server.post("/api/v1/keys", weak).await.problem(422, "invalid-request");
        let first =
            server.post("/api/v1/keys", json!({"name": "first", "scopes": ["admin"]})).await.expect(201);
        let admin = text(&first["key"]);
        assert!(ApiKey::parse(admin).is_some_and(|key| key.id() == text(&first["id"])));
        until_shut(&server).await;
        for bad in [
            json!({"name": "x", "scopes": []}),
            json!({"name": "x", "scopes": ["everything"]}),
            json!({"name": "x", "scopes": ["read"], "expires_in": "never"}),
            json!({"name": "x", "scopes": ["read"], "expires_in": 315_360_001}),
            json!({"name": "", "scopes": ["read"]}),
            json!({"scopes": ["read"]}),
        ] {
            ask(&server, admin, Method::POST, "/api/v1/keys", Some(bad))
                .await
                .problem(422, "invalid-request");
        }
        let request = json!({"name": "board", "scopes": ["read", "read"], "expires_in": "90d"});
        let made = ask(&server, admin, Method::POST, "/api/v1/keys", Some(request)).await.expect(201);
        let board = text(&made["key"]);
        assert_eq!(made["scopes"], json!(["read"]));
        ask(&server, board, Method::GET, "/api/v1/jobs", None).await.expect(200);
        for (method, path) in
            [(Method::GET, "/api/v1/keys"), (Method::POST, "/api/v1/keys"), (Method::GET, "/api/v1/settings")]
        {
            let body = (method == Method::POST).then(|| json!({"name": "x", "scopes": ["admin"]}));
            ask(&server, board, method, path, body).await.problem(403, "forbidden");
        }
        let listed = ask(&server, admin, Method::GET, "/api/v1/keys", None).await.expect(200);
        assert!(!listed.to_string().contains(&board[16..]), "the secret part is nowhere");
        let [newest, oldest] = listed["items"].as_array().unwrap().as_slice() else { panic!("{listed}") };
        assert_eq!(
            (&newest["name"], &newest["is_mine"], &oldest["is_mine"]),
            (&json!("board"), &json!(false), &json!(true))
        );
        assert!(newest["expires_at"].is_string() && newest["usable"] == true);
        let path = format!("/api/v1/keys/{}", text(&made["id"]));
        ask(&server, admin, Method::DELETE, &path, None).await.expect(204);
        until("the key is refused", || async {
            ask(&server, board, Method::GET, "/api/v1/jobs", None).await.status == 401
        })
        .await;
        ask(&server, admin, Method::DELETE, "/api/v1/keys/nobody", None).await.problem(404, "not-found");
        let acts = ask(&server, admin, Method::GET, "/api/v1/audit?who=first", None).await.expect(200);
        let words: Vec<_> =
            acts["items"].as_array().unwrap().iter().map(|act| text(&act["action"])).collect();
        assert_eq!(words, ["change key", "make key"]);
    })
    .await;
}

#[tokio::test]
async fn settings_are_shown_as_the_process_has_them() {
    let shown = vec![ShownSetting {
        key: "api.listen".into(),
        value: Some("127.0.0.1:1".into()),
        source: "default".into(),
    }];
    on_a_server_with(ApiSettings { shown, ..ApiSettings::default() }, Vec::new(), |server| async move {
        let answer = server.get("/api/v1/settings").await.expect(200);
        assert_eq!(
            answer["items"],
            json!([{"key": "api.listen", "value": "127.0.0.1:1", "source": "default"}])
        );
    })
    .await;
}
