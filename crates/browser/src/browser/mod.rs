//! A Chromium for kinds that need one: found, started with its own profile, and connected only
//! through one proxy. Must leave neither a process nor a profile behind.

mod proxy;
mod hosts;
mod launch;
mod devtools;
mod profile;

pub(crate) use proxy::BrowserProxy;
pub use hosts::AllowedHosts;
pub(crate) use launch::{Launched, Options, find};
pub(crate) use devtools::{DevTools, crashed, within};
