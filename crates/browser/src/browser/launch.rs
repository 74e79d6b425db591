//! Starts Chromium with its own profile and finds its `DevTools` address. Must leave neither a
//! process nor a profile behind.

use std::env;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

use super::profile::Profile;
use super::proxy::BrowserProxy;
use tidemill::JobError;
use tidemill::extension::kinds::Companion;

const NAMES: [&str; 6] = [
    "chromium",
    "chromium-browser",
    "google-chrome-stable",
    "google-chrome",
    "chrome",
    "chrome-headless-shell",
];
const TIMEOUT: Duration = Duration::from_secs(30);
/// Turns off everything that only a person at a screen needs, and everything that calls home.
const FLAGS: &[&str] = &[
    "--headless=new",
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
    "--disable-features=HttpsUpgrades,HttpsFirstBalancedModeAutoEnable,Translate,OptimizationHints,MediaRouter,NetworkTimeServiceQuerying,AutofillServerCommunication",
    // The browser itself makes no requests: no updates, no time, no account, no forms.
    "--component-updater=url-source=http://127.0.0.1:9/",
    "--gaia-url=http://127.0.0.1:9/",
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

/// The longest folder for what Chromium makes for a while: below it comes a socket, whose path has at most 107 bytes.
const LONGEST_FOLDER: usize = 60;

/// The launch settings.
#[derive(Debug)]
pub(crate) struct Options<'a> {
    pub(crate) program: &'a Path,
    pub(crate) sandbox: bool,
    /// Its user agent; its own if `None`.
    pub(crate) user_agent: Option<&'a str>,
    /// The proxy; none if `None`.
    pub(crate) proxy: Option<&'a BrowserProxy>,
}

/// A Chromium that listens. Its profile is removed once it has ended, also if this is dropped.
#[derive(Debug)]
pub(crate) struct Launched {
    process: Companion,
    socket_url: String,
}

impl Launched {
    /// Starts one; with a proxy it connects only through the proxy.
    pub(crate) async fn start(options: &Options<'_>) -> Result<Self, JobError> {
        let program = options.program;
        let profile = tokio::task::spawn_blocking(Profile::make).await??;
        let folder = profile.folder().to_owned();
        let log = folder.join("chromium.log");
        let mut command = Command::new(program);
        command
            .args(FLAGS)
            .arg(format!("--user-data-dir={}", folder.display()))
            // The worker's environment contains secrets.
            .env_clear()
            .envs(env::vars_os().filter(|(name, _)| name == "PATH" || name == "LANG"))
            .env("HOME", &folder)
            .current_dir(&folder)
            .stdout(Stdio::null())
            .stderr(File::create(&log)?);
        // Otherwise it leaves a folder in the system's temporary folder each time.
        if folder.as_os_str().len() <= LONGEST_FOLDER {
            command.env("TMPDIR", &folder);
        }
        if let Some(name) = options.user_agent {
            command.arg(format!("--user-agent={name}"));
        }
        if !options.sandbox {
            command.arg("--no-sandbox");
        }
        if let Some(proxy) = options.proxy.map(BrowserProxy::address) {
            command.args([
                format!("--proxy-server=socks5://{proxy}"),
                // Otherwise loopback addresses bypass the proxy.
                "--proxy-bypass-list=<-loopback>".to_owned(),
                // Only the proxy resolves names.
                format!("--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE {}", proxy.ip()),
                "--force-webrtc-ip-handling-policy=disable_non_proxied_udp".to_owned(),
            ]);
        }
        command.arg("about:blank");
        let process = Companion::start(command, profile).await.map_err(|error| {
            JobError::retry(format!("{} could not be started: {error}", program.display())).class("browser")
        })?;
        let port_file = folder.join("DevToolsActivePort");
        let until = Instant::now() + TIMEOUT;
        loop {
            if let Some(socket_url) = socket_url(&port_file) {
                return Ok(Self { process, socket_url });
            }
            if process.exited().is_cancelled() || Instant::now() > until {
                return Err(JobError::retry(did_not_start(program, &log)).class("browser"));
            }
            sleep(Duration::from_millis(20)).await;
        }
    }

    pub(crate) fn socket_url(&self) -> &str {
        &self.socket_url
    }

    /// Cancelled once it has ended.
    pub(crate) fn exited(&self) -> CancellationToken {
        self.process.exited()
    }

    /// Ends all its processes and removes its profile.
    pub(crate) async fn end(self) {
        self.process.end().await;
    }
}

/// Its last output.
fn did_not_start(program: &Path, log: &Path) -> String {
    let printed = std::fs::read_to_string(log).unwrap_or_default();
    let last = printed.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or("it printed nothing");
    let hint = if printed.contains("sandbox") {
        "; set sandbox = false for it if the sandbox is not available there"
    } else {
        ""
    };
    format!("the browser {} did not start: {last}{hint}", program.display())
}

/// Chromium writes its port and the path of its socket when it listens.
fn socket_url(file: &Path) -> Option<String> {
    let text = std::fs::read_to_string(file).ok()?;
    let (port, path) = text.split_once('\n')?;
    let port: u16 = port.parse().ok()?;
    path.starts_with("/devtools/").then(|| format!("ws://127.0.0.1:{port}{}", path.trim_end()))
}

/// The path of the browser; `setting` is the setting that names it.
pub(crate) fn find(named: Option<&Path>, setting: &str) -> Result<PathBuf, JobError> {
    if let Some(program) = named {
        return Ok(program.to_owned());
    }
    let path = env::var_os("PATH").unwrap_or_default();
    let found = NAMES.iter().find_map(|name| {
        env::split_paths(&path).map(|folder| folder.join(name)).find(|program| program.is_file())
    });
    found.ok_or_else(|| {
        // Another worker may have one.
        JobError::retry(format!(
            "Chromium is not installed on this worker; install it (Debian: apt-get install chromium) or set \
             {setting}"
        ))
        .class("no_browser")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_it_makes_for_a_while_lies_in_its_profile() {
        let program = find(None, "bughive.browser").unwrap();
        let sandbox = !nix::unistd::geteuid().is_root();
        let options = Options { program: &program, sandbox, user_agent: None, proxy: None };
        let launched = Launched::start(&options).await.unwrap();
        // Others run at the same time: its own profile names its socket.
        let folders = std::fs::read_dir(env::temp_dir()).unwrap().map(|entry| entry.unwrap().path());
        let mut own = folders.filter(|folder| {
            socket_url(&folder.join("DevToolsActivePort")).is_some_and(|url| url == launched.socket_url())
        });
        let profile = own.next().unwrap();
        let inner = std::fs::read_dir(&profile).unwrap().map(|entry| entry.unwrap().file_name());
        let made: Vec<_> = inner.filter(|name| name.to_string_lossy().starts_with("org.chromium.")).collect();
        assert_eq!(made.len(), 1, "{made:?}");
        launched.end().await;
        assert!(!profile.exists());
    }
}
