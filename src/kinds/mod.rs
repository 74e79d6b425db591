//! Built-in handlers; import only the public interface of `worker`.

pub mod command;
#[cfg(feature = "http")]
pub mod url;

mod kept_file;
pub mod line_reader;
mod protocol;
pub mod together;
