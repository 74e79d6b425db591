//! What a process says and writes when it starts with a config: real processes of the binary, on one database.

use std::process::Stdio;

use tempfile::TempDir;
use tokio::process::{Child, Command};

use crate::support::{Db, wait_for};

/// A process with a folder and a log of its own, that ends when it is dropped.
struct Started {
    folder: TempDir,
    _process: Child,
}

impl Started {
    /// Starts `command` with a config on the database of `db`, and waits until its log says `until`.
    async fn new(db: &Db, command: &str, config: &str, dot_env: &str, until: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let database = format!("[database]\nurl = '{}'\n{config}", db.options().url);
        std::fs::write(folder.path().join("tidemill.toml"), database).unwrap();
        std::fs::write(folder.path().join(".env"), dot_env).unwrap();
        let process = Command::new(crate::binary::tidemill())
            .args([command, "--listen", "127.0.0.1:0"])
            .current_dir(folder.path())
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap())
            .stdout(Stdio::null())
            .stderr(std::fs::File::create(folder.path().join("log")).unwrap())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let started = Self { folder, _process: process };
        wait_for(until, async || started.log().contains(until).then_some(())).await;
        started
    }

    /// A `serve` that has written what its config declares.
    async fn serve(db: &Db, config: &str) -> Self {
        Self::new(db, "serve", config, "", "serving at").await
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("log")).unwrap()
    }
}

const BILL: &str = "[schedules.bill]\nevery = '1h'\nkind = 'k'\n[alerts.bills]\ncondition = 'no_worker'\n";
const MAIL: &str = "[schedules.mail]\nevery = '1h'\nkind = 'k'\n";

/// The schedules and alert rules that are there.
async fn declared(db: &Db) -> String {
    let sql = "select string_agg(name, ' ' order by name) \
        from (select name from schedules union all select name from alert_rules) as declared (name)";
    db.scalar(sql).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_start_leaves_what_other_configs_wrote() {
    let db = Db::new().await;
    Started::serve(&db, &format!("{BILL}[redaction]\nkeys = ['pin']")).await;
    let second = Started::serve(&db, MAIL).await;
    assert_eq!(declared(&db).await, "bill bills mail");
    let log = second.log();
    assert!(log.contains("alerts.bills, schedules.bill") && log.contains("they stay"), "{log}");
    assert_eq!(db.count("redacted_keys where key = 'pin'").await, 1, "still hidden");

    // With a name and a release of its own a config removes what it wrote, and nothing else.
    let named = "[deployment]\nname = 'post'\nrevision = ";
    let taken =
        Started::serve(&db, &format!("{named}1\n{MAIL}[schedules.parcel]\nevery = '1h'\nkind = 'k'")).await;
    assert!(taken.log().contains("two deployments declare this"), "{}", taken.log());
    Started::serve(&db, &format!("{named}2\n{MAIL}")).await;
    assert_eq!(declared(&db).await, "bill bills mail");
    let owners: String = db.scalar("select string_agg(owner, ' ' order by name) from schedules").await;
    assert_eq!(owners, "default post");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_earlier_release_that_starts_once_more_changes_nothing() {
    let db = Db::new().await;
    let release = |revision: u32, rest: &str| {
        format!("[deployment]\nrevision = {revision}\n[limits.tenant]\nmax_running = {revision}\n{rest}")
    };
    let first = release(1, MAIL);
    Started::serve(&db, &first).await;
    Started::serve(&db, &release(2, &MAIL.replace("1h", "2h").replace("mail", "post"))).await;
    assert_eq!(declared(&db).await, "post");
    let state = "select concat_ws(' ', s.name, s.every, l.max_running) from schedules s, limits l";
    let after: String = db.scalar(state).await;
    for (command, until) in [("serve", "serving at"), ("worker", "claiming")] {
        let again = Started::new(&db, command, &first, "", until).await;
        assert!(again.log().contains("a later deployment.revision was seen"), "{}", again.log());
        assert_eq!(db.scalar::<String>(state).await, after);
    }
    // Nor does one that has no revision at all; to go back takes a larger one.
    Started::serve(&db, MAIL).await;
    assert_eq!(declared(&db).await, "post");
    Started::serve(&db, &release(3, MAIL)).await;
    assert_eq!(declared(&db).await, "mail");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_without_kinds_says_so_and_variables_of_others_are_named_without_their_values() {
    let db = Db::new().await;
    let dot_env = "SECRET_KEY=correct horse s3cret\nJSON={\"s3cret\": 1}\nCELERY_BROKER_URL=redis://:s3cret@h\n\
        TASK_LIMIT=s3cret\n";
    let idle = Started::new(&db, "worker", "", dot_env, "claiming").await;
    wait_for("the log says it", async || idle.log().contains("serves no kind").then_some(())).await;
    let log = idle.log();
    assert!(log.contains("CELERY_BROKER_URL (.env:3), TASK_LIMIT (.env:4)"), "{log}");
    assert_eq!((log.matches("CELERY_BROKER_URL").count(), log.contains("s3cret")), (1, false), "{log}");
    let kind = "[kinds.k]\ncommand = ['true']\n[worker]\nslots = 0";
    let nowhere = Started::new(&db, "worker", kind, "", "serves no queue").await;
    assert!(!nowhere.log().contains("serves no kind"));
}
