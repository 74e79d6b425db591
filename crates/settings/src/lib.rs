//! Settings that are declared once: `section!` makes of a declaration the struct, its reader and its
//! rows in the manual. Reads them from a file, `.env`, the environment and flags. Must know no
//! setting itself.

#![cfg_attr(not(test), warn(clippy::unwrap_used))]
#![warn(clippy::pedantic)]

pub mod choices;
pub mod configured;
pub mod cookies;
mod digits;
pub mod dot_env;
pub mod effective;
pub mod error;
pub mod json;
pub mod network;
pub mod origins;
pub mod place;
pub mod postgres_url;
pub mod proxies;
pub mod reference;
pub mod section;
pub mod source;
pub mod types;
pub mod value;
