//! Built-in handlers; import only the public interface of `worker`.

#[cfg(feature = "browser")]
pub mod agent;
#[cfg(feature = "browser")]
mod browser;
pub mod bughive;
pub mod command;
#[cfg(feature = "docker")]
pub mod hub;
#[cfg(feature = "http")]
pub mod url;

mod line_reader;
mod protocol;
#[cfg(any(feature = "browser", feature = "docker"))]
mod together;
