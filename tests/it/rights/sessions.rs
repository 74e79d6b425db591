//! The session of the dashboard: a key exchanged for a cookie, with the key's rights, only for pages of the
//! server itself, and no longer than the key.

use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};
use tidemill::api::server::auth::api_key::{ApiKey, Scope};
use tidemill::api::server::settings::ApiSettings;
use tokio_util::sync::CancellationToken;

use super::until_shut;
use crate::api::server::{Answer, Server, on_a_server, start, text, until};
use crate::support::wait_at_most;

/// A page that signed in: its cookie, and the value that goes with it.
struct Page<'a> {
    server: &'a Server,
    origin: String,
    cookie: String,
    csrf: String,
}

impl<'a> Page<'a> {
    async fn sign_in(server: &'a Server, key: &ApiKey, origin: &str) -> Page<'a> {
        let request = server.request(Method::POST, "/api/v1/session").bearer_auth(key.reveal());
        let answer = server.send(request.header("origin", origin)).await;
        let set = set_cookie(&answer);
        let cookie = set.split(';').next().unwrap().to_owned();
        let csrf = text(&answer.expect(200)["csrf_token"]).to_owned();
        Page { server, origin: origin.to_owned(), cookie, csrf }
    }

    async fn ask(&self, method: Method, path: &str, headers: &[(&str, &str)]) -> Answer {
        let mut request = self.server.request(method, path).header("cookie", &self.cookie);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        self.server.send(request).await
    }

    /// As the page does it.
    async fn act(&self, method: Method, path: &str) -> Answer {
        self.ask(method, path, &[("origin", &self.origin), ("x-csrf-token", &self.csrf)]).await
    }
}

fn set_cookie(answer: &Answer) -> String {
    answer.headers.get("set-cookie").unwrap().to_str().unwrap().to_owned()
}

fn own(server: &Server) -> String {
    format!("http://{}", server.address)
}

#[tokio::test]
async fn a_key_becomes_a_cookie_that_no_script_reads_and_acts_as_the_key() {
    on_a_server(|server| async move {
        server.send(server.request(Method::POST, "/api/v1/session")).await.problem(422, "invalid-request");
        let key = server.make_key("ann", &[Scope::Admin]).await;
        until_shut(&server).await;
        let page = Page::sign_in(&server, &key, &own(&server)).await;
        assert!(
            page.cookie.starts_with("tidemill-session=tmd_") && !page.cookie.contains(&key.reveal()[17..])
        );
        let me = page.ask(Method::GET, "/api/v1/me", &[]).await.expect(200);
        assert_eq!((&me["name"], &me["role"]), (&json!("ann"), &json!("admin")));
        assert_eq!(me["session"]["csrf_token"], page.csrf);
        page.act(Method::POST, "/api/v1/queues/default/pause").await.expect(200);
        let audit = page.ask(Method::GET, "/api/v1/audit?who=ann", &[]).await.expect(200);
        assert_eq!(audit["items"].as_array().map(Vec::len), Some(1), "{audit}");
        // A session makes no further one, so that it cannot live for ever.
        page.act(Method::POST, "/api/v1/session").await.problem(422, "invalid-request");
        let out = page.act(Method::DELETE, "/api/v1/session").await;
        assert_eq!(out.status, 204);
        assert!(set_cookie(&out).starts_with("tidemill-session=; Path=/; Max-Age=0; HttpOnly; "));
    })
    .await;
}

#[tokio::test]
async fn the_cookie_is_strict_and_secure_where_the_page_is() {
    on_a_server(|server| async move {
        let key = server.make_key("ann", &[Scope::Admin]).await;
        until_shut(&server).await;
        let secure_of = async |origin: Option<&str>| {
            let request = server.request(Method::POST, "/api/v1/session").bearer_auth(key.reveal());
            let request = match origin {
                Some(origin) => request.header("origin", origin).header("sec-fetch-site", "same-origin"),
                None => request,
            };
            let set = set_cookie(&server.send(request).await);
            assert!(set.contains("; Path=/; Max-Age=431") && set.contains("; HttpOnly; "), "{set}");
            assert!(set.ends_with("SameSite=Strict"), "{set}");
            set.contains("; Secure; ")
        };
        assert!(!secure_of(Some(&own(&server))).await);
        assert!(secure_of(Some("https://jobs.test")).await && secure_of(None).await);
    })
    .await;
}

#[tokio::test]
async fn other_pages_cannot_use_it() {
    on_a_server(|server| async move {
        let key = server.make_key("ann", &[Scope::Admin]).await;
        until_shut(&server).await;
        let page = Page::sign_in(&server, &key, &own(&server)).await;
        let (pause, csrf) = ("/api/v1/queues/default/pause", page.csrf.as_str());
        let foreign = ("origin", "https://evil.test");
        page.ask(Method::POST, pause, &[foreign, ("x-csrf-token", csrf)]).await.problem(403, "cross-site");
        page.ask(Method::POST, pause, &[("origin", &page.origin)]).await.problem(403, "cross-site");
        page.ask(Method::POST, pause, &[("x-csrf-token", csrf)]).await.problem(403, "cross-site");
        let wrong = [("origin", page.origin.as_str()), ("x-csrf-token", "x")];
        page.ask(Method::POST, pause, &wrong).await.problem(403, "cross-site");
        page.ask(Method::GET, "/api/v1/jobs", &[foreign]).await.problem(403, "cross-site");
        // A browser says that the page is the server's own even where a proxy changed the host.
        let behind_a_proxy =
            [("origin", "https://jobs.test"), ("sec-fetch-site", "same-origin"), ("x-csrf-token", csrf)];
        page.ask(Method::POST, pause, &behind_a_proxy).await.expect(200);
    })
    .await;
}

#[tokio::test]
async fn it_has_the_rights_of_its_key_and_ends_with_it() {
    on_a_server(|server| async move {
        let admin = server.make_key("first", &[Scope::Admin]).await;
        let viewer = server.make_key("board", &[Scope::Read]).await;
        until_shut(&server).await;
        let page = Page::sign_in(&server, &viewer, &own(&server)).await;
        page.ask(Method::GET, "/api/v1/jobs", &[]).await.expect(200);
        page.act(Method::POST, "/api/v1/queues/default/pause").await.problem(403, "forbidden");
        page.ask(Method::GET, "/api/v1/keys", &[]).await.problem(403, "forbidden");
        let stream = server.request(Method::GET, "/api/v1/events?all=true").header("cookie", &page.cookie);
        let stream = server.http.execute(stream.build().unwrap()).await.unwrap();
        assert_eq!(stream.status(), 200);
        let revoke = server.request(Method::DELETE, &format!("/api/v1/keys/{}", viewer.id()));
        server.send(revoke.bearer_auth(admin.reveal())).await;
        until("the session is refused", || async {
            page.ask(Method::GET, "/api/v1/jobs", &[]).await.status == 401
        })
        .await;
        let rest = tokio::time::timeout(Duration::from_secs(30), stream.text()).await;
        assert!(rest.is_ok(), "the stream of a revoked key ends");
        for bad in ["tidemill-session=", "tidemill-session=tmd_x.y", "tidemill-session=tmd_e30.e30"] {
            let request = server.request(Method::GET, "/api/v1/jobs").header("cookie", bad);
            let answer: Value = server.send(request).await.problem(401, "unauthorized");
            assert!(!answer.is_null());
        }
    })
    .await;
}

#[tokio::test]
async fn signing_out_ends_what_was_copied_of_the_cookie_and_no_other_session() {
    on_a_server(|server| async move {
        let key = server.make_key("ann", &[Scope::Admin]).await;
        until_shut(&server).await;
        let stop = CancellationToken::new();
        let _stopped = stop.clone().drop_guard();
        let second = start(server.store.clone(), ApiSettings::default(), Vec::new(), stop).await;
        until_shut(&second).await;
        // Within one second, so that only its id tells one from the other.
        let page = Page::sign_in(&server, &key, &own(&server)).await;
        let other = Page::sign_in(&server, &key, &own(&server)).await;
        assert_ne!(page.cookie, other.cookie);
        let copy = Page {
            server: &second,
            cookie: page.cookie.clone(),
            origin: own(&second),
            csrf: page.csrf.clone(),
        };
        copy.ask(Method::GET, "/api/v1/jobs", &[]).await.expect(200);
        let stream = server.request(Method::GET, "/api/v1/events?all=true").header("cookie", &page.cookie);
        let stream = server.http.execute(stream.build().unwrap()).await.unwrap();
        assert_eq!(stream.status(), 200);

        assert_eq!(page.act(Method::DELETE, "/api/v1/session").await.status, 204);
        page.ask(Method::GET, "/api/v1/jobs", &[]).await.problem(401, "unauthorized");
        page.act(Method::POST, "/api/v1/queues/default/pause").await.problem(401, "unauthorized");
        wait_at_most(Duration::from_secs(4), "another server refuses it", async || {
            (copy.ask(Method::GET, "/api/v1/jobs", &[]).await.status == 401).then_some(())
        })
        .await;
        let rest = tokio::time::timeout(Duration::from_secs(30), stream.text()).await;
        assert!(rest.is_ok(), "the stream of an ended session ends");
        other.act(Method::POST, "/api/v1/queues/default/pause").await.expect(200);
    })
    .await;
}

#[tokio::test]
async fn what_was_ended_is_forgotten_when_it_would_be_over_and_fills_no_table() {
    on_a_server(|server| async move {
        let key = server.make_key("ann", &[Scope::Admin]).await;
        until_shut(&server).await;
        let ended = |ends: &str, numbers: &str| {
            format!(
                "insert into ended_sessions (key_id, session, ends_at) \
                 select '{}', 's' || n, {ends} from generate_series({numbers}) n",
                key.id()
            )
        };
        let rows = async || -> i64 {
            let count = sqlx::query_scalar("select count(*) from ended_sessions");
            count.fetch_one(server.store.pool()).await.unwrap()
        };
        server.sql(&ended("now()", "1, 50")).await;
        let page = Page::sign_in(&server, &key, &own(&server)).await;
        page.act(Method::DELETE, "/api/v1/session").await;
        assert_eq!(rows().await, 1, "those whose time is over are gone");

        let (last, bystander) = (
            Page::sign_in(&server, &key, &own(&server)).await,
            Page::sign_in(&server, &key, &own(&server)).await,
        );
        server.sql(&ended("now() + interval '1 hour'", "101, 1099")).await;
        last.act(Method::DELETE, "/api/v1/session").await;
        assert_eq!(rows().await, 0, "too many: all sessions of the key are ended instead");
        for page in [&last, &bystander] {
            page.ask(Method::GET, "/api/v1/jobs", &[]).await.problem(401, "unauthorized");
        }
        // Its end is written in seconds.
        until("a later session begins", || async {
            let later = Page::sign_in(&server, &key, &own(&server)).await;
            later.ask(Method::GET, "/api/v1/jobs", &[]).await.status == 200
        })
        .await;
    })
    .await;
}

#[tokio::test]
async fn nobody_is_told_that_he_is_out_while_that_cannot_be_stored() {
    on_a_server(|server| async move {
        let key = server.make_key("ann", &[Scope::Admin]).await;
        until_shut(&server).await;
        let page = Page::sign_in(&server, &key, &own(&server)).await;
        server.sql("alter table ended_sessions rename to elsewhere").await;
        let refused = page.act(Method::DELETE, "/api/v1/session").await;
        assert!(refused.status >= 500 && !refused.headers.contains_key("set-cookie"), "{refused:?}");
        server.sql("alter table elsewhere rename to ended_sessions").await;
        page.ask(Method::GET, "/api/v1/jobs", &[]).await.expect(200);
        assert_eq!(page.act(Method::DELETE, "/api/v1/session").await.status, 204);
    })
    .await;
}
