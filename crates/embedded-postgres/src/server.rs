//! One running server: started by us or taken over, and stopped cleanly. Must never end with our
//! terminal, and must never be lost: whatever happens to us, the next start finds it by its
//! cluster.

use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::Child;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;

use super::admin::Admin;
use super::error::EmbeddedError;
use super::pid_file::PidFile;
use super::programs::{self, Programs};
use super::site::Site;
use super::upgrade::Watch;
use super::{cluster, configuration, log, processes, remains};

const POLL_EVERY: Duration = Duration::from_millis(10);

/// Recovery after a crash replays at most about `max_wal_size`; a slow disk may need minutes for it.
const START_TIMEOUT: Duration = Duration::from_mins(5);
const FAST_STOP_TIMEOUT: Duration = Duration::from_mins(1);
const IMMEDIATE_STOP_TIMEOUT: Duration = Duration::from_secs(10);

/// How often a start is tried again because another process took the port that was just free.
const PORT_ATTEMPTS: u32 = 5;

/// Another server's shared memory may outlive it for a moment where its processes cannot be seen.
const SHARED_MEMORY_TIMEOUT: Duration = Duration::from_secs(15);

#[derive(Debug)]
pub(super) struct Server {
    /// None if an earlier tidemill started it.
    child: Option<Child>,
    pub(super) pid: i32,
    pub(super) port: u16,
    pub(super) socket_dir: PathBuf,
    /// None if an earlier tidemill started it from programs that no longer exist.
    watch: Option<Watch>,
}

enum Outcome {
    Ready,
    Stopping,
    Ended(String),
}

impl Server {
    /// Returns a server that is ready and ours: the one that is already running, or a new one.
    pub(super) async fn bring_up(site: &Site, programs: Option<Programs>) -> Result<Self, EmbeddedError> {
        if let Some(server) = Self::adopt(site).await? {
            return Ok(server);
        }
        let programs = if let Some(programs) = programs {
            programs
        } else {
            let major = cluster::major(&site.home)?;
            programs::find(&site.home, site.settings.programs_dir.as_deref(), major).await?
        };
        cluster::settle_owner(&site.home)?;
        Self::start_new(site, &programs).await
    }

    async fn adopt(site: &Site) -> Result<Option<Self>, EmbeddedError> {
        let directory = site.home.cluster();
        let Some(file) = remains::settle(&directory).await? else {
            return Ok(None);
        };
        let mut server =
            Self { child: None, pid: file.pid, port: file.port, socket_dir: file.socket_dir, watch: None };
        let fits = match server.wait_until_ready(site).await? {
            Outcome::Ready => server.is_fit(site).await,
            Outcome::Stopping | Outcome::Ended(_) => false,
        };
        if fits {
            tracing::info!(
                pid = server.pid,
                port = server.port,
                "took over the Postgres that an earlier tidemill left running"
            );
            return Ok(Some(server));
        }
        tracing::info!(
            pid = server.pid,
            "the Postgres that was left running cannot be used as it is: stopping it and starting a new one"
        );
        server.stop().await?;
        remains::settle(&directory).await?;
        Ok(None)
    }

    async fn is_fit(&mut self, site: &Site) -> bool {
        let Ok(mut admin) = Admin::connect(self.port, &site.password).await else {
            return false;
        };
        let fits = admin.serves(&site.home.cluster(), site.settings.durable).await.unwrap_or(false)
            && self.is_of_programs(&mut admin, site).await;
        admin.close().await;
        fits
    }

    /// Whether it has the version of its present programs, which may have been upgraded unnoticed.
    async fn is_of_programs(&mut self, admin: &mut Admin, site: &Site) -> bool {
        let major = cluster::major(&site.home).ok().flatten();
        let Ok(programs) = programs::find(&site.home, site.settings.programs_dir.as_deref(), major).await
        else {
            // It is running, and nothing else could run.
            return true;
        };
        self.watch = Some(Watch::new(&programs));
        if let Err(refusal) = admin.runs_plpgsql().await {
            tracing::warn!(refusal, "the Postgres that was left running cannot load its libraries");
            return false;
        }
        admin.version().await.is_ok_and(|version| version == programs.version)
    }

    async fn start_new(site: &Site, programs: &Programs) -> Result<Self, EmbeddedError> {
        let began = Instant::now();
        let mut port_attempts = 0;
        loop {
            let (mut server, log_begins_at) = Self::spawn(site, programs, port_attempts == 0)?;
            let reason = match server.wait_until_ready(site).await? {
                Outcome::Ready => {
                    tracing::info!(
                        version = programs.version,
                        port = server.port,
                        pid = server.pid,
                        milliseconds = began.elapsed().as_millis(),
                        "Postgres is ready"
                    );
                    return Ok(server);
                }
                Outcome::Stopping => "another program stopped it".to_owned(),
                Outcome::Ended(status) => status,
            };
            let tail = log::tail(&site.home.log(), log_begins_at);
            if tail.contains("could not create any TCP/IP sockets") && port_attempts < PORT_ATTEMPTS {
                port_attempts += 1;
            } else if tail.contains("pre-existing shared memory block")
                && began.elapsed() < SHARED_MEMORY_TIMEOUT
            {
                tokio::time::sleep(Duration::from_millis(200)).await;
            } else {
                return Err(EmbeddedError::StartFailed { reason, log: site.home.log(), tail });
            }
        }
    }

