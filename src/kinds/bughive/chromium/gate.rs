//! The only way out of a browser that may call public addresses alone: a proxy in the worker that looks names up itself
//! and connects to what it found, so that a name cannot be checked as one address and called as another.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use fast_socks5::server::Socks5ServerProtocol;
use fast_socks5::util::target_addr::TargetAddr;
use fast_socks5::{ReplyError, Socks5Command};
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;
use tokio_util::task::AbortOnDropHandle;

use crate::outgoing::address::public_addresses;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// A gate that is open as long as this lives.
#[derive(Debug)]
pub(super) struct Gate {
    address: SocketAddr,
    _open: AbortOnDropHandle<()>,
}

impl Gate {
    pub(super) async fn open() -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let open = tokio::spawn(async move {
            let mut through = tokio::task::JoinSet::new();
            loop {
                tokio::select! {
                    accepted = listener.accept() => match accepted {
                        Ok((stream, _)) => drop(through.spawn(pass(stream))),
                        Err(error) => {
                            tracing::warn!(%error, "a browser's connection could not be taken");
                            tokio::time::sleep(Duration::from_millis(100)).await;
                        }
                    },
                    Some(_) = through.join_next() => {}
                }
            }
        });
        Ok(Self { address, _open: AbortOnDropHandle::new(open) })
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }
}

/// One connection; its errors are the browser's to see.
async fn pass(stream: TcpStream) {
    if let Err(reason) = connect(stream).await {
        tracing::debug!(reason, "a browser was not let through");
    }
}

async fn connect(stream: TcpStream) -> Result<(), String> {
    let broken = |error: fast_socks5::server::SocksServerError| error.to_string();
    let asked = Socks5ServerProtocol::accept_no_auth(stream).await.map_err(broken)?;
    let (asked, command, target) = asked.read_command().await.map_err(broken)?;
    let (host, port) = match target {
        TargetAddr::Ip(address) => (address.ip().to_string(), address.port()),
        TargetAddr::Domain(name, port) => (name, port),
    };
    let refused = match command {
        Socks5Command::TCPConnect => match reach(&host, port).await {
            Ok(mut there) => {
                let local = there.local_addr().map_err(|error| error.to_string())?;
                let mut here = asked.reply_success(local).await.map_err(broken)?;
                // How it ends is between the two.
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

async fn reach(host: &str, port: u16) -> Result<TcpStream, ReplyError> {
    let found = public_addresses(host, port).await.map_err(|_| ReplyError::HostUnreachable)?;
    if found.is_empty() {
        return Err(ReplyError::ConnectionNotAllowed);
    }
    match timeout(CONNECT_TIMEOUT, TcpStream::connect(&found[..])).await {
        Ok(Ok(stream)) => Ok(stream),
        Ok(Err(_)) => Err(ReplyError::ConnectionRefused),
        Err(_) => Err(ReplyError::ConnectionTimeout),
    }
}
