//! What a command can read of the worker that runs it: nothing that the worker alone should know, under whichever
//! login they share.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Stdio;

use nix::unistd::geteuid;
use tokio::process::{Child, Command};

use crate::support::{Db, job, wait_for};

/// A login that owns nothing.
const NOBODY: u32 = 65534;
/// Stands in variables of the worker.
const MARK: &str = "mark-5f2c";

/// Reads what it can of its worker and the worker's other children, and of all processes of its login unless that is root,
/// who sees those of other tests. The secrets stand in it in halves, for it looks at itself, too.
const LOOK: &str = r#"
look="mark""-5f2c\|FIRST""SECOND"
find() { if tr '\0' '\n' 2>/dev/null < "$1" | grep -q "$look"; then echo "found in $1"; fi; }
for status in /proc/[0-9]*/status; do
  pid=$(basename "$(dirname "$status")")
  if [ "$pid" = "$PPID" ] || grep -qs "^PPid:[[:space:]]*$PPID$" "$status"; then
    find "/proc/$pid/environ"
    find "/proc/$pid/cmdline"
  elif [ "$(id -u)" != 0 ]; then
    find "/proc/$pid/environ"
  fi
done
if [ "$(id -u)" != 0 ] && ls "/proc/$PPID/fd" >/dev/null 2>&1; then echo "found the files of the worker"; fi
if [ "$(id -u)" != 0 ] && [ -r "/proc/$PPID/mem" ]; then echo "found the memory of the worker"; fi
env | grep "$look" | sed 's/^/found in its own /'
echo "cmdline $(tr '\0' ' ' < "/proc/$PPID/cmdline")"
echo "looked as $(id -u)"
"#;

/// Runs the binary as a worker of that login, with secrets in its variables and on its command line.
fn worker(db: &Db, folder: &Path, login: Option<u32>) -> Child {
    let binary = folder.join("tidemill");
    if !binary.exists() {
        // Where the login may not enter the folder of the build.
        std::fs::copy(crate::binary::tidemill(), &binary).unwrap();
    }
    let mut command = Command::new("setpriv");
    if let Some(login) = login {
        command.args([&format!("--reuid={login}"), &format!("--regid={login}"), "--clear-groups"]);
    }
    if login.is_some() {
        // Libraries read these for themselves and whenever they like: only the closed entry keeps them.
        command.env("PGAPPNAME", MARK).env("AWS_ACCESS_KEY_ID", MARK).env("AWS_SECRET_ACCESS_KEY", MARK);
    }
    command
        .arg(binary)
        .args(["worker", "--config", "tidemill.toml", "--database-url", &db.options().url])
        .env("TIDEMILL_AGENT__API_KEY", MARK)
        .env("TIDEMILL_ENCRYPTION__KEYS", format!("{MARK}:{}=", "A".repeat(43)))
        .current_dir(folder)
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .unwrap()
}

#[tokio::test]
async fn a_command_finds_no_secret_of_its_worker() {
    let logins = if geteuid().is_root() { vec![Some(NOBODY), None] } else { vec![None] };
    let folder = tempfile::tempdir().unwrap();
    std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
    let url = url::Url::parse(&crate::support::server().url("any")).unwrap();
    let (first, second) = url.password().unwrap().split_at(8);
    let script = LOOK.replace("FIRST", first).replace("SECOND", second);
    let script = script.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
    let config = format!(
        "[kinds.k]\ncommand = [\"sh\", \"-c\", \"{script}\"]\n[storage]\nurl = \"s3://none\"\noptions = {{ aws_region = \"none\" }}\n"
    );
    std::fs::write(folder.path().join("tidemill.toml"), config).unwrap();
    for login in logins {
        let db = Db::new().await;
        let id = db.enqueue(job("k")).await;
        let mut worker = worker(&db, folder.path(), login);
        wait_for("the look's end", || async { (db.state(id).await == "completed").then_some(()) }).await;
        worker.kill().await.unwrap();
        let events = db.events_after(id, 0, &["log".into()], 100).await.unwrap();
        let lines: Vec<_> = events.iter().map(|event| event.data["line"].as_str().unwrap()).collect();
        let found: Vec<_> = lines.iter().filter(|line| line.starts_with("found")).collect();
        assert!(found.is_empty(), "{found:?} of {lines:?}");
        let uid = login.unwrap_or_else(|| geteuid().as_raw());
        assert_eq!(lines.last(), Some(&format!("looked as {uid}").as_str()), "{lines:?}");
        let shown = lines.iter().find(|line| line.starts_with("cmdline ")).unwrap();
        assert!(shown.contains("postgres://") && shown.contains(":****"), "{shown}");
    }
}
