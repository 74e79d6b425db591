//! Redaction: what stands under the name of a secret is seen by handlers alone.

use serde_json::{Value, json};
use tidemill::vault::Keyring;
use uuid::Uuid;

use super::{api, with};
use crate::api::server::text;
use crate::support::{Db, Mill, ok};

#[tokio::test]
async fn secrets_are_hidden_by_name_in_every_face() {
    let db = Db::new().await;
    let store = with(&db, Keyring::default(), None);
    store.declare_redacted("default", true).await.unwrap();
    let (server, _guard) = api(&store).await;
    let mill = Mill::builder(&store)
        .handler("k", |context| async move {
            assert_eq!(context.args()["login"]["Password"], "hunter2", "the handler has it");
            let secret = json!({"api-key": "hunter2"});
            context.progress_with(Some(10.0), None, Some(secret.clone())).await;
            context.event("found", secret.clone()).await;
            context.step("login", || async { Ok(secret.clone()) }).await?;
            ok(json!({"apiKey": "hunter2", "list": [{"password": null}, {"passwords": 2}]}))
        })
        .start();
    let spec = json!({
        "kind": "k", "args": {"login": {"Password": "hunter2", "name": "ann"}}, "metadata": {"api_key": "hunter2"},
    });
    let made = server.enqueue(spec).await;
    assert_eq!(made["args"], json!({"login": {"Password": "[redacted]", "name": "ann"}}));
    let path = format!("/api/v1/jobs/{}", text(&made["id"]));
    let done = server.get(&format!("{path}/result?wait=20s")).await.expect(200);
    assert_eq!(
        done["result"],
        json!({"apiKey": "[redacted]", "list": [{"password": null}, {"passwords": 2}]})
    );
    mill.stop().await;
    let (failed, signalled) = (failed_with_a_secret(&db).await, signalled_a_secret(&db).await);
    let shown = ["", "/events", "/steps", "/attempts", "/result", "/explain"];
    for route in shown
        .iter()
        .flat_map(|route| [format!("{path}{route}"), format!("/api/v1/jobs/{failed}{route}")])
        .chain([format!("/api/v1/jobs/{signalled}/signals")])
        .chain(["jobs", "audit", "failures"].map(|route| format!("/api/v1/{route}")))
    {
        let answer = server.get(&route).await.expect(200).to_string();
        assert!(!answer.contains("hunter2"), "{route}: {answer}");
        let about = ["/steps", "/attempts", "/explain"].iter().any(|end| route.ends_with(end));
        if route.ends_with("/signals")
            || about && route.contains(&failed.to_string()) && !route.ends_with("/steps")
        {
            assert!(answer.contains("[redacted]"), "{route} has nothing to hide: {answer}");
        }
    }
    let stream =
        server.request(reqwest::Method::GET, &format!("{path}/events")).header("Accept", "text/event-stream");
    let frames = server.send(stream).await.expect(200);
    assert!(text(&frames).contains("[redacted]") && !text(&frames).contains("hunter2"), "{frames}");
    let seen: (Value, Value) =
        sqlx::query_as("select args, result from job_history where state = 'completed'")
            .fetch_one(db.pool())
            .await
            .unwrap();
    assert_eq!(seen, (made["args"].clone(), done["result"].clone()));
    assert_eq!(db.count("jobs where args::text like '%hunter2%'").await, 1, "the row has it, for a retry");
}

/// A job whose one attempt failed with a secret in its error.
async fn failed_with_a_secret(db: &Db) -> Uuid {
    let id = db.enqueue(crate::support::job("fails")).await;
    let claimed = db.claim_some("default", "fails", 1).await.remove(0);
    let error = r#"{"message": "no", "type": "x", "permanent": true, "request": {"password": "hunter2"}}"#;
    db.execute(format!("select settle_attempt('{id}', '{}', 'failed', '{error}')", claimed.lease_id)).await;
    assert_eq!(db.state(id).await, "failed");
    id
}

/// A job that got a secret as a message, and has a step with one.
async fn signalled_a_secret(db: &Db) -> Uuid {
    let id = db.enqueue(crate::support::job("signalled")).await;
    db.execute(format!(
        r#"select signal('{id}', 'go', '{{"api_key": "hunter2"}}');
           insert into steps (job_id, name, attempt, output) values ('{id}', 's', 1, '{{"password": "hunter2"}}')"#
    ))
    .await;
    id
}

#[tokio::test]
async fn readers_see_no_table_and_no_view_with_secrets() {
    let db = Db::new().await;
    with(&db, Keyring::default(), None).declare_redacted("default", true).await.unwrap();
    db.execute(
        r#"select enqueue('k', '{"password": "hunter2"}');
           select enqueue('retries', metadata => '{"password": "hunter2"}')"#,
    )
    .await;
    failed_with_a_secret(&db).await;
    signalled_a_secret(&db).await;
    let retries = db.claim_some("default", "retries", 1).await.remove(0);
    let error = r#"{"message": "no", "password": "hunter2"}"#;
    db.execute(format!(
        "select settle_attempt('{}', '{}', 'failed', '{error}')",
        retries.id, retries.lease_id
    ))
    .await;
    let mut reader = db.connect().await;
    sqlx::raw_sql("set role tidemill_reader").execute(&mut reader).await.unwrap();
    let views: Vec<String> = db
        .rows::<(String,)>("select viewname::text from pg_views where schemaname = 'tidemill'")
        .await
        .into_iter()
        .map(|row| row.0)
        .collect();
    assert!(views.contains(&"jobs_now".to_owned()));
    for view in views {
        let statement =
            sqlx::AssertSqlSafe(format!("select coalesce(jsonb_agg(v), '[]')::text from tidemill.{view} v"));
        match sqlx::query_scalar::<_, String>(statement).fetch_one(&mut reader).await {
            Ok(rows) => {
                assert!(!rows.contains("hunter2"), "{view}: {rows}");
                let hides =
                    ["all_jobs", "job_history", "job_events", "job_attempts", "job_steps", "job_signals"];
                assert!(!hides.contains(&&*view) || rows.contains("[redacted]"), "{view}: {rows}");
            }
            Err(error) => assert!(
                view == "job_documents" && error.to_string().contains("permission denied"),
                "{view}: {error}"
            ),
        }
    }
    // A message of an error is a text; it is hidden where its own name is.
    db.execute("insert into redacted_keys (key) values ('message')").await;
    for shown in ["message from failures", "last_error from jobs_now where kind = 'retries'"] {
        assert_eq!(db.scalar::<String>(format!("select {shown}")).await, "[redacted]");
    }
}
