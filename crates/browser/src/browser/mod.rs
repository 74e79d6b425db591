//! A Chromium for kinds that need one: found, started with its own profile, and connected only
//! through one proxy. Must leave neither a process nor a profile behind.

mod devtools;
mod hosts;
mod launch;
mod profile;
mod proxy;

pub(crate) use devtools::{DevTools, crashed, within};
pub use hosts::AllowedHosts;
pub(crate) use launch::{Launched, Options, find};
pub(crate) use proxy::BrowserProxy;
