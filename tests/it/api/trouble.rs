//! A database that answers and stores nothing: what callers, readiness and metrics say of it, and when all is well again.

use std::path::Path;
use std::process::Command;

use nix::unistd::{User, geteuid};
use serde_json::{Value, json};
use tidemill::store::db::trouble::TROUBLES;

use super::server::{Server, on_a_server, text, until};

/// Has every insert of a job end so.
async fn refuse_inserts(server: &Server, code: &str) {
    let body = format!("begin raise exception 'as the test wants' using errcode = '{code}'; end");
    server
        .sql(&format!("create or replace function refuse() returns trigger language plpgsql as $${body}$$"))
        .await;
    server
        .sql("create trigger refuse before insert on jobs_live for each statement execute function refuse()")
        .await;
}

async fn checks(server: &Server) -> Value {
    server.get("/readyz").await.problem(503, "unavailable")["checks"][0].clone()
}

#[tokio::test]
async fn what_keeps_jobs_from_being_stored_is_said_and_makes_unready() {
    on_a_server(|server| async move {
        for (code, name, words, remedy) in [
            ("53100", "disk_full", "The disk of the database is full", "Free space"),
            ("25006", "read_only", "accepts no writes", "primary"),
            ("58030", "file_trouble", "cannot read or write its files", "log of Postgres"),
        ] {
            server.enqueue(json!({"kind": "k"})).await;
            assert_eq!(server.get("/readyz").await.status, 200);
            refuse_inserts(&server, code).await;
            for path in ["/api/v1/jobs", "/api/v1/workflows"] {
                let body = if path.ends_with("jobs") {
                    json!({"kind": "k"})
                } else {
                    json!({"group": [{"kind": "k"}]})
                };
                let problem = server.post(path, body).await.problem(503, "unavailable");
                assert!(
                    text(&problem["detail"]).contains(words) && text(&problem["remedy"]).contains(remedy),
                    "{problem}"
                );
                assert_eq!(problem["reason"], name);
            }
            // Also long after the last of them, and without another request.
            tokio::time::sleep(std::time::Duration::from_millis(2100)).await;
            let check = checks(&server).await;
            assert_eq!(check["name"], "writes");
            assert!(text(&check["reason"]).contains(words), "{check}");
            let metrics = server.get("/metrics").await.expect(200);
            assert!(text(&metrics).contains("\ntidemill_writes_stored 0\n"), "{metrics}");
            server.sql("drop trigger refuse on jobs_live").await;
            until("it is ready without a request", || async { server.get("/readyz").await.status == 200 })
                .await;
            assert!(text(&server.get("/metrics").await.expect(200)).contains("\ntidemill_writes_stored 1\n"));
        }
    })
    .await;
}

#[tokio::test]
async fn other_states_have_words_of_their_own_and_leave_it_ready() {
    on_a_server(|server| async move {
        for code in ["53200", "53300", "57P01", "57P03", "40001", "55000", "42501", "42883"] {
            let trouble = TROUBLES.iter().find(|trouble| {
                tidemill::store::db::trouble::Trouble::of_code(code)
                    .is_some_and(|of_code| of_code.name == trouble.name)
            });
            refuse_inserts(&server, code).await;
            let problem = server.post("/api/v1/jobs", json!({"kind": "k"})).await.problem(503, "unavailable");
            let trouble = trouble.unwrap();
            assert_eq!(
                (text(&problem["detail"]), text(&problem["remedy"])),
                (trouble.what, trouble.remedy),
                "{code}"
            );
            assert!(!problem.to_string().contains("as the test wants"));
            server.sql("drop trigger refuse on jobs_live").await;
            assert_eq!(server.get("/readyz").await.status, 200, "{code}");
        }
    })
    .await;
}

/// A small disk; `None` where none can be made.
struct Disk(tempfile::TempDir);

impl Disk {
    fn new() -> Option<Self> {
        let folder = tempfile::tempdir().ok()?;
        let owner = User::from_name("postgres").ok()??;
        let is_there =
            geteuid().is_root() && mount(&["-t", "tmpfs", "-o", "size=8m", "tmpfs"], folder.path());
        if !is_there {
            eprintln!("SKIPPED: a full disk needs a tmpfs of its own, which only root can make");
            return None;
        }
        std::os::unix::fs::chown(folder.path(), Some(owner.uid.as_raw()), Some(owner.gid.as_raw())).ok()?;
        // For the tablespace's owner to pass.
        let _ = Command::new("chmod").arg("711").arg(folder.path()).status();
        Some(Self(folder))
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(self.0.path()).status();
    }
}

fn mount(options: &[&str], folder: &Path) -> bool {
    Command::new("mount").args(options).arg(folder).status().is_ok_and(|status| status.success())
}

#[tokio::test]
async fn a_real_disk_that_is_full_is_called_full() {
    let Some(disk) = Disk::new() else { return };
    let folder = disk.0.path().to_str().unwrap().to_owned();
    on_a_server(|server| async move {
        server.sql(&format!("create tablespace small location '{folder}'")).await;
        server.sql("alter table jobs_live set tablespace small").await;
        let mut problem = None;
        for _ in 0..200 {
            // Random, so that it takes its room.
            let word = || format!("{:032x}", rand::random::<u128>());
            let large: String = (0..6000).map(|_| word()).collect();
            let answer = server.post("/api/v1/jobs", json!({"kind": "k", "args": {"large": large}})).await;
            if answer.status != 202 {
                problem = Some(answer.problem(503, "unavailable"));
                break;
            }
        }
        let problem = problem.expect("8 MiB are full at some time");
        assert_eq!(problem["detail"], "The disk of the database is full.");
        assert_eq!(checks(&server).await["name"], "writes");
        tokio::time::sleep(std::time::Duration::from_millis(2100)).await;
        assert_eq!(checks(&server).await["name"], "writes", "it is found out, not only remembered");
        server.sql("alter table jobs_live set tablespace pg_default").await;
        server.sql("drop tablespace small").await;
        until("it is ready", || async { server.get("/readyz").await.status == 200 }).await;
        server.enqueue(json!({"kind": "k"})).await;
    })
    .await;
}
