//! A TCP proxy that can stop forwarding without closing anything, as a dead network does.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio_util::task::AbortOnDropHandle;

/// What the proxy does with bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Mode {
    Forward,
    /// Connections of this age or older carry nothing any more; new ones are accepted and carry
    /// nothing either.
    BlackHole,
    /// New connections are closed at once.
    Refuse,
    /// So are all others.
    Down,
}

/// A proxy before a test's database.
pub(crate) struct Proxy {
    pub(crate) address: SocketAddr,
    mode: watch::Sender<(Mode, usize)>,
    carried: Arc<AtomicUsize>,
    _task: AbortOnDropHandle<()>,
}

impl Proxy {
    pub(crate) async fn before(url: &str) -> Self {
        let url: url::Url = url.parse().unwrap();
        let target = (url.host_str().unwrap().to_owned(), url.port().unwrap());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        // The number is that of the last connection that a black hole swallowed for good.
        let (mode, seen) = watch::channel((Mode::Forward, 0));
        let carried = Arc::new(AtomicUsize::new(0));
        let counter = carried.clone();
        let task = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                if [Mode::Refuse, Mode::Down].contains(&seen.borrow().0) {
                    continue;
                }
                let number = counter.fetch_add(1, Ordering::SeqCst) + 1;
                tokio::spawn(carry(client, target.clone(), number, seen.clone()));
            }
        });
        Self { address, mode, carried, _task: AbortOnDropHandle::new(task) }
    }

    /// The same database, through the proxy.
    pub(crate) fn url(&self, url: &str) -> String {
        let mut url: url::Url = url.parse().unwrap();
        url.set_port(Some(self.address.port())).unwrap();
        url.to_string()
    }

    /// Nothing passes any more, and no error is sent.
    pub(crate) fn black_hole(&self) {
        self.mode.send_modify(|mode| mode.0 = Mode::BlackHole);
    }

    /// New connections work; those from before stay dead without a word.
    pub(crate) fn heal_for_new(&self) {
        self.mode.send_replace((Mode::Forward, self.carried.load(Ordering::SeqCst)));
    }

    /// Everything goes on as if nothing had been.
    pub(crate) fn heal(&self) {
        self.mode.send_modify(|mode| mode.0 = Mode::Forward);
    }

    /// As if the server went away: what is open breaks, and nothing new is let in.
    pub(crate) fn down(&self) {
        self.mode.send_modify(|mode| mode.0 = Mode::Down);
    }

    /// New connections are closed at once; those from before go on.
    pub(crate) fn refuse(&self) {
        self.mode.send_modify(|mode| mode.0 = Mode::Refuse);
    }
}

async fn carry(
    client: TcpStream,
    target: (String, u16),
    number: usize,
    mode: watch::Receiver<(Mode, usize)>,
) {
    let Ok(server) = TcpStream::connect((target.0.as_str(), target.1)).await else { return };
    let (from_client, to_client) = client.into_split();
    let (from_server, to_server) = server.into_split();
    tokio::join!(
        pump(from_client, to_server, number, mode.clone()),
        pump(from_server, to_client, number, mode)
    );
}

async fn pump(
    mut from: tokio::net::tcp::OwnedReadHalf,
    mut to: tokio::net::tcp::OwnedWriteHalf,
    number: usize,
    mut mode: watch::Receiver<(Mode, usize)>,
) {
    let mut buffer = vec![0; 64 * 1024];
    let mut down = mode.clone();
    loop {
        let read = tokio::select! {
            read = from.read(&mut buffer) => read.unwrap_or(0),
            _ = down.wait_for(|(mode, _)| *mode == Mode::Down) => return,
        };
        let open = |(mode, dead): &(Mode, usize)| *mode != Mode::BlackHole && number > *dead;
        // Not even an end is passed on through a black hole.
        if mode.wait_for(open).await.is_err() || read == 0 || to.write_all(&buffer[..read]).await.is_err() {
            return;
        }
    }
}
