//! `tidemill token create`: real processes of the binary, whose tokens a server accepts.

use serde_json::{Value, json};
use tempfile::TempDir;
use tidemill::api::server::auth::token::{SentToken, TokenScope};
use tokio::process::Command;

use crate::support::{Db, wait_for};

/// The exit code, and what was said on the two streams.
async fn run(db: &Db, words: &[&str]) -> (Option<i32>, String, String) {
    let folder = TempDir::new().unwrap();
    let output = Command::new(crate::binary::tidemill())
        .args(words)
        .current_dir(folder.path())
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap())
        .env("TIDEMILL_DATABASE__URL", &db.options().url)
        .output()
        .await
        .unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (output.status.code(), text(output.stdout), text(output.stderr))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_is_made_in_the_name_of_a_key() {
    let db = Db::new().await;
    let (code, made, errors) = run(&db, &["keys", "create", "--scope", "enqueue", "--json"]).await;
    assert_eq!(code, Some(0), "{errors}");
    let key = serde_json::from_str::<Value>(&made).unwrap()["id"].as_str().unwrap().to_owned();
    let create = ["token", "create", "--key", &key];
    let scopes = ["--scope", "read,cancel", "--owner", "42", "--kind", "a,b", "--expires-in", "1h", "--json"];
    let (code, made, errors) = run(&db, &[&create[..], &scopes].concat()).await;
    assert_eq!(code, Some(0), "{errors}");
    let made: Value = serde_json::from_str(&made).unwrap();
    let token = made["token"].as_str().unwrap();
    let secret: Vec<u8> = db.scalar("select token_key(secret_hash) from api_keys").await;
    let claims = SentToken::parse(token).unwrap().verified(&secret).expect("signed by the key");
    assert_eq!(claims.scopes, [TokenScope::Read, TokenScope::Cancel]);
    assert_eq!((claims.owner.as_deref(), claims.key.as_str()), (Some("42"), key.as_str()));
    assert_eq!(claims.kinds, Some(vec!["a".to_owned(), "b".to_owned()]));
    assert_eq!(made["expires_at"], json!(claims.expires_at()));
    let job = uuid::Uuid::now_v7().to_string();
    let (code, plain, _) = run(&db, &[&create[..], &["--scope", "read", "--job", &job]].concat()).await;
    assert_eq!(code, Some(0));
    assert!(SentToken::parse(plain.trim()).is_some(), "a line with the token alone: {plain}");

    let refused = [
        (vec!["--scope", "read", "--owner", "42", "--expires-in", "25h"], 1, "24 hours"),
        (vec!["--scope", "read,enqueue", "--job", &job], 1, "enqueue"),
        (vec!["--scope", "read"], 2, "--job"),
        (vec!["--scope", "read", "--job", &job, "--owner", "42"], 2, "--owner"),
        (vec!["--scope", "admin", "--owner", "42"], 2, "admin"),
        (vec!["--owner", "42"], 2, "--scope"),
    ];
    for (words, expected, named) in refused {
        let (code, out, errors) = run(&db, &[&create[..], &words].concat()).await;
        assert_eq!((code, out.as_str()), (Some(expected), ""), "{words:?} {errors}");
        assert!(errors.contains(named), "{errors}");
    }
    let (code, _, errors) =
        run(&db, &["token", "create", "--key", "nobody", "--scope", "read", "--owner", "42"]).await;
    assert!(code == Some(1) && errors.contains("does not exist"), "{errors}");
}

#[tokio::test(flavor = "multi_thread")]
async fn no_log_however_fine_has_a_ticket_or_a_cookie() {
    let (db, folder) = (Db::new().await, TempDir::new().unwrap());
    let (_, made, _) = run(&db, &["keys", "create", "--scope", "enqueue", "--json"]).await;
    let made: Value = serde_json::from_str(&made).unwrap();
    let (_, token, _) = run(
        &db,
        &["token", "create", "--key", made["id"].as_str().unwrap(), "--scope", "read", "--owner", "42"],
    )
    .await;
    let token = token.trim();
    let log = folder.path().join("log");
    let mut process = Command::new(crate::binary::tidemill())
        .args(["serve", "--listen", "127.0.0.1:0"])
        .current_dir(folder.path())
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap())
        .env("TIDEMILL_DATABASE__URL", &db.options().url)
        .env("TIDEMILL_LOG__FILTER", "trace")
        .env("TIDEMILL_API__TOKEN_COOKIE", "tm")
        .stderr(std::fs::File::create(&log).unwrap())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let log_text = || std::fs::read_to_string(&log).unwrap();
    let url = wait_for("the server's address", async || {
        let (_, rest) =
            log_text().split_once("http://127.0.0.1:").map(|(a, b)| (a.to_owned(), b.to_owned()))?;
        Some(format!("http://127.0.0.1:{}", rest.split(|c: char| !c.is_ascii_digit()).next()?))
    })
    .await;
    // Another test of this process may have installed one already.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let http = reqwest::Client::new();
    let ticket = || async {
        let sent = http.post(format!("{url}/api/v1/tokens/ticket")).bearer_auth(token).send().await.unwrap();
        sent.error_for_status().unwrap().json::<Value>().await.unwrap()["ticket"].as_str().unwrap().to_owned()
    };
    let mut tickets = Vec::new();
    for (path, expected) in
        [("/api/v1/events", 422), ("/api/v1/jobs", 403), ("/nowhere", 404), ("/healthz", 200)]
    {
        let ticket = ticket().await;
        let answer = http.get(format!("{url}{path}?ticket={ticket}")).send().await.unwrap();
        assert_eq!(answer.status(), expected, "{path}");
        assert!(!answer.text().await.unwrap().contains(&ticket), "{path} repeats it");
        tickets.push(ticket);
    }
    let listed = http.get(format!("{url}/api/v1/jobs")).header("cookie", format!("tm={token}"));
    assert_eq!(listed.send().await.unwrap().status(), 200);
    wait_for("a line of the last request", async || log_text().contains("/api/v1/jobs").then_some(())).await;
    process.kill().await.unwrap();
    let lines = log_text();
    assert!(lines.contains("/api/v1/events") && lines.contains("TRACE"), "{lines}");
    for secret in tickets.iter().map(String::as_str).chain([token]) {
        let (_, signature) = secret.split_once('.').unwrap();
        assert!(
            !lines.contains(signature),
            "{}",
            lines.lines().find(|line| line.contains(signature)).unwrap()
        );
    }
}
