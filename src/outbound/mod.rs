//! Calls to other systems: the HTTP client and signatures of calls, and the channels that deliver
//! alerts. Imports nothing of this crate and knows no database.

#[cfg(feature = "http")]
pub mod address;
mod channel_settings;
mod channels;
#[cfg(feature = "http")]
pub mod client;
#[cfg(feature = "email")]
mod email;
#[cfg(any(feature = "http", feature = "email"))]
mod error_chain;
#[cfg(feature = "http")]
mod proxy;
mod proxy_settings;
#[cfg(feature = "http")]
pub(crate) mod signature;
#[cfg(feature = "http")]
mod webhook;

pub use self::channel_settings::{ChannelError, ChannelSettings};
pub use self::channels::Channels;
#[cfg(feature = "http")]
pub use self::client::ClientError;
pub use self::proxy_settings::ProxySettings;
#[cfg(feature = "http")]
pub use self::signature::KeyError;
