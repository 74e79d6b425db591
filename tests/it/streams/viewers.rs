//! One process of the API before many viewers: what an idle one costs, how soon an event reaches a thousand of one
//! job, and that all come back after the process was killed, one after the other and without a gap.
//!
//! `TIDEMILL_VIEWERS=10000` measures with that many, and `TIDEMILL_VIEWERS_BINARY` names another build of the
//! binary; then the bounds of docs/browsers.md hold.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpSocket, TcpStream};
use tokio::process::{Child, Command};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use crate::support::{Db, wait_for};

/// How many viewers, and whether the bounds of the documentation are held to.
fn wanted() -> (usize, bool) {
    let asked = std::env::var("TIDEMILL_VIEWERS").ok().map(|count| count.parse().expect("a number"));
    (asked.unwrap_or(500), asked.is_some())
}

fn binary() -> PathBuf {
    std::env::var_os("TIDEMILL_VIEWERS_BINARY").map_or_else(crate::binary::tidemill, PathBuf::from)
}

/// A process `tidemill serve`, which can be killed and started again on its port.
struct Api {
    folder: TempDir,
    process: Child,
    address: SocketAddr,
}

impl Api {
    async fn start(db: &Db) -> Self {
        // Another test of this process may have installed one already.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let folder = tempfile::tempdir().unwrap();
        let limits = "max_connections = 20000\nmax_streams_per_address = 20000\nmax_streams_per_key = 20000";
        let config = format!("[database]\nurl = '{}'\n[api]\n{limits}\n", db.options().url);
        std::fs::write(folder.path().join("tidemill.toml"), config).unwrap();
        // A port that was free a moment ago: the process must come back on the same.
        let address = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let process = Self::spawn(&folder, address);
        let api = Self { folder, process, address };
        api.ready().await;
        api
    }

    fn spawn(folder: &TempDir, address: SocketAddr) -> Child {
        Command::new(binary())
            .args(["serve", "--listen", &address.to_string()])
            .current_dir(folder.path())
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap())
            .stdout(Stdio::null())
            .stderr(std::fs::File::create(folder.path().join("log")).unwrap())
            .kill_on_drop(true)
            .spawn()
            .unwrap()
    }

    async fn ready(&self) {
        let url = format!("http://{}/readyz", self.address);
        wait_for("the API is ready", async || {
            reqwest::get(&url).await.is_ok_and(|answer| answer.status() == 200).then_some(())
        })
        .await;
    }

    /// Ends it without any warning.
    async fn kill(&mut self) {
        self.process.kill().await.unwrap();
    }

    async fn restart(&mut self) {
        self.process = Self::spawn(&self.folder, self.address);
        self.ready().await;
    }

    /// The memory that it has, in bytes.
    fn memory(&self) -> u64 {
        let pid = self.process.id().expect("it runs");
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
        let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
        line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() * 1024
    }

    async fn post(&self, path: &str, body: Value) -> Value {
        let sent = reqwest::Client::new().post(format!("http://{}{path}", self.address)).json(&body);
        sent.send().await.unwrap().error_for_status().unwrap().json().await.unwrap()
    }

    /// A job that a remote worker runs; answers its id and lease.
    async fn running(&self) -> (String, String) {
        self.post("/api/v1/jobs", json!({"kind": "watched"})).await;
        let claim = json!({"worker": "w", "kinds": ["watched"], "queues": ["default"], "max": 1});
        let claimed = self.post("/api/v1/worker/claim", claim).await;
        let part = |name: &str| claimed["jobs"][0][name].as_str().unwrap().to_owned();
        (part("id"), part("lease_id"))
    }
}

/// What a viewer saw.
#[derive(Debug)]
enum Sight {
    /// The snapshot of a connection, which was opened then.
    Connected(Instant),
    /// The event of this number, then.
    Event(usize, i64, Instant),
}

/// The pause of the TypeScript client after this many failures in a row.
fn backoff(failures: u32) -> Duration {
    let whole = Duration::from_millis(500 * 2_u64.pow(failures.min(5))).min(Duration::from_secs(5));
    whole.mul_f64(rand::random_range(0.5..1.0))
}

