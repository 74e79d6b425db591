//! Viewers that follow a job as browsers do, from many addresses, and come back as the client for TypeScript does; and
//! what they saw. Each must see every event once and in order.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::net::{TcpSocket, TcpStream};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

/// What a viewer saw.
#[derive(Debug)]
pub(super) enum Sight {
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
pub(super) async fn view(nth: usize, address: SocketAddr, job: String, seen: mpsc::UnboundedSender<Sight>) {
    let (mut position, mut failures) = (String::new(), 0);
    loop {
        let opened = Instant::now();
        let asked = match connect(nth, address, &job, &position).await {
            Ok(Opened::Stream(mut lines)) => {
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
                Duration::ZERO
            }
            Ok(Opened::Refused(asked)) => asked.mul_f64(rand::random_range(1.0..1.25)),
            Err(_) => Duration::ZERO,
        };
        tokio::time::sleep(backoff(failures).max(asked)).await;
        failures += 1;
    }
}

/// What comes of a request for a stream.
enum Opened {
    Stream(Lines<BufReader<TcpStream>>),
    /// The server wants to be asked again after this time.
    Refused(Duration),
}

/// From many addresses, as viewers come: one has a bound on its connections.
async fn connect(nth: usize, address: SocketAddr, job: &str, position: &str) -> std::io::Result<Opened> {
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
    let mut lines = BufReader::with_capacity(1024, stream).lines();
    let (mut is_stream, mut asked) = (false, Duration::ZERO);
    while let Some(line) = lines.next_line().await?.filter(|line| !line.is_empty()) {
        is_stream |= line.starts_with("HTTP/1.1 200");
        if let Some(("retry-after", seconds)) = line.split_once(':') {
            asked = Duration::from_secs(seconds.trim().parse().unwrap());
        }
    }
    Ok(if is_stream { Opened::Stream(lines) } else { Opened::Refused(asked) })
}

/// Waits until `count` viewers have a snapshot; answers when their connections were opened.
pub(super) async fn connected(seen: &mut mpsc::UnboundedReceiver<Sight>, count: usize) -> Vec<Instant> {
    let mut opened = Vec::new();
    while opened.len() < count {
        let sight = tokio::time::timeout(Duration::from_mins(2), seen.recv()).await;
        if let Sight::Connected(at) = sight.expect("all connect").unwrap() {
            opened.push(at);
        }
    }
    opened
}

pub(super) fn viewers(
    count: usize,
    address: SocketAddr,
    jobs: &[String],
) -> (JoinSet<()>, mpsc::UnboundedReceiver<Sight>) {
    let (sender, seen) = mpsc::unbounded_channel();
    let mut tasks = JoinSet::new();
    for nth in 0..count {
        tasks.spawn(view(nth, address, jobs[nth % jobs.len()].clone(), sender.clone()));
    }
    (tasks, seen)
}

/// As [`connected`], handing on what else was seen.
pub(super) async fn connected_with(
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

/// The most connections that were opened within 100 ms.
pub(super) fn most_at_once(opened: &[Instant]) -> usize {
    let near = |at: Instant| move |open: &&Instant| **open >= at && **open < at + Duration::from_millis(100);
    opened.iter().map(|at| opened.iter().filter(near(*at)).count()).max().unwrap_or(0)
}
