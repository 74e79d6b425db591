//! The client address of a request: the peer, or the client named by a trusted proxy. Must never
//! trust anyone else about it.

use std::net::{IpAddr, SocketAddr};

use axum::extract::{ConnectInfo, Request};
use axum::http::HeaderMap;
use ipnet::IpNet;

/// The address that a request comes from; `None` where it came over no socket.
pub(crate) fn client_of(request: &Request, proxies: &[IpNet]) -> Option<IpAddr> {
    let ConnectInfo(peer) = request.extensions().get::<ConnectInfo<SocketAddr>>()?;
    Some(client(peer.ip(), request.headers(), proxies))
}

/// The client: the peer, or the address named by a trusted proxy. The last address that is not a trusted
/// proxy counts, because earlier entries can be forged.
fn client(peer: IpAddr, headers: &HeaderMap, proxies: &[IpNet]) -> IpAddr {
    let is_proxy = |address: &IpAddr| proxies.iter().any(|proxy| proxy.contains(&address.to_canonical()));
    if !is_proxy(&peer) {
        return peer;
    }
    let names = headers.get_all("x-forwarded-for").iter().filter_map(|value| value.to_str().ok());
    let names: Vec<_> = names.flat_map(|value| value.split(',')).map(str::trim).collect();
    let mut last = peer;
    for name in names.into_iter().rev() {
        let Ok(address) = name.parse() else { break };
        last = address;
        if !is_proxy(&address) {
            break;
        }
    }
    last
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_client_is_the_last_whom_no_proxy_named() {
        let proxies: Vec<IpNet> = vec!["10.0.0.0/8".parse().unwrap()];
        let client = |peer: &str, forwarded: &[&str]| {
            let mut headers = HeaderMap::new();
            for value in forwarded {
                headers.append("x-forwarded-for", value.parse().unwrap());
            }
            client(peer.parse().unwrap(), &headers, &proxies).to_string()
        };
        assert_eq!(client("192.0.2.1", &["198.51.100.7"]), "192.0.2.1", "only a proxy is believed");
        assert_eq!(client("10.0.0.1", &["203.0.113.9, 198.51.100.7"]), "198.51.100.7");
        assert_eq!(client("10.0.0.1", &["203.0.113.9", "198.51.100.7, 10.0.0.2"]), "198.51.100.7");
        assert_eq!(client("10.0.0.1", &["unknown"]), "10.0.0.1");
        assert_eq!(client("10.0.0.1", &[]), "10.0.0.1");
    }
}