/// Follows a job for ever, and comes back as the TypeScript client does.
async fn view(nth: usize, address: SocketAddr, job: String, seen: mpsc::UnboundedSender<Sight>) {
    let (mut position, mut failures) = (String::new(), 0);
    loop {
        let connection = connect(nth, address, &job, &position).await;
        let opened = Instant::now();
        if let Ok(stream) = connection {
            let mut lines = BufReader::with_capacity(1024, stream).lines();
            let (mut kind, mut id) = (String::new(), None);
            while let Ok(Some(line)) = lines.next_line().await {
                match line.split_once(':') {
                    Some(("event", text)) => text.trim().clone_into(&mut kind),
                    Some(("id", text)) => id = Some(text.trim().to_owned()),
                    // The end of a frame.
                    None => {
                        let Some(id) = id.take() else { continue };
                        failures = 0;
                        let sight = match (kind.as_str(), id.parse()) {
                            ("snapshot", _) => Some(Sight::Connected(opened)),
                            (_, Ok(seq)) => Some(Sight::Event(nth, seq, Instant::now())),
                            _ => None,
                        };
                        position = id;
                        if let Some(sight) = sight {
                            let _ = seen.send(sight);
                        }
                    }
                    _ => {}
                }
            }
        }
        tokio::time::sleep(backoff(failures)).await;
        failures += 1;
    }
}

/// From many addresses, as viewers come: one has a bound on its connections.
async fn connect(nth: usize, address: SocketAddr, job: &str, position: &str) -> std::io::Result<TcpStream> {
    let socket = TcpSocket::new_v4()?;
    socket.bind(format!("127.0.0.{}:0", 2 + nth % 200).parse().unwrap())?;
    let mut stream = socket.connect(address).await?;
    let resume = if position.is_empty() { String::new() } else { format!("Last-Event-ID: {position}\r\n") };
    let head = format!(
        "GET /api/v1/jobs/{job}/events/stream HTTP/1.1\r\nHost: {address}\r\nAccept: text/event-stream\r\n\
         User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0\r\n\
         Accept-Language: en\r\nAccept-Encoding: gzip, deflate, br, zstd\r\nCache-Control: no-store\r\n{resume}\r\n"
    );
    stream.write_all(head.as_bytes()).await?;
    Ok(stream)
}

/// Waits until `count` viewers have a snapshot; answers when their connections were opened.
async fn connected(seen: &mut mpsc::UnboundedReceiver<Sight>, count: usize) -> Vec<Instant> {
    let mut opened = Vec::new();
    while opened.len() < count {
        let sight = tokio::time::timeout(Duration::from_mins(2), seen.recv()).await;
        if let Sight::Connected(at) = sight.expect("all connect").unwrap() {
            opened.push(at);
        }
    }
    opened
}

