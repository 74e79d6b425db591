//! Starts Chromium with a profile of its own and finds where it listens. Must leave neither process nor profile behind.

use std::env;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use tempfile::TempDir;
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

use super::BrowserSpec;
use crate::kinds::command::companion::Companion;
use crate::worker::handler::JobError;

const NAMES: [&str; 5] = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome"];
/// What a profile's folder is called, before the id of the worker's process.
const PROFILE: &str = "tidemill-chromium-";
/// No crawl lasts so long.
const OLD: Duration = Duration::from_hours(24);
const PATIENCE: Duration = Duration::from_secs(30);
/// Nothing that a person at a screen would need, and nothing that calls home.
const FLAGS: &[&str] = &[
    "--headless",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-quic",
    "--disable-extensions",
    "--disable-sync",
    "--disable-breakpad",
    "--disable-crash-reporter",
    "--disable-default-apps",
    "--disable-component-update",
    "--disable-background-networking",
    "--disable-domain-reliability",
    "--disable-client-side-phishing-detection",
    "--disable-hang-monitor",
    "--disable-popup-blocking",
    "--disable-prompt-on-repost",
    "--disable-features=HttpsUpgrades,HttpsFirstBalancedModeAutoEnable,Translate,OptimizationHints,MediaRouter",
    "--metrics-recording-only",
    "--no-first-run",
    "--no-default-browser-check",
    "--no-pings",
    "--mute-audio",
    "--hide-scrollbars",
    "--password-store=basic",
    "--use-mock-keychain",
    "--window-size=1280,800",
    "--remote-debugging-port=0",
];

/// A Chromium that listens.
#[derive(Debug)]
pub(super) struct Launched {
    process: Companion,
    profile: TempDir,
    socket_url: String,
}

impl Launched {
    /// Starts one; with a `gate` it connects to nothing but through that.
    pub(super) async fn start(spec: &BrowserSpec, gate: Option<SocketAddr>) -> Result<Self, JobError> {
        let program = find(spec.program.as_deref())?;
        remove_leftovers();
        let prefix = format!("{PROFILE}{}-", std::process::id());
        let profile = tempfile::Builder::new().prefix(&prefix).tempdir()?;
        let mut command = Command::new(&program);
        command
            .args(FLAGS)
            .arg(format!("--user-agent={}", spec.user_agent))
            .arg(format!("--user-data-dir={}", profile.path().display()))
            // The worker's environment has its secrets.
            .env_clear()
            .envs(env::vars_os().filter(|(name, _)| name == "PATH" || name == "LANG"))
            .env("HOME", profile.path())
            .current_dir(profile.path());
        if !spec.sandbox {
            command.arg("--no-sandbox");
        }
        if let Some(gate) = gate {
            command.args([
                format!("--proxy-server=socks5://{gate}"),
                // Else loopback is called past the gate.
                "--proxy-bypass-list=<-loopback>".to_owned(),
                // Names are looked up behind the gate alone.
                format!("--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE {}", gate.ip()),
                "--force-webrtc-ip-handling-policy=disable_non_proxied_udp".to_owned(),
            ]);
        }
        command.arg("about:blank");
        let process = Companion::start(command).await.map_err(|error| {
            JobError::retry(format!("{} could not be started: {error}", program.display())).class("browser")
        })?;
        let port_file = profile.path().join("DevToolsActivePort");
        let until = Instant::now() + PATIENCE;
        loop {
            if let Some(socket_url) = socket_url(&port_file) {
                return Ok(Self { process, profile, socket_url });
            }
            let exited = process.exited().is_cancelled();
            if exited || Instant::now() > until {
                let why = if exited { "ended at once" } else { "does not listen" };
                let message = format!(
                    "{} {why}; try it by hand, as root it needs bughive.sandbox = false",
                    program.display()
                );
                return Err(JobError::retry(message).class("browser"));
            }
            sleep(Duration::from_millis(20)).await;
        }
    }

    pub(super) fn socket_url(&self) -> &str {
        &self.socket_url
    }

    /// Cancelled once it has ended.
    pub(super) fn exited(&self) -> CancellationToken {
        self.process.exited()
    }

    /// Ends it, all of it, and then removes its profile.
    pub(super) async fn end(self) {
        self.process.end().await;
        let folder = self.profile.path().to_owned();
        if let Err(error) = self.profile.close() {
            tracing::warn!(%error, folder = %folder.display(), "a browser's profile could not be removed");
        }
    }
}

/// Chromium writes its port and the path of its socket when it listens.
fn socket_url(file: &Path) -> Option<String> {
    let text = std::fs::read_to_string(file).ok()?;
    let (port, path) = text.split_once('\n')?;
    let port: u16 = port.parse().ok()?;
    path.starts_with("/devtools/").then(|| format!("ws://127.0.0.1:{port}{}", path.trim_end()))
}

/// Removes the profiles of workers that were killed.
fn remove_leftovers() {
    for entry in std::fs::read_dir(env::temp_dir()).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let owner =
            name.to_str().and_then(|name| name.strip_prefix(PROFILE)?.split('-').next()?.parse::<u32>().ok());
        let is_left = owner.is_some_and(|owner| !Path::new(&format!("/proc/{owner}")).exists());
        // In a container others may own ids that we do not see.
        let is_old = entry
            .metadata()
            .and_then(|about| about.modified())
            .is_ok_and(|time| time.elapsed().is_ok_and(|age| age > OLD));
        if is_left && is_old {
            let _ = std::fs::remove_dir_all(entry.path());
        }
    }
}

fn find(named: Option<&Path>) -> Result<PathBuf, JobError> {
    if let Some(program) = named {
        return Ok(program.to_owned());
    }
    let path = env::var_os("PATH").unwrap_or_default();
    let found = NAMES.iter().find_map(|name| {
        env::split_paths(&path).map(|folder| folder.join(name)).find(|program| program.is_file())
    });
    found.ok_or_else(|| {
        let all = NAMES.join(", ");
        // Another worker may have one.
        JobError::retry(format!(
            "no browser on this worker's PATH; install one of {all}, or name it by bughive.browser"
        ))
        .class("browser")
    })
}
