//! What a program finds changed by the library in it, which must be nothing: neither features of crates that both use,
//! nor what a process has once.

use std::collections::BTreeMap;
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use serde::Deserialize;
use tidemill::embedded::{EmbeddedPostgres, Settings};
use tidemill::{Context, Handler, JobError, NewJob, Options, Shutdown, Store, Worker, enqueue_in, migrate};

/// Features that change what a program does that never asked for them.
const CHANGING: [&str; 11] = [
    "rustls feature \"ring\"",
    "rustls feature \"aws_lc_rs\"",
    "rustls feature \"aws-lc-rs\"",
    "reqwest feature \"rustls-no-provider\"",
    "reqwest feature \"system-proxy\"",
    "tracing-subscriber feature \"env-filter\"",
    "serde_json feature \"arbitrary_precision\"",
    "serde_json feature \"preserve_order\"",
    "serde_json feature \"float_roundtrip\"",
    "tokio feature \"test-util\"",
    "tracing feature \"log-always\"",
];

#[test]
fn no_feature_of_a_common_crate_comes_with_the_library() {
    let tree = Command::new(env!("CARGO"))
        .args([
            "tree",
            "--offline",
            "--package",
            "tidemill",
            "--edges",
            "features,normal",
            "--prefix",
            "none",
        ])
        .current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."))
        .output()
        .unwrap();
    let tree = String::from_utf8(tree.stdout).unwrap();
    assert!(tree.contains("sqlx feature"), "{tree}");
    for feature in CHANGING {
        assert!(!tree.contains(feature), "the library brings {feature}");
    }
    for whole in ["reqwest v", "rustls v", "openssl", "tracing-subscriber v"] {
        assert!(!tree.lines().any(|line| line.starts_with(whole)), "the library brings {whole}");
    }
}

#[test]
fn a_client_without_tls_is_still_made() {
    reqwest::Client::builder().build().unwrap();
    assert!(rustls::crypto::CryptoProvider::get_default().is_none(), "nobody chose a provider");
}

#[test]
fn json_is_read_as_before() {
    let read: serde_json::Value = serde_json::from_str(r#"{"b": 1.0, "a": 1e2}"#).unwrap();
    assert_eq!(read.to_string(), r#"{"a":100.0,"b":1.0}"#);
}

struct Add;

#[derive(Deserialize)]
struct Numbers {
    a: i64,
    b: i64,
}

impl Handler for Add {
    const KIND: &'static str = "add";
    type Args = Numbers;
    type Output = i64;

    async fn run(&self, _: Context, numbers: Numbers) -> Result<i64, JobError> {
        if numbers.a == 13 {
            panic!("unlucky");
        }
        Ok(numbers.a + numbers.b)
    }
}

/// What a process has once.
#[derive(Debug, PartialEq)]
struct Process {
    environment: BTreeMap<String, String>,
    folder: std::path::PathBuf,
    /// Signals that are blocked, ignored and caught, and what the kernel lets others see of the process.
    status: Vec<String>,
    provider: bool,
}

fn process() -> Process {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let is_kept =
        |line: &&str| ["SigBlk", "SigIgn", "SigCgt", "NoNewPrivs"].iter().any(|key| line.starts_with(key));
    Process {
        environment: std::env::vars().collect(),
        folder: std::env::current_dir().unwrap(),
        status: status.lines().filter(is_kept).map(str::to_owned).collect(),
        provider: rustls::crypto::CryptoProvider::get_default().is_some(),
    }
}

static PANICS: AtomicUsize = AtomicUsize::new(0);

#[test]
fn a_worker_changes_nothing_of_the_process() {
    std::panic::set_hook(Box::new(|_| {
        PANICS.fetch_add(1, Ordering::SeqCst);
    }));
    let folder = std::env::temp_dir().join(format!("tidemill-host-{}", std::process::id()));
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let postgres =
            EmbeddedPostgres::start(Settings { durable: false, ..Settings::new(&folder) }).await.unwrap();
        // A server of one's own is a child, and its end a signal: that is all that it takes.
        let before = process();
        let options = Options::new(postgres.url());
        migrate(&options).await.unwrap();
        let store = Store::connect(options).unwrap();
        let shutdown = Shutdown::default();
        let worker = Worker::builder(store.clone()).handler(Add).queue("default", 2).build();
        let working = tokio::spawn(worker.run(shutdown.clone()));
        let args =
            |a: i64| serde_json::Map::from_iter([("a".to_owned(), a.into()), ("b".to_owned(), 2.into())]);
        let unlucky = NewJob { max_attempts: Some(1), ..NewJob::new("add", args(13)) };
        let mut ids = Vec::new();
        for job in [NewJob::new("add", args(1)), unlucky] {
            ids.push(job.id);
            enqueue_in(store.pool(), &store, &job).await.unwrap();
        }
        let ended = async {
            for id in ids {
                while store.find_job(id).await.unwrap().is_none_or(|job| job.finished_at.is_none()) {
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
            }
        };
        tokio::time::timeout(Duration::from_secs(60), ended).await.unwrap();
        assert_eq!(process(), before);
        shutdown.graceful.cancel();
        working.await.unwrap().unwrap();
        assert_eq!(process(), before);
        postgres.stop().await.unwrap();
    });
    assert!(PANICS.load(Ordering::SeqCst) > 0, "the hook is still the program's");
    assert!(!tracing::dispatcher::has_been_set(), "the log is still the program's");
    // Its own shows what it always did.
    tracing_subscriber::fmt::init();
    assert!(tracing::enabled!(tracing::Level::INFO));
    let _ = std::fs::remove_dir_all(folder);
}
