//! Folders and programs that cannot be used, each with its clear error; paths and rights.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::Command;

use nix::unistd::geteuid;
use tidemill::embedded::{EmbeddedError, EmbeddedPostgres, Settings};

use crate::support::{Folder, Holder, connect, read_note, wait_until, write_note};

#[tokio::test]
async fn a_folder_in_use_is_refused_and_its_holder_named() {
    let folder = Folder::new();
    let holder = Holder::ready(&folder);
    let message = folder.refusal().await.to_string();
    assert!(message.contains(&format!("process {}", holder.child.id())), "{message}");
    holder.kill();

    let postgres = folder.start().await;
    let message = folder.refusal().await.to_string();
    assert!(message.contains(&format!("process {}", std::process::id())), "{message}");
    postgres.stop().await.unwrap();
}

#[tokio::test]
async fn a_kill_during_the_first_start_does_not_wedge_the_next() {
    let folder = Folder::new();
    let holder = Holder::begin(&folder);
    wait_until("initdb has begun", || folder.has_unfinished_cluster());
    holder.kill();
    assert!(!folder.cluster().exists());
    folder.start().await.stop().await.unwrap();
}

#[tokio::test]
async fn data_of_a_major_version_without_programs_is_refused() {
    let folder = Folder::new();
    folder.start().await.stop().await.unwrap();
    fs::write(folder.cluster().join("PG_VERSION"), "14\n").unwrap();
    let error = folder.refusal().await;
    assert!(matches!(error, EmbeddedError::WrongMajor { cluster_major: 14, .. }), "{error}");
    for part in [folder.cluster().to_str().unwrap(), "Postgres 14", "/bin", "pg_upgrade"] {
        assert!(error.to_string().contains(part), "{error}");
    }
}

#[tokio::test]
async fn a_folder_that_is_no_cluster_is_refused_and_left_alone() {
    let folder = Folder::new();
    fs::create_dir_all(folder.cluster()).unwrap();
    fs::write(folder.cluster().join("precious"), "mine").unwrap();
    let error = folder.refusal().await;
    assert!(matches!(error, EmbeddedError::NotACluster { .. }), "{error}");
    assert_eq!(fs::read_to_string(folder.cluster().join("precious")).unwrap(), "mine");

    fs::remove_file(folder.cluster().join("precious")).unwrap();
    folder.start().await.stop().await.unwrap();
}

#[tokio::test]
async fn a_server_that_cannot_start_says_why_in_its_own_words() {
    let folder = Folder::new();
    folder.start().await.stop().await.unwrap();
    fs::write(folder.cluster().join("global/pg_control"), "short").unwrap();
    let message = folder.refusal().await.to_string();
    assert!(message.contains("pg_control") && message.contains("postgres.log"), "{message}");
}

#[tokio::test]
async fn a_lost_password_is_said_plainly() {
    let folder = Folder::new();
    folder.start().await.stop().await.unwrap();
    fs::remove_file(folder.path.join("postgres.password")).unwrap();
    let error = folder.refusal().await;
    assert!(matches!(error, EmbeddedError::PasswordLost { .. }), "{error}");
}

#[tokio::test]
async fn a_named_programs_folder_must_hold_programs() {
    let folder = Folder::new();
    let settings = Settings { programs_dir: Some(PathBuf::from("/nonexistent")), ..folder.settings() };
    let error = EmbeddedPostgres::start(settings).await.unwrap_err();
    assert!(matches!(error, EmbeddedError::UnusableProgramsDir { .. }), "{error}");
    assert!(!folder.cluster().exists());
}

#[tokio::test]
async fn a_long_path_moves_only_the_socket() {
    let folder = Folder::named(&format!("{}/{}", "a".repeat(120), "b".repeat(60)));
    let postgres = folder.start().await;
    assert!(folder.cluster().join("PG_VERSION").exists());
    let socket = postgres.socket_dir().join(format!(".s.PGSQL.{}", postgres.port()));
    assert!(socket.exists() && socket.as_os_str().len() < 104);
    connect(postgres.url()).await;
    let socket_dir = postgres.socket_dir().to_owned();
    postgres.stop().await.unwrap();
    assert!(!socket_dir.exists(), "nothing stays behind in the temporary folder");
}

#[tokio::test]
async fn an_odd_path_is_as_good_as_any() {
    let folder = Folder::named("it's, a \"data\" \\ folder");
    let postgres = folder.start().await;
    assert!(postgres.socket_dir().starts_with(&folder.path));
    assert!(postgres.socket_dir().join(format!(".s.PGSQL.{}", postgres.port())).exists());
    connect(postgres.url()).await;
    drop(postgres);
    folder.start().await.stop().await.unwrap();

    let error = Folder::named("two\nlines").refusal().await;
    assert!(matches!(error, EmbeddedError::UnusablePath { .. }), "{error}");
}

/// Root only: anyone else's server runs as themselves and reaches what they reach.
#[tokio::test]
async fn roots_private_folder_keeps_its_rights_and_the_cluster_lives_where_its_account_reaches() {
    if !geteuid().is_root() {
        return;
    }
    let private = fs::Permissions::from_mode(0o700);
    let parent = tempfile::Builder::new().permissions(private).tempdir().unwrap();
    let settings = Settings { durable: false, ..Settings::new(parent.path().join("data")) };
    let link = parent.path().join("data/postgres");
    let first = EmbeddedPostgres::start(settings.clone()).await.unwrap();
    write_note(first.url()).await;
    first.stop().await.unwrap();
    let home = fs::read_link(&link).unwrap().parent().unwrap().to_owned();
    assert!(home.starts_with("/var/lib/tidemill"));
    assert_eq!(fs::metadata(parent.path()).unwrap().permissions().mode() & 0o777, 0o700);

    let second = EmbeddedPostgres::start(settings.clone()).await.unwrap();
    assert_eq!(read_note(second.url()).await, "kept");
    second.stop().await.unwrap();

    // Killed before the link was made, the next start still finds the cluster.
    fs::remove_file(&link).unwrap();
    let third = EmbeddedPostgres::start(settings.clone()).await.unwrap();
    assert_eq!(read_note(third.url()).await, "kept");
    third.stop().await.unwrap();

    fs::remove_dir_all(&home).unwrap();
    let error = EmbeddedPostgres::start(settings).await.unwrap_err();
    assert!(matches!(error, EmbeddedError::ClusterGone { .. }), "{error}");
}

/// Root only: a copy restored by root belongs to root at first.
#[tokio::test]
async fn a_cluster_given_to_root_is_given_back_to_the_servers_account() {
    if !geteuid().is_root() {
        return;
    }
    let folder = Folder::new();
    folder.start().await.stop().await.unwrap();
    let status = Command::new("chown").args(["-R", "0:0"]).arg(&folder.path).status().unwrap();
    assert!(status.success());
    folder.start().await.stop().await.unwrap();
}
