//! The type of settings that name networks.

use std::net::IpAddr;

use ipnet::IpNet;

use super::types::text_type;

/// The network that a setting names; an address is a network of one.
#[must_use]
pub fn network(text: &str) -> Option<IpNet> {
    text.parse().ok().or_else(|| Some(IpNet::from(text.parse::<IpAddr>().ok()?)))
}

text_type!(
    /** An address, or a network of addresses. */
    Network,
    "an IP address or a network, such as 10.0.0.7 or 10.0.0.0/8",
    |text| network(text).is_some()
);
