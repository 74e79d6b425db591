//! The only way out of a browser: a SOCKS proxy in the worker that resolves names itself and
//! connects to the resolved address, so that a name cannot be checked as one address and called as
//! another. All connections of a page (redirects, frames, workers, sockets) go through it.

use std::collections::BTreeSet;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use fast_socks5::server::Socks5ServerProtocol;
use fast_socks5::util::target_addr::TargetAddr;
use fast_socks5::{ReplyError, Socks5Command};
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;
use tokio_util::task::AbortOnDropHandle;

use super::hosts::{AllowedHosts, Refused};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// How many refusals are remembered at once.
const MOST_REFUSALS: usize = 20;

/// A proxy that runs while this value exists.
#[derive(Debug)]
pub(crate) struct BrowserProxy {
    address: SocketAddr,
    rules: Arc<ProxyRules>,
    _open: AbortOnDropHandle<()>,
}

/// The allowed hosts, and the refused connections.
#[derive(Debug)]
struct ProxyRules {
    hosts: AllowedHosts,
    refused: Mutex<BTreeSet<String>>,
}

impl BrowserProxy {
    pub(crate) async fn open(hosts: AllowedHosts) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let rules = Arc::new(ProxyRules { hosts, refused: Mutex::default() });
        let kept = Arc::clone(&rules);
        let open = tokio::spawn(async move {
            let mut through = tokio::task::JoinSet::new();
            loop {
                tokio::select! {
                    accepted = listener.accept() => match accepted {
                        Ok((stream, _)) => drop(through.spawn(pass(stream, Arc::clone(&kept)))),
                        Err(error) => {
                            tracing::warn!(%error, "a connection from the browser could not be accepted");
                            tokio::time::sleep(Duration::from_millis(100)).await;
                        }
                    },
                    Some(_) = through.join_next() => {}
                }
            }
        });
        Ok(Self { address, rules, _open: AbortOnDropHandle::new(open) })
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    /// The connections refused since the last call.
    pub(crate) fn refusals(&self) -> Vec<String> {
        std::mem::take(&mut *self.rules.refused()).into_iter().collect()
    }
}

impl ProxyRules {
    fn refused(&self) -> MutexGuard<'_, BTreeSet<String>> {
        self.refused.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn refuse(&self, refused: &Refused) {
        let mut known = self.refused();
        if known.len() < MOST_REFUSALS {
            known.insert(refused.to_string());
        }
    }

    async fn reach(&self, host: &str, port: u16) -> Result<TcpStream, ReplyError> {
        match timeout(CONNECT_TIMEOUT, self.hosts.connect(host, port)).await {
            Ok(Ok(Ok(stream))) => Ok(stream),
            Ok(Ok(Err(refused))) => {
                self.refuse(&refused);
                Err(ReplyError::ConnectionNotAllowed)
            }
            Ok(Err(error)) if error.kind() == io::ErrorKind::ConnectionRefused => {
                Err(ReplyError::ConnectionRefused)
            }
            Ok(Err(_)) => Err(ReplyError::HostUnreachable),
            Err(_) => Err(ReplyError::ConnectionTimeout),
        }
    }
}

/// One connection; its errors reach the browser.
async fn pass(stream: TcpStream, rules: Arc<ProxyRules>) {
    if let Err(reason) = connect(stream, &rules).await {
        tracing::debug!(reason, "a request of the browser was blocked");
    }
}

async fn connect(stream: TcpStream, rules: &ProxyRules) -> Result<(), String> {
    let broken = |error: fast_socks5::server::SocksServerError| error.to_string();
    let asked = Socks5ServerProtocol::accept_no_auth(stream).await.map_err(broken)?;
    let (asked, command, target) = asked.read_command().await.map_err(broken)?;
    let (host, port) = match target {
        TargetAddr::Ip(address) => (address.ip().to_string(), address.port()),
        TargetAddr::Domain(name, port) => (name, port),
    };
    let refused = match command {
        Socks5Command::TCPConnect => match rules.reach(&host, port).await {
            Ok(mut there) => {
                let local = there.local_addr().map_err(|error| error.to_string())?;
                let mut here = asked.reply_success(local).await.map_err(broken)?;
                // The two sides decide how the connection ends.
                let _ = copy_bidirectional(&mut here, &mut there).await;
                return Ok(());
            }
            Err(refused) => refused,
        },
        _ => ReplyError::CommandNotSupported,
    };
    let reason = format!("{host}:{port}: {refused}");
    asked.reply_error(&refused).await.map_err(broken)?;
    Err(reason)
}
