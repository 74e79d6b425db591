//! A Chromium of one attempt: started with a profile of its own, reached over the protocol of its developer tools, and gone
//! with all that it started when this is dropped or the worker dies. Must never get the worker's environment.

use std::fs::File;
use std::io;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use chromiumoxide::browser::Browser;
use chromiumoxide::cdp::browser_protocol::browser::{
    BrowserContextId, SetDownloadBehaviorBehavior, SetDownloadBehaviorParams,
};
use chromiumoxide::cdp::browser_protocol::target::CreateBrowserContextParams;
use chromiumoxide::handler::HandlerConfig;
use chromiumoxide::handler::viewport::Viewport;
use futures_util::StreamExt;
use nix::unistd::Pid;
use tempfile::TempDir;
use tokio::sync::oneshot;
use tokio::time::{Instant, sleep};
use tokio_util::task::AbortOnDropHandle;

use super::proxy::Proxy;
use crate::kinds::command::group::{self, Group};
use crate::worker::handler::JobError;

const NAMES: [&str; 5] =
    ["chromium", "chromium-browser", "google-chrome-stable", "google-chrome", "chrome-headless-shell"];
const FLAGS: [&str; 21] = [
    "--headless=new",
    "--remote-debugging-port=0",
    "--no-first-run",
    "--no-default-browser-check",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-default-apps",
    "--disable-dev-shm-usage",
    "--disable-extensions",
    "--disable-gpu",
    "--disable-quic",
    "--disable-sync",
    "--mute-audio",
    "--password-store=basic",
    "--window-size=1280,800",
    // The browser itself asks nobody for anything: no updates, no time, no account.
    "--component-updater=url-source=http://127.0.0.1:9/",
    "--disable-features=NetworkTimeServiceQuerying",
    "--gaia-url=http://127.0.0.1:9/",
    // Nothing goes past the proxy: no look-up of names, no loopback, no datagrams.
    "--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1",
    "--proxy-bypass-list=<-loopback>",
    "--force-webrtc-ip-handling-policy=disable_non_proxied_udp",
];
const WIDTH: u32 = 1280;
const HEIGHT: u32 = 800;
const START_WITHIN: Duration = Duration::from_secs(30);
/// No command to the browser takes longer.
pub(super) const COMMAND_WITHIN: Duration = Duration::from_secs(30);
/// Enough for waiting.
const STACK_BYTES: usize = 256 * 1024;

/// A browser that runs.
pub(super) struct Chromium {
    pub(super) browser: Browser,
    /// Kept in memory alone, so that no session is ever on a disk.
    pub(super) context: BrowserContextId,
    /// Dropped after the connection, before the profile.
    _events: AbortOnDropHandle<()>,
    _group: Group,
    _profile: TempDir,
}

/// Where the browser is.
///
/// # Errors
/// If none is found.
pub(super) fn program(configured: Option<&Path>) -> Result<PathBuf, JobError> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let in_path = || std::env::split_paths(&path).flat_map(|folder| NAMES.map(|name| folder.join(name)));
    let found = configured.map(Path::to_owned).or_else(|| in_path().find(|program| program.is_file()));
    found.ok_or_else(|| {
        JobError::retry("there is no Chromium on this worker; install it (Debian: apt-get install chromium) or set agent.browser")
            .class("no_browser")
    })
}

impl Chromium {
    pub(super) async fn start(program: &Path, sandbox: bool, proxy: &Proxy) -> Result<Self, JobError> {
        let profile = tempfile::Builder::new().prefix("tidemill-browser-").tempdir()?;
        let log = profile.path().join("chromium.log");
        let mut command = Command::new(program);
        command
            .args(FLAGS)
            .arg(format!("--user-data-dir={}", profile.path().display()))
            .arg(format!("--proxy-server=http://{}", proxy.address))
            .env_clear()
            .envs(std::env::vars_os().filter(|(name, _)| name == "PATH" || name == "LANG"))
            .env("HOME", profile.path())
            .current_dir(profile.path())
            .process_group(0)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(File::create(&log)?);
        if !sandbox {
            command.arg("--no-sandbox");
        }
        let (group, mut exited) = spawn(command.arg("about:blank")).map_err(|error| {
            JobError::retry(format!("the browser {} could not be started: {error}", program.display()))
                .class("browser")
        })?;
        let address = address(profile.path(), &log, &mut exited).await?;
        let config = HandlerConfig {
            ignore_https_errors: false,
            viewport: Some(Viewport { width: WIDTH, height: HEIGHT, ..Viewport::default() }),
            request_timeout: COMMAND_WITHIN,
            ..HandlerConfig::default()
        };
        let (browser, mut events) = Browser::connect_with_config(address, config).await?;
        let events = tokio::spawn(async move { while events.next().await.is_some() {} });
        let context = browser.execute(CreateBrowserContextParams::default()).await?.result.browser_context_id;
        let mut behavior = SetDownloadBehaviorParams::new(SetDownloadBehaviorBehavior::Deny);
        behavior.browser_context_id = Some(context.clone());
        browser.execute(behavior).await?;
        Ok(Self {
            browser,
            context,
            _events: AbortOnDropHandle::new(events),
            _group: group,
            _profile: profile,
        })
    }
}

/// Starts it as the leader of a process group of its own, which ends with the worker.
fn spawn(command: &mut Command) -> io::Result<(Group, oneshot::Receiver<()>)> {
    let child = command.spawn()?;
    let leader = Pid::from_raw(i32::try_from(child.id()).map_err(io::Error::other)?);
    let (group, reaper) = group::of(leader);
    let (exited, told) = oneshot::channel();
    let reap = move || reaper.run(exited, oneshot::channel().0);
    std::thread::Builder::new().name("tidemill-browser".into()).stack_size(STACK_BYTES).spawn(reap)?;
    Ok((group, told))
}

/// Where its developer tools listen; it writes that into its profile.
async fn address(profile: &Path, log: &Path, exited: &mut oneshot::Receiver<()>) -> Result<String, JobError> {
    let file = profile.join("DevToolsActivePort");
    let until = Instant::now() + START_WITHIN;
    loop {
        if let Ok(text) = tokio::fs::read_to_string(&file).await
            && let Some((port, path)) = text.trim().split_once('\n')
        {
            return Ok(format!("ws://127.0.0.1:{port}{path}"));
        }
        let is_gone = exited.try_recv() != Err(oneshot::error::TryRecvError::Empty);
        if is_gone || Instant::now() > until {
            let said = tokio::fs::read_to_string(log).await.unwrap_or_default();
            let last = said.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or("it said nothing");
            let hint = if said.contains("sandbox") {
                "; set agent.sandbox = false where it cannot have one"
            } else {
                ""
            };
            return Err(JobError::retry(format!("the browser did not start: {last}{hint}")).class("browser"));
        }
        sleep(Duration::from_millis(20)).await;
    }
}
