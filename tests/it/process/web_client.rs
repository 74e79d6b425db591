//! The example for web applications: plain Python, a real server, a real worker.

use std::process::Stdio;

use serde_json::{Value, json};

use crate::api::server::{Server, on_a_server};
use crate::support::{Mill, ok};

async fn python(server: &Server, arguments: &[&str]) -> (bool, Vec<Value>, String) {
    let ran = tokio::process::Command::new("python3")
        .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/examples/web_client.py"))
        .args(arguments)
        .env("TIDEMILL_URL", format!("http://{}", server.address))
        .env_remove("TIDEMILL_KEY")
        .stdin(Stdio::null())
        .output()
        .await
        .unwrap();
    let out = String::from_utf8(ran.stdout).unwrap();
    let printed = out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    (ran.status.success(), printed, String::from_utf8(ran.stderr).unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_web_application_has_its_work_done_and_hears_of_it() {
    on_a_server(|server| async move {
        let mill = Mill::builder(&server.store)
            .handler("double", |context| async move { ok(json!(context.args()["n"].as_i64().unwrap() * 2)) })
            .start();
        let (good, printed, errors) = python(&server, &["double", "{\"n\": 21}"]).await;
        assert!(good, "{errors}");
        assert_eq!(
            (&printed[0]["status"], &printed[0]["priority"]),
            (&json!("available"), &json!(3)),
            "{printed:?}"
        );
        assert_eq!(
            (&printed[1]["id"], &printed[1]["result"]),
            (&printed[0]["id"], &json!(42)),
            "{printed:?}"
        );
        let (good, _, errors) = python(&server, &["no kind", "{}"]).await;
        assert!(!good && errors.contains("Refused") && errors.contains("remedy"), "{errors}");
        mill.stop().await;
    })
    .await;
}
