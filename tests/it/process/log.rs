//! A log that cannot be written ends nothing: the server and the worker as processes, on a full disk, behind a reader
//! that is gone, and behind one that stands still.

use std::fs::File;
use std::io::PipeReader;
use std::net::TcpListener;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tempfile::TempDir;

use crate::support::{Db, job, wait_at_most, wait_for};

/// Where an output goes that nobody reads.
fn nowhere(how: &str) -> (Stdio, Option<PipeReader>) {
    if how == "full disk" {
        return (File::options().write(true).open("/dev/full").unwrap().into(), None);
    }
    let (reader, writer) = std::io::pipe().unwrap();
    (writer.into(), (how == "reader that stands still").then_some(reader))
}

const WAYS: [&str; 3] = ["full disk", "reader that is gone", "reader that stands still"];

/// `tidemill` with such arguments on a database, its log, and for a server its answers, going nowhere.
fn start(db: &Db, folder: &TempDir, arguments: &[&str], how: &str) -> (Child, [Option<PipeReader>; 2]) {
    std::fs::write(folder.path().join("tidemill.toml"), "[kinds.ok]\ncommand = [\"true\"]\n").unwrap();
    let ((out, first), (log, second)) = (nowhere(how), nowhere(how));
    let child = Command::new(crate::binary::tidemill())
        .args(arguments)
        .current_dir(folder.path())
        .env("TIDEMILL_DATABASE__URL", &db.options().url)
        .stdin(Stdio::null())
        .stdout(out)
        .stderr(log)
        .spawn()
        .unwrap();
    (child, [first, second])
}

/// Asks it to end, and waits until it did.
async fn end(mut child: Child) -> ExitStatus {
    kill(Pid::from_raw(child.id().cast_signed()), Signal::SIGTERM).unwrap();
    let ended = tokio::task::spawn_blocking(move || child.wait().unwrap());
    tokio::time::timeout(Duration::from_secs(60), ended).await.expect("it ends").unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_goes_on_without_its_log() {
    for how in WAYS {
        let (db, folder) = (Db::new().await, tempfile::tempdir().unwrap());
        // All that it knows: a pipe is full after 64 KiB.
        let (child, _unread) = start(&db, &folder, &["worker", "-vv"], how);
        for _ in 0..20 {
            let id = db.enqueue(job("ok")).await;
            wait_at_most(Duration::from_secs(30), &format!("{how}: the job completes"), || async {
                (db.state(id).await == "completed").then_some(())
            })
            .await;
        }
        assert!(end(child).await.success(), "{how}");
        let failed: i64 = db.scalar("select count(*) from attempts where outcome <> 'completed'").await;
        assert_eq!(failed, 0, "{how}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_goes_on_without_its_log() {
    // Another test of this process may have installed one already.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    for how in WAYS {
        let (db, folder) = (Db::new().await, tempfile::tempdir().unwrap());
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let listen = format!("127.0.0.1:{port}");
        let (child, _unread) = start(&db, &folder, &["serve", "-vv", "--listen", &listen], how);
        let url = format!("http://{listen}");
        wait_for(&format!("{how}: it answers"), || async {
            http.get(format!("{url}/readyz")).send().await.ok().filter(|answer| answer.status().is_success())
        })
        .await;
        let body = serde_json::json!({ "kind": "ok" });
        for _ in 0..50 {
            let sent = http.post(format!("{url}/api/v1/jobs")).json(&body).send().await;
            assert_eq!(sent.unwrap().status(), 202, "{how}");
        }
        assert!(end(child).await.success(), "{how}");
    }
}

#[tokio::test]
async fn a_command_whose_answer_nobody_reads_ends_quietly_and_with_its_code() {
    let (db, folder) = (Db::new().await, tempfile::tempdir().unwrap());
    let code = |arguments: &[&str], how: &str| {
        let (mut child, _unread) = start(&db, &folder, arguments, how);
        child.wait().unwrap().code()
    };
    // As with any other tool: who has read enough is no failure, a full disk is one.
    assert_eq!(code(&["migrate"], "reader that is gone"), Some(0));
    assert_eq!(code(&["migrate"], "full disk"), Some(1));
    assert_eq!(code(&["keys", "list"], "full disk"), Some(0), "it has nothing to say");
    for how in ["reader that is gone", "full disk"] {
        assert_eq!(code(&["enqueue", "k", "n:=no"], how), Some(2));
        assert_eq!(code(&["config", "--config", "absent.toml"], how), Some(2));
    }
}
