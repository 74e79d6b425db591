//! Calls to other systems: the HTTP client and signatures of calls, and the channels that deliver
//! alerts. Imports nothing of this crate and knows no database.

#[cfg(feature = "http")]
pub(crate) mod address;
mod channels;
#[cfg(feature = "http")]
pub(crate) mod client;
#[cfg(feature = "email")]
mod email;
#[cfg(feature = "http")]
mod proxy;
#[cfg(feature = "http")]
pub(crate) mod signature;
#[cfg(feature = "http")]
mod webhook;

pub use self::channels::{ChannelError, ChannelSettings, Channels};
#[cfg(feature = "http")]
pub use self::client::ClientError;
#[cfg(feature = "http")]
pub use self::proxy::ProxySettings;
#[cfg(feature = "http")]
pub use self::signature::KeyError;