fn viewers(count: usize, api: &Api, jobs: &[String]) -> (JoinSet<()>, mpsc::UnboundedReceiver<Sight>) {
    let (sender, seen) = mpsc::unbounded_channel();
    let mut tasks = JoinSet::new();
    for nth in 0..count {
        tasks.spawn(view(nth, api.address, jobs[nth % jobs.len()].clone(), sender.clone()));
    }
    (tasks, seen)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_idle_viewer_costs_little_memory() {
    let (count, is_measured) = wanted();
    let db = Db::new().await;
    let api = Api::start(&db).await;
    let mut jobs = Vec::new();
    for _ in 0..20 {
        let job = api.post("/api/v1/jobs", json!({"kind": "idle", "delay": "1d"})).await;
        jobs.push(job["id"].as_str().unwrap().to_owned());
    }
    let (sender, mut seen) = mpsc::unbounded_channel();
    let mut tasks = JoinSet::new();
    // As many at once as come in a second of an ordinary day; after a restart all come at once.
    let mut open = async |from: usize, to: usize| {
        for batch in (from..to).step_by(50) {
            let batch = batch..(batch + 50).min(to);
            let count = batch.len();
            for nth in batch {
                tasks.spawn(view(nth, api.address, jobs[nth % jobs.len()].clone(), sender.clone()));
            }
            connected(&mut seen, count).await;
        }
    };
    // What the process keeps from its first viewers on is not theirs.
    open(0, 50).await;
    let before = api.memory();
    let began = Instant::now();
    open(50, 50 + count).await;
    let took = began.elapsed();
    let each = (api.memory() - before) / count as u64;
    println!("{count} idle viewers: {each} bytes each, of {} MB; connected in {took:?}", api.memory() >> 20);
    // Few viewers do not fill the pages of the allocator.
    let most = if is_measured { 25_000 } else { 40_000 };
    assert!(each <= most, "{each} bytes");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_event_reaches_every_viewer_soon_and_a_killed_process_loses_none() {
    let (count, is_measured) = wanted();
    let count = count.min(1_000);
    let db = Db::new().await;
    let mut api = Api::start(&db).await;
    let (job, lease) = api.running().await;
    let (viewers, mut seen) = viewers(count, &api, std::slice::from_ref(&job));
    connected(&mut seen, count).await;
    let sent: Arc<Mutex<Vec<Instant>>> = Arc::default();
    let progress = format!("/api/v1/worker/jobs/{job}/progress");
    let mut delays = Vec::new();
    let mut last = vec![0; count];
    let mut take = |sight: Sight, last: &mut Vec<i64>| {
        let Sight::Event(nth, seq, at) = sight else { return };
        assert_eq!(seq, last[nth] + 1, "viewer {nth} missed an event or saw one twice");
        last[nth] = seq;
        let sent = sent.lock().unwrap().get(usize::try_from(seq).unwrap() - 1).copied();
        delays.extend(sent.map(|sent| at - sent));
    };
    for percent in 1..=50 {
        sent.lock().unwrap().push(Instant::now());
        api.post(&progress, json!({"lease_id": lease, "percent": percent})).await;
        while last.iter().any(|seq| *seq < percent) {
            take(seen.recv().await.unwrap(), &mut last);
        }
    }
    // Those of a killed process, and those that were committed while none was there.
    api.kill().await;
    let append = format!("select append_event('{job}', 1, 'progress', '{{\"percent\": 60}}')");
    for _ in 0..10 {
        db.scalar::<i64>(append.clone()).await;
    }
    api.restart().await;
    let up = Instant::now();
    let opened = connected_with(&mut seen, count, |sight| take(sight, &mut last)).await;
    while last.iter().any(|seq| *seq < 60) {
        take(seen.recv().await.unwrap(), &mut last);
    }
    let recovered = up.elapsed();
    let (from, to) = (*opened.iter().min().unwrap(), *opened.iter().max().unwrap());
    let most_at_once = (0..).map(|nth| from + Duration::from_millis(100) * nth).take_while(|at| *at <= to);
    let most_at_once = most_at_once
        .map(|at| {
            opened.iter().filter(|open| **open >= at && **open < at + Duration::from_millis(100)).count()
        })
        .max()
        .unwrap();
    delays.sort();
    let at = |share: usize| delays[delays.len() * share / 100];
    println!("{count} viewers of a job, 50 events, to all of them: p50 {:?}, p99 {:?}", at(50), at(99));
    println!(
        "after a kill all were back in {recovered:?}, at most {most_at_once} in 100 ms, over {:?}",
        to - from
    );
    assert!(most_at_once <= count / 2, "{most_at_once} of {count} came at once");
    // Times say something of an optimised build on a machine that does nothing else.
    if is_measured {
        assert!(recovered < Duration::from_secs(5), "{recovered:?}");
        assert!(at(99) <= Duration::from_millis(100), "{:?}", at(99));
    }
    drop(viewers);
}

/// As [`connected`], handing on what else was seen.
async fn connected_with(
    seen: &mut mpsc::UnboundedReceiver<Sight>,
    count: usize,
    mut other: impl FnMut(Sight),
) -> Vec<Instant> {
    let mut opened = Vec::new();
    while opened.len() < count {
        match tokio::time::timeout(Duration::from_mins(2), seen.recv()).await.expect("all return").unwrap() {
            Sight::Connected(at) => opened.push(at),
            sight @ Sight::Event(..) => other(sight),
        }
    }
    opened
}
