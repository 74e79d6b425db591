//! Backup: the commands of `docs/backup.md`, run as they stand against real servers.

use std::path::PathBuf;
use std::process::{Command, Stdio};

use tidemill::Store;
use tidemill::store::db::migrate::migrate;

use crate::support::cluster::{Cluster, as_account, done, folder, programs, psql, system_programs};
use crate::support::{job, options, wait_for};

const PAGE: &str = include_str!("../../../docs/backup.md");

/// The block of commands or statements that holds `words`.
fn block(words: &str) -> &'static str {
    let blocks = PAGE.split("```").skip(1).step_by(2);
    let mut found = blocks.filter(|block| block.contains(words));
    let text = found.next().unwrap_or_else(|| panic!("docs/backup.md has no block with {words}"));
    assert!(found.next().is_none(), "docs/backup.md has two blocks with {words}");
    text.split_once('\n').unwrap().1
}

/// Runs commands as the page has them, as an operator would on the server's machine.
struct Shell {
    folder: tempfile::TempDir,
    variables: Vec<(&'static str, String)>,
}

impl Shell {
    fn new(variables: Vec<(&'static str, String)>) -> Self {
        Self { folder: folder(), variables }
    }

    fn path(&self, name: &str) -> String {
        self.folder.path().join(name).display().to_string()
    }

    fn set(&mut self, name: &'static str, value: impl Into<String>) {
        self.variables.push((name, value.into()));
    }

    fn run(&self, programs: &std::path::Path, commands: &str) {
        let path = std::env::var("PATH").unwrap();
        let mut shell = Command::new("bash");
        as_account(&mut shell);
        shell.current_dir(self.folder.path()).args(["-e", "-o", "pipefail", "-c", commands]);
        shell.env("PATH", format!("{}:{path}", programs.display()));
        shell.envs(self.variables.iter().map(|(name, value)| (name, value.as_str())));
        // A server that it starts must not hold our pipes.
        let log = self.folder.path().join("said");
        let out = std::fs::File::create(&log).unwrap();
        shell.stdout(out.try_clone().unwrap()).stderr(out).stdin(Stdio::null());
        let good = shell.status().unwrap().success();
        assert!(good, "{commands}\n{}", std::fs::read_to_string(log).unwrap_or_default());
    }
}

async fn filled(cluster: &Cluster) -> (Store, uuid::Uuid) {
    psql(&cluster.url("postgres"), &["create database jobs"]);
    let options = options(cluster.url("jobs"));
    migrate(&options).await.unwrap();
    let store = Store::connect(options).unwrap();
    let id = enqueue(&store).await;
    (store, id)
}

async fn enqueue(store: &Store) -> uuid::Uuid {
    tidemill::store::jobs::enqueue::enqueue(store.pool(), &store.prepare_each(&[job("k")]).unwrap(), false)
        .await
        .unwrap()[0]
        .id
}

async fn schema_is_well(store: &Store) {
    let findings = store.doctor().await.unwrap();
    let ours = ["schema", "rights", "replication", "partitions"];
    let wrong: Vec<_> = findings.iter().filter(|found| ours.contains(&found.check.as_str())).collect();
    assert!(wrong.is_empty(), "{wrong:?}");
}

#[tokio::test]
async fn a_dump_is_restored_on_a_server_without_the_roles() {
    let (one, other) = (Cluster::start(programs(), &[]), Cluster::start(programs(), &[]));
    let (_store, id) = filled(&one).await;
    let mut shell = Shell::new(vec![
        ("DATABASE_URL", one.url("jobs")),
        ("SERVER_URL", other.url("postgres")),
        ("RESTORED_URL", other.url("restored")),
    ]);
    let base = shell.path("base");
    shell.set("BASE", base);
    shell.run(&programs(), block("pg_dump --format"));
    // Grants to roles that are not there are errors, which pg_restore counts at its end.
    shell.run(
        &programs(),
        &block("pg_restore --no-owner").replace("\"$BASE.dump\"", "\"$BASE.dump\" || true"),
    );
    let restored = options(other.url("restored"));
    let (migration, check) = block("tidemill migrate").split_once('\n').unwrap();
    assert_eq!(migration, "tidemill migrate --database-url \"$RESTORED_URL\"");
    let store = Store::connect(restored.clone()).unwrap();
    assert!(
        store
            .doctor()
            .await
            .unwrap()
            .iter()
            .any(|found| found.check == "rights" && found.severity == "critical")
    );
    migrate(&restored).await.unwrap();
    shell.run(&programs(), check);
    schema_is_well(&store).await;
    assert!(store.find_job(id).await.unwrap().is_some());
    assert_eq!(
        psql(&other.url("restored"), &["select count(*) from pg_roles where rolname like 'tidemill\\_%'"]),
        "3"
    );
}

#[tokio::test]
async fn a_server_comes_back_as_it_was_at_a_moment() {
    let one = Cluster::start(programs(), &["wal_level=replica"]);
    let (store, kept) = filled(&one).await;
    let mut shell = Shell::new(vec![("DATABASE_URL", one.url("jobs"))]);
    for (name, path) in [("ARCHIVE", "archive"), ("BASE", "base")] {
        let path = shell.path(path);
        shell.set(name, path);
    }
    shell.run(&programs(), "mkdir \"$ARCHIVE\"");
    shell.run(&programs(), block("archive_command"));
    store.close().await;
    one.crash();
    one.run(&[]);
    shell.run(&programs(), block("pg_basebackup"));
    let store = Store::connect(options(one.url("jobs"))).unwrap();
    let behind = enqueue(&store).await;
    let until = psql(&one.url("jobs"), &["select clock_timestamp()"]);
    let lost = enqueue(&store).await;
    psql(&one.url("jobs"), &["select pg_switch_wal()"]);
    store.close().await;
    let archived = || async {
        let none_waits = "select count(*) = 0 from pg_ls_archive_statusdir() where name like '%.ready'";
        (psql(&one.url("jobs"), &[none_waits]) == "t").then_some(())
    };
    wait_for("the log is archived", archived).await;
    // The same port and the same socket folder: the one makes room for its copy.
    one.crash();
    shell.set("UNTIL", until);
    let sockets = shell.folder.path().display().to_string();
    shell.set("PORT", format!("{} -k {sockets} -c listen_addresses=127.0.0.1 -c fsync=off", one.port));
    shell.run(&programs(), block("recovery.signal"));
    let copy = Store::connect(options(one.url("jobs"))).unwrap();
    let promoted =
        || async { (psql(&one.url("jobs"), &["select pg_is_in_recovery()"]) == "f").then_some(()) };
    wait_for("it takes writes", promoted).await;
    for (id, there) in [(kept, true), (behind, true), (lost, false)] {
        assert_eq!(copy.find_job(id).await.unwrap().is_some(), there);
    }
    schema_is_well(&copy).await;
    copy.close().await;
    shell.run(&programs(), "pg_ctl --pgdata=\"$BASE\" --mode=immediate stop");
}

#[tokio::test]
async fn a_newer_major_version_finds_the_same_schema() {
    let (new, Some(old)) = (programs(), system_programs()) else { return };
    if new == old {
        eprintln!("not run: TIDEMILL_TEST_POSTGRES names no other version");
        return;
    }
    let before = Cluster::start(old.clone(), &[]);
    let (store, id) = filled(&before).await;
    store.close().await;
    let mut shell = Shell::new(vec![
        ("OLD", old.display().to_string()),
        ("NEW", new.display().to_string()),
        ("OLD_DATA", before.data().display().to_string()),
        ("SUPERUSER", "tidemill".into()),
        ("INITDB_OPTIONS", "--no-data-checksums --auth=trust".into()),
    ]);
    let data = shell.path("data");
    shell.set("NEW_DATA", data);
    before.stop();
    shell.run(&new, block("--old-bindir"));
    let sockets = shell.folder.path().display().to_string();
    shell.run(
        &new,
        &format!(
            "pg_ctl -D \"$NEW_DATA\" -l log -w -o '-p {} -k {sockets} -c listen_addresses=127.0.0.1' start",
            before.port
        ),
    );
    let after = Store::connect(options(before.url("jobs"))).unwrap();
    schema_is_well(&after).await;
    migrate(&options(before.url("jobs"))).await.unwrap();
    schema_is_well(&after).await;
    assert!(after.find_job(id).await.unwrap().is_some());
    after.close().await;
    shell.run(&new, "pg_ctl -D \"$NEW_DATA\" -m immediate stop");
}

#[tokio::test]
async fn the_history_follows_into_a_replica() {
    let one = Cluster::start(programs(), &["wal_level=logical"]);
    let other = Cluster::start(programs(), &[]);
    let (store, id) = filled(&one).await;
    let with_path = |sql: &str| format!("set search_path = tidemill; {sql}");
    psql(&one.url("jobs"), &[&with_path(&format!("select cancel('{id}')"))]);
    psql(&one.url("jobs"), &[block("create publication history")]);
    psql(&other.url("postgres"), &["create database reports"]);
    let shell = Shell::new(vec![("DATABASE_URL", one.url("jobs")), ("REPLICA_URL", other.url("reports"))]);
    shell.run(&programs(), block("create subscription"));
    let rows = |count: &'static str| {
        let url = other.url("reports");
        async move {
            (psql(&url, &["select count(*) from tidemill.jobs where state = 'cancelled'"]) == count)
                .then_some(())
        }
    };
    wait_for("what ended before", || rows("1")).await;
    // What lives goes on there, and a second end is a second row.
    psql(&one.url("jobs"), &[&with_path(&format!("select retry('{id}')"))]);
    psql(&one.url("jobs"), &[&with_path(&format!("select cancel('{id}')"))]);
    wait_for("what ended since", || rows("2")).await;
    psql(&one.url("jobs"), &[&with_path(&format!("select delete_job('{id}')"))]);
    let events = psql(
        &other.url("reports"),
        &[&format!("select count(*) from tidemill.events where job_id = '{id}'")],
    );
    assert!(events.parse::<i64>().unwrap() > 0);
    store.close().await;
    psql(
        &other.url("reports"),
        &["alter subscription history disable", "alter subscription history set (slot_name = none)"],
    );
}

#[test]
fn the_page_names_no_program_that_is_not_there() {
    for name in ["pg_dump", "pg_restore", "pg_basebackup", "pg_ctl"] {
        let at: PathBuf = programs().join(name);
        assert!(PAGE.contains(name) && at.exists(), "{}", at.display());
    }
    done(Command::new("psql").arg("--version"));
}
