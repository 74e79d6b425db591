//! Starts, restarts and kills: nothing that was committed is lost.

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;
use std::time::{Duration, Instant};

use nix::unistd::{Pid, getpgid};
use sqlx::{Connection, PgConnection};
use tidemill::embedded::{EmbeddedPostgres, Settings};

use crate::support::{
    DEADLINE, Folder, Holder, connect, kill_hard, read_note, servers_in, text, wait_until, write_note,
};

#[tokio::test]
async fn a_fresh_folder_gets_a_durable_server_that_stops_without_a_trace() {
    let folder = Folder::new();
    let postgres = EmbeddedPostgres::start(Settings { durable: true, ..folder.settings() }).await.unwrap();
    let mut connection = connect(postgres.url()).await;
    for (statement, value) in [
        ("select current_database()::text", "tidemill"),
        ("show fsync", "on"),
        ("show full_page_writes", "on"),
        ("show synchronous_commit", "on"),
        ("show data_checksums", "on"),
        ("show listen_addresses", "127.0.0.1"),
        ("show server_encoding", "UTF8"),
        ("select datcollate::text from pg_database where datname = current_database()", "C"),
    ] {
        assert_eq!(text(&mut connection, statement).await, value, "{statement}");
    }
    let mut other = connect(&postgres.url_for("postgres")).await;
    assert_eq!(text(&mut other, "select current_database()::text").await, "postgres");

    let pid = Pid::from_raw(postgres.postmaster_pid());
    assert_eq!(getpgid(Some(pid)), Ok(pid), "a Ctrl-C in our terminal must not reach the server");
    let password_file = fs::metadata(folder.path.join("postgres.password")).unwrap();
    assert_eq!(password_file.permissions().mode() & 0o777, 0o600);
    let socket_dir = fs::metadata(postgres.socket_dir()).unwrap();
    assert_eq!(socket_dir.permissions().mode() & 0o777, 0o700);
    assert!(postgres.socket_dir().join(format!(".s.PGSQL.{}", postgres.port())).exists());

    postgres.stop().await.unwrap();
    assert_eq!(servers_in(&folder.cluster()), Vec::<i32>::new());
    assert!(!folder.cluster().join("postmaster.pid").exists());
    assert!(!folder.has_unfinished_cluster());
}

#[tokio::test]
async fn a_wrong_password_is_refused_over_tcp_and_the_socket() {
    let folder = Folder::new();
    let postgres = folder.start().await;
    let options = sqlx::postgres::PgConnectOptions::new_without_pgpass()
        .port(postgres.port())
        .username("tidemill")
        .password("guess")
        .database("tidemill");
    assert!(PgConnection::connect_with(&options.clone().host("127.0.0.1")).await.is_err());
    assert!(PgConnection::connect_with(&options.socket(postgres.socket_dir())).await.is_err());
    postgres.stop().await.unwrap();
}

#[tokio::test]
async fn a_second_start_finds_the_data_at_the_same_url() {
    let folder = Folder::new();
    let first = folder.start().await;
    let url = first.url().to_owned();
    write_note(&url).await;
    first.stop().await.unwrap();

    let began = Instant::now();
    let second = folder.start().await;
    println!("start of an existing cluster: {:?}", began.elapsed());
    assert_eq!(second.url(), url);
    assert_eq!(read_note(&url).await, "kept");
    second.stop().await.unwrap();
}

#[tokio::test]
async fn a_port_that_was_taken_meanwhile_is_replaced() {
    let folder = Folder::new();
    let first = folder.start().await;
    let port = first.port();
    first.stop().await.unwrap();

    let _somebody_else = TcpListener::bind(("127.0.0.1", port)).unwrap();
    let second = folder.start().await;
    assert_ne!(second.port(), port);
    connect(second.url()).await;
    second.stop().await.unwrap();
}

#[tokio::test]
async fn a_killed_server_is_noticed_and_restarts_with_what_was_committed() {
    let folder = Folder::new();
    let mut postgres = folder.start().await;
    let url = postgres.url().to_owned();
    write_note(&url).await;
    let killed = postgres.postmaster_pid();
    kill_hard(killed);
    tokio::time::timeout(DEADLINE, postgres.ended()).await.unwrap();
    postgres.restart().await.unwrap();
    assert_ne!(postgres.postmaster_pid(), killed);
    assert_eq!(postgres.url(), url);
    assert_eq!(read_note(&url).await, "kept");

    let running = postgres.postmaster_pid();
    postgres.restart().await.unwrap();
    assert_eq!(postgres.postmaster_pid(), running, "a server that runs is left alone");
    postgres.stop().await.unwrap();
}