    fn spawn(site: &Site, programs: &Programs, prefer_last_port: bool) -> Result<(Self, u64), EmbeddedError> {
        let home = &site.home;
        let socket_dir = home.make_socket_dir()?;
        let port = configuration::free_port(&home.configuration(), prefer_last_port)?;
        configuration::write(&home.configuration(), port, &socket_dir)?;
        let (log, log_begins_at) = log::open(&home.log())?;
        let log_too = log.try_clone().map_err(EmbeddedError::io("open", &home.log()))?;
        let watch = Watch::new(programs);
        let program = programs.dir.join("postgres");
        let mut command = home.owner.command(&program, &home.root);
        command.arg("-D").arg(home.cluster());
        command.arg("-c").arg(format!("config_file={}", home.configuration().display()));
        for setting in configuration::durability(site.settings.durable) {
            command.args(["-c", &setting]);
        }
        // A process group of its own: Ctrl-C in our terminal must not reach it; we stop it when its clients are done.
        command.stdout(log).stderr(log_too).process_group(0);
        let child = command.spawn().map_err(EmbeddedError::io("run", &program))?;
        let pid = i32::try_from(child.id()).expect("process ids fit an i32 on every Unix");
        Ok((Self { child: Some(child), pid, port, socket_dir, watch: Some(watch) }, log_begins_at))
    }

    async fn wait_until_ready(&mut self, site: &Site) -> Result<Outcome, EmbeddedError> {
        let directory = site.home.cluster();
        let began = Instant::now();
        let mut next_word = Duration::from_secs(5);
        loop {
            if let Some(status) = self.ended() {
                return Ok(Outcome::Ended(status));
            }
            if let Some(file) = PidFile::read(&directory).filter(|file| file.pid == self.pid) {
                match file.status.as_str() {
                    "ready" => {
                        (self.port, self.socket_dir) = (file.port, file.socket_dir);
                        return Ok(Outcome::Ready);
                    }
                    "stopping" => return Ok(Outcome::Stopping),
                    _ => {}
                }
            }
            let waited = began.elapsed();
            if waited > START_TIMEOUT {
                let log = site.home.log();
                let reason = format!("process {} is not ready after {} s", self.pid, waited.as_secs());
                return Err(EmbeddedError::StartFailed { reason, tail: log::tail(&log, 0), log });
            }
            if waited > next_word {
                tracing::info!(
                    pid = self.pid,
                    seconds = waited.as_secs(),
                    "Postgres is still starting (recovering?) …"
                );
                next_word += Duration::from_secs(10);
            }
            tokio::time::sleep(POLL_EVERY).await;
        }
    }

    /// How the postmaster ended, if it did; this also reaps it.
    pub(super) fn ended(&mut self) -> Option<String> {
        match &mut self.child {
            Some(child) => match child.try_wait() {
                Ok(status) => status.map(|status| status.to_string()),
                Err(error) => Some(error.to_string()),
            },
            None => (!processes::is_alive(self.pid)).then(|| "it ended".to_owned()),
        }
    }

    /// Why it must be restarted although it is running; see [`Watch`].
    pub(super) async fn wants_restart(&mut self, site: &Site) -> Option<String> {
        self.watch.as_mut()?.wants_restart(site, self.port).await
    }

    /// Fast shutdown: clients are cut off, everything is written, then it ends. Harder means only if that hangs.
    pub(super) async fn stop(&mut self) -> Result<(), EmbeddedError> {
        let steps = [
            (Signal::SIGINT, FAST_STOP_TIMEOUT),
            (Signal::SIGQUIT, IMMEDIATE_STOP_TIMEOUT),
            (Signal::SIGKILL, IMMEDIATE_STOP_TIMEOUT),
        ];
        for (signal, limit) in steps {
            if self.ended().is_some() {
                return Ok(());
            }
            processes::signal(self.pid, signal);
            let began = Instant::now();
            while began.elapsed() < limit {
                if self.ended().is_some() {
                    return Ok(());
                }
                tokio::time::sleep(POLL_EVERY).await;
            }
            tracing::warn!(
                pid = self.pid, %signal, seconds = limit.as_secs(),
                "Postgres has not stopped yet"
            );
        }
        Err(EmbeddedError::DoesNotStop { pid: self.pid })
    }
}
