//! Real sockets: slow, silent and unresponsive peers, more peers than connections are allowed, and
//! the shutdown.

use std::time::Instant;

use axum::body::Bytes;
use axum::routing::get;
use futures_util::stream;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::*;

/// Far more than any of the limits below.
const TIMEOUT: Duration = Duration::from_secs(10);

struct Server {
    address: SocketAddr,
    shutdown: CancellationToken,
    task: tokio::task::JoinHandle<()>,
}

impl Server {
    async fn start(limits: PeerLimits) -> Self {
        let shutdown = CancellationToken::new();
        let endless = || async {
            Body::from_stream(stream::repeat_with(|| Ok::<_, Infallible>(Bytes::from(vec![b'x'; 65536]))))
        };
        let watching = shutdown.clone();
        let polite = move || {
            let watching = watching.clone();
            async move {
                Body::from_stream(stream::once(async move {
                    Ok::<_, Infallible>({
                        watching.cancelled().await;
                        "bye"
                    })
                }))
            }
        };
        let app = Router::new()
            .route("/", get(|| async { "hello" }))
            .route("/endless", get(endless))
            .route("/polite", get(polite))
            .route("/stuck", get(std::future::pending::<&str>));
        let listener = Listener::bind("127.0.0.1:0", false).await.unwrap();
        let address = listener.address();
        let task = tokio::spawn(listener.serve(app, limits, shutdown.clone()));
        Self { address, shutdown, task }
    }

    async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }

    async fn get(&self, path: &str) -> TcpStream {
        let mut stream = self.connect().await;
        stream
            .write_all(format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").as_bytes())
            .await
            .unwrap();
        stream
    }

    async fn stop(self) -> Duration {
        let began = Instant::now();
        self.shutdown.cancel();
        timeout(TIMEOUT, self.task).await.expect("the server ends").unwrap();
        began.elapsed()
    }
}

/// Everything until the peer ends the connection, in either way.
async fn until_end(stream: &mut TcpStream) -> String {
    let mut text = Vec::new();
    let end = timeout(TIMEOUT, stream.read_to_end(&mut text)).await.expect("the connection ends");
    drop(end);
    String::from_utf8_lossy(&text).into_owned()
}

fn brief() -> PeerLimits {
    PeerLimits {
        head_timeout: Duration::from_millis(300),
        write_timeout: Duration::from_millis(300),
        drain: Duration::from_millis(500),
        ..PeerLimits::default()
    }
}

#[tokio::test]
async fn silent_and_slow_peers_are_dropped() {
    let server = Server::start(brief()).await;
    let mut silent = server.connect().await;
    assert_eq!(until_end(&mut silent).await, "");

    let mut idle = server.connect().await;
    idle.write_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
    assert!(until_end(&mut idle).await.ends_with("hello"));

    // One byte now and then keeps no connection: the whole head has one deadline.
    let mut slow = server.connect().await;
    let began = Instant::now();
    let mut text = b"GET / HTTP/1.1\r\nX: ".iter().chain(std::iter::repeat(&b'x'));
    while slow.write_all(&[*text.next().unwrap()]).await.is_ok() {
        assert!(began.elapsed() < TIMEOUT, "a slow head is never cut");
        sleep(Duration::from_millis(20)).await;
    }
    assert!(until_end(&mut server.get("/").await).await.ends_with("hello"));
    server.stop().await;
}

#[tokio::test]
async fn a_peer_that_takes_nothing_gives_its_place_back() {
    let server = Server::start(PeerLimits { connections: 1, ..brief() }).await;
    let deaf = server.get("/endless").await;
    // Meanwhile others get a place that is kept for one short request.
    assert!(until_end(&mut server.get("/").await).await.ends_with("hello"));
    // The only ordinary place is taken until the server gives the deaf peer up.
    let began = Instant::now();
    loop {
        let mut next = server.connect().await;
        next.write_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
        let answer = until_end(&mut next).await;
        assert!(answer.ends_with("hello"));
        if !answer.contains("connection: close") {
            break;
        }
        assert!(began.elapsed() < TIMEOUT, "the place never comes back");
    }
    drop(deaf);
    server.stop().await;
}

#[tokio::test]
async fn a_head_without_end_is_refused() {
    let server = Server::start(PeerLimits { head_timeout: TIMEOUT, ..brief() }).await;
    let mut stream = server.connect().await;
    let head = format!("GET / HTTP/1.1\r\nHost: x\r\nX: {}", "x".repeat(MAX_HEAD_BYTES * 2));
    let _ = stream.write_all(head.as_bytes()).await;
    assert!(!until_end(&mut stream).await.contains("200 OK"));
    let mut many = server.connect().await;
    let head = format!("GET / HTTP/1.1\r\n{}\r\n", "X: y\r\n".repeat(MAX_HEADERS + 1));
    many.write_all(head.as_bytes()).await.unwrap();
    assert!(until_end(&mut many).await.contains("431"));
    server.stop().await;
}

#[tokio::test]
async fn shutdown_lets_streams_end_and_cuts_what_does_not() {
    let server = Server::start(PeerLimits { drain: Duration::from_secs(5), ..brief() }).await;
    let mut polite = server.get("/polite").await;
    let mut start = [0; 15];
    polite.read_exact(&mut start).await.unwrap();
    let took = server.stop().await;
    assert!(took < Duration::from_secs(4), "streams that end are not waited for: {took:?}");
    assert!(until_end(&mut polite).await.contains("bye"));

    let server = Server::start(brief()).await;
    let mut stuck = server.get("/stuck").await;
    let mut hello = server.get("/").await;
    assert!(until_end(&mut hello).await.ends_with("hello"));
    server.stop().await;
    assert_eq!(until_end(&mut stuck).await, "");
}

#[tokio::test]
async fn others_are_let_in_only_with_a_key() {
    for listen in ["0.0.0.0:0", "[::]:0", "[::ffff:0.0.0.0]:0"] {
        let error = Listener::bind(listen, false).await.unwrap_err().to_string();
        assert!(error.contains("tidemill keys create"), "{error}");
    }
    assert!(!Listener::bind("0.0.0.0:0", true).await.unwrap().is_loopback());
    assert!(Listener::bind("localhost:0", false).await.unwrap().is_loopback());
    let taken = Listener::bind("127.0.0.1:0", false).await.unwrap();
    let error = Listener::bind(&taken.address().to_string(), false).await.unwrap_err();
    assert!(error.to_string().contains("--listen"), "{error}");
    for bad in ["", "nonsense", "127.0.0.1", "127.0.0.1:99999"] {
        assert!(matches!(Listener::bind(bad, true).await, Err(ListenError::Address { .. })), "{bad}");
    }
}