#[tokio::test]
async fn a_child_that_outlives_its_killed_postmaster_does_not_block_the_next_start() {
    let folder = Folder::new();
    let mut postgres = folder.start().await;
    let mut connection = connect(postgres.url()).await;
    // Deep in a query a child does not notice that its postmaster is gone.
    let busy = tokio::spawn(async move {
        let endless = "select count(*) from generate_series(1, 100000000000) as number where number % 2 = 3";
        sqlx::query(endless).execute(&mut connection).await
    });
    let mut observer = connect(postgres.url()).await;
    let began = Instant::now();
    while text(&mut observer, "select count(*)::text from pg_stat_activity where state = 'active' and query like '%number % 2%' and pid <> pg_backend_pid()").await != "1" {
        assert!(began.elapsed() < DEADLINE);
    }
    kill_hard(postgres.postmaster_pid());
    postgres.ended().await;
    postgres.restart().await.unwrap();
    assert!(busy.await.unwrap().is_err());
    connect(postgres.url()).await;
    postgres.stop().await.unwrap();
}

#[tokio::test]
async fn a_kill_of_everything_leaves_a_stale_pid_file_and_loses_nothing() {
    let folder = Folder::new();
    let first = folder.start().await;
    let url = first.url().to_owned();
    write_note(&url).await;
    first.stop().await.unwrap();

    let holder = Holder::ready(&folder);
    holder.kill();
    servers_in(&folder.cluster()).into_iter().for_each(kill_hard);
    wait_until("all servers gone", || servers_in(&folder.cluster()).is_empty());
    assert!(folder.cluster().join("postmaster.pid").exists());

    let second = folder.start().await;
    assert_eq!(read_note(second.url()).await, "kept");
    second.stop().await.unwrap();
}

#[tokio::test]
async fn a_pid_file_whose_id_now_belongs_to_somebody_else_does_not_block_the_start() {
    let folder = Folder::new();
    folder.start().await.stop().await.unwrap();
    let pid_file = format!("{}\n{}\n1\n5432\n\n\n\n", std::process::id(), folder.cluster().display());
    fs::write(folder.cluster().join("postmaster.pid"), pid_file).unwrap();
    folder.start().await.stop().await.unwrap();
}

#[tokio::test]
async fn a_server_that_outlived_its_tidemill_is_adopted_and_then_stopped() {
    let folder = Folder::new();
    Holder::ready(&folder).kill();
    let left = servers_in(&folder.cluster());
    assert!(!left.is_empty(), "the server must outlive its tidemill");

    let postgres = folder.start().await;
    assert!(left.contains(&postgres.postmaster_pid()));
    write_note(postgres.url()).await;
    assert_eq!(read_note(postgres.url()).await, "kept");
    postgres.stop().await.unwrap();
    assert_eq!(servers_in(&folder.cluster()), Vec::<i32>::new());
}

#[tokio::test]
async fn a_dropped_server_is_adopted_unless_its_durability_is_not_what_is_asked() {
    let folder = Folder::new();
    let first = folder.start().await;
    let pid = first.postmaster_pid();
    drop(first);
    let second = folder.start().await;
    assert_eq!(second.postmaster_pid(), pid);
    drop(second);

    let durable = EmbeddedPostgres::start(Settings { durable: true, ..folder.settings() }).await.unwrap();
    assert_ne!(durable.postmaster_pid(), pid);
    assert_eq!(text(&mut connect(durable.url()).await, "show fsync").await, "on");
    durable.stop().await.unwrap();
}

#[tokio::test]
async fn durability_cannot_be_switched_off_unseen() {
    let folder = Folder::new();
    let first = folder.start().await;
    let mut connection = connect(first.url()).await;
    sqlx::query("alter system set fsync = off").execute(&mut connection).await.unwrap();
    first.stop().await.unwrap();
    let durable = EmbeddedPostgres::start(Settings { durable: true, ..folder.settings() }).await.unwrap();
    assert_eq!(text(&mut connect(durable.url()).await, "show fsync").await, "on");
    durable.stop().await.unwrap();
}

/// A child that a killed process was about to start has its files for a moment longer.
#[tokio::test]
async fn a_lock_that_outlives_its_holder_is_waited_for() {
    let folder = Folder::new();
    folder.start().await.stop().await.unwrap();
    let mut dead = Command::new("true").spawn().unwrap();
    dead.wait().unwrap();
    let path = folder.cluster().canonicalize().unwrap().parent().unwrap().join("tidemill.lock");
    fs::write(&path, format!("{}\n", dead.id())).unwrap();
    let lock = fs::File::open(&path).unwrap();
    lock.lock().unwrap();
    let start = tokio::spawn(EmbeddedPostgres::start(folder.settings()));
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert!(!start.is_finished(), "it waits");
    lock.unlock().unwrap();
    start.await.unwrap().unwrap().stop().await.unwrap();
}
