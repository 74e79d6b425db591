//! The examples do what they say, on a Postgres of their own.

use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use tidemill::embedded::{EmbeddedPostgres, Settings};
use tokio::process::Command;

/// Where `cargo build --examples` leaves it.
fn example(name: &str) -> PathBuf {
    crate::binary::tidemill().parent().unwrap().join("examples").join(name)
}

async fn said(name: &str, url: &str) -> String {
    let run = Command::new(example(name))
        .env("DATABASE_URL", url)
        .env("APPROVE", "yes")
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output();
    let output = tokio::time::timeout(Duration::from_mins(1), run)
        .await
        .expect("it ends")
        .expect("it starts; build it with cargo build --examples");
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{name}: {error}");
    String::from_utf8(output.stdout).unwrap()
}

#[tokio::test]
async fn the_examples_run() {
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    std::fs::set_permissions(folder.path(), std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let settings = Settings { durable: false, ..Settings::new(folder.path().join("data")) };
    let postgres = EmbeddedPostgres::start(settings).await.unwrap();
    assert!(said("same_transaction", postgres.url()).await.starts_with("enqueued "));
    let approval = said("approval", postgres.url()).await;
    assert!(approval.contains("completed: \"paid 100\""), "{approval}");
    postgres.stop().await.unwrap();
}
