//! Every setting, with its unit, default and meaning, in one place. The structs, the checks of
//! values and `docs/configuration.md` all follow from here. (Extensions declare their own.)

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use super::log::{LogFilter, LogFormat};
use tidemill::api::server::auth::cookie::SameSite;
use tidemill::kinds::command::containment::ContainmentChoice;
use tidemill_settings::cookies::CookieName;
use tidemill_settings::network::Network;
use tidemill_settings::origins::WebOrigin;
use tidemill_settings::postgres_url::PostgresUrl;
use tidemill_settings::proxies::{BasePath, DirectHost, ProxyUrl};
use tidemill_settings::section;
use tidemill_settings::types::{
    ByteSize, HostName, JobArgs, MissedWord, OverlapWord, Priority, QueueName, SchemaName, Time,
};

section! {
    /// Where the jobs are kept.
    DatabaseSection {
        /// The Postgres that holds the jobs. Absent: `dev` runs an embedded one; the other commands need it. Several
        /// servers are named as `postgres://user@host1:5432,host2:5432/database`: the primary among them is used.
        url: Option<PostgresUrl> = none;
        /// The schema of all tables, so that several Tidemills share one database.
        schema: SchemaName = "tidemill";
        /// The most connections of one process, including the one for LISTEN. Claims, writes of workers and
        /// everything else have separate shares.
        max_connections: u32 where "5"..="1000" = "16";
        /// A direct connection for LISTEN and migrations, past `PgBouncer`. Absent: `url`.
        listen_url: Option<PostgresUrl> = none;
        /// Whether `url` leads through `PgBouncer` in transaction mode: each statement then runs in a transaction of
        /// its own and sets its own session settings. Without `listen_url`, changes are found only by polling.
        pgbouncer: bool = "false";
        /// The longest time that a statement may run.
        statement_timeout: Duration where "100ms"..="1h" = "30s";
    }
}

section! {
    /// The owner of this config, for several configs that share a schema and for successive releases
    /// (`docs/operations.md`).
    DeploymentSection {
        /// The name under which the schedules and alert rules of this config are stored. Each service with its own
        /// config needs its own name.
        name: QueueName = "default";
        /// The number of this release, larger at every deploy and also when an earlier release is deployed again,
        /// such as Helm's `.Release.Revision` or a build number. With a revision, a start of `dev` or `serve` removes
        /// the schedules and alert rules of earlier releases that are not in this config, and a process of an earlier
        /// release that starts again changes nothing. Absent: nothing is removed.
        revision: Option<u64> where "0"..="9000000000000000000" = none;
    }
}

section! {
    /// The embedded Postgres of `tidemill dev`.
    EmbeddedSection {
        /// The folder with `initdb` and `postgres`. Absent: searched on the PATH and in the usual folders, otherwise
        /// downloaded.
        programs_dir: Option<PathBuf> = none;
    }
}

section! {
    /// The HTTP API and the dashboard.
    ApiSection {
        /// The listening address; port 0 picks a free port. Any address other than loopback needs an existing API
        /// key.
        listen: SocketAddr = "127.0.0.1:8080";
        /// Host names under which the server may be called, with any port, in addition to localhost, loopback
        /// addresses and the listening address.
        hosts: Vec<HostName> = "[]";
        /// The path prefix of the server behind a proxy that gives it a part of a site, such as `/jobs-ui`; the proxy
        /// may strip it or not (`docs/operations.md`). Absent: no prefix.
        base_path: Option<BasePath> = none;
        /// Other origins whose web pages may call the server. `ALLOWED_ORIGINS` means the same.
        cors_origins: Vec<WebOrigin> = "[]";
        /// The name of a cookie in which web pages may send a token (`docs/browsers.md`), such as `__Host-tidemill`; pages of
        /// `cors_origins` may then send cookies too. Absent: no cookie is read.
        token_cookie: Option<CookieName> = none;
        /// To which requests of other sites a browser adds the cookie that the server sets: `strict`, `lax`, or `none`
        /// where pages of another site use it.
        token_cookie_same_site: SameSite = "lax";
        /// The largest args of one job.
        max_args_bytes: ByteSize where "1KiB"..="256MiB" = "1MiB";
        /// The largest request body, such as a batch of jobs. Whatever its size, a body has at most 100,000 values
        /// (in a batch, each job) and 64 levels.
        max_body_bytes: ByteSize where "1KiB"..="1GiB" = "16MiB";
        /// The most connections at once. 256 more are reserved for short requests such as health and metrics; further
        /// connections are refused with 503. One address gets at most three quarters of each.
        max_connections: u32 where "16"..="1000000" = "10000";
        /// The most event streams, WebSockets and waiting requests of one address (for IPv6, of one /64 network) at
        /// once; more are refused with 429. All clients together may use nine tenths of `max_connections`.
        max_streams_per_address: u32 where "1"..="1000000" = "5000";
        /// The same for one API key.
        max_streams_per_key: u32 where "1"..="1000000" = "5000";
        /// Proxies whose `X-Forwarded-For` is trusted: limits count their clients instead of the proxy.
        trusted_proxies: Vec<Network> = "[]";
        /// The time after which a request is aborted, other than a stream or a long poll.
        request_timeout: Duration where "100ms"..="10m" = "30s";
        /// The time after which an event stream ends, so that its reader reconnects.
        stream_lifetime: Duration where "1s"..="7d" = "1h";
        /// Refuse jobs of a kind that no worker serves yet.
        strict_kinds: bool = "false";
    }
}

section! {
    /// A process that runs jobs.
    WorkerSection {
        /// The worker's name in lists and logs. Absent: the host's name and the process id.
        name: Option<String> = none;
        /// How many jobs of a queue without a section of its own run at once here. Absent: the number of
        /// cores, at least 4. 0 serves only the queues that have a section.
        slots: Option<u32> where "0"..="10000" = none;
        /// How long a lease is valid without a heartbeat; after that another worker may get the job.
        lease_ttl: Duration where "1s"..="1h" = "30s";
        /// The interval of heartbeats; at most a third of `lease_ttl`.
        heartbeat: Duration where "100ms"..="20m" = "5s";
        /// The interval of polls for jobs without a notification; twice as long while notifications arrive, and five times,
        /// but at most 5 s, after a minute without a job.
        poll: Duration where "50ms"..="5m" = "1s";
        /// How long running jobs may take to finish at shutdown before they are handed back.
        shutdown_timeout: Duration where "0s"..="1d" = "30s";
        /// How processes that a command left in a session of their own are ended: by a `cgroup` for each attempt, by
        /// the worker as sub-`reaper`, or only with the process `group`. `auto`: a cgroup where one can be created,
        /// otherwise the reaper.
        containment: ContainmentChoice = "auto";
        /// The number of attempts after which `tidemill worker` claims no more jobs, lets the running ones finish,
        /// and exits with code 0, so that its supervisor starts it again. Absent: no limit.
        max_runs: Option<u64> where "1"..="1000000000" = none;
        /// The same for the memory of the worker itself, without the commands that it runs.
        max_memory: Option<ByteSize> where "16MiB"..="1024TiB" = none;
        /// The address where `tidemill worker` answers `/healthz`, `/readyz` and `/metrics`. Absent: none.
        listen: Option<SocketAddr> = none;
    }
}

section! {
    /// Maintenance of the tables, in `dev` and `serve`.
    MaintenanceSection {
        /// The interval at which jobs of dead workers and overdue jobs are taken back; at most a sixth of
        /// `worker.lease_ttl`.
        sweep: Duration where "100ms"..="10m" = "5s";
        /// How long finished jobs and their events are kept.
        retention: Duration where "1h"..="36500d" = "30d";
    }
}

section! {
    /// The log on standard error.
    LogSection {
        /// The format of a log line.
        format: LogFormat = "text";
        /// The filter of log lines.
        filter: LogFilter = "info,refinery_core=warn";
    }
}

section! {
    /// Outbound calls: those of kinds with a URL, of alert webhooks, to the agent's model and to Linear. Browsers,
    /// mail and object storage are not affected (object storage has the option `proxy_url`). `docs/operations.md`
    /// says what the rules about private addresses can promise behind a proxy.
    OutboundSection {
        /// The proxy for these calls. Absent: they are made directly.
        proxy: Option<ProxyUrl> = none;
        /// Where `proxy` is absent: take `HTTPS_PROXY`, `HTTP_PROXY`, `ALL_PROXY` and `NO_PROXY` of the environment. The
        /// entries of `NO_PROXY` are those of `direct`; a port in one is left out.
        from_environment: bool = "false";
        /// What is called directly all the same: hosts, domains with all below them, addresses and networks.
        direct: Vec<DirectHost> = "localhost,127.0.0.0/8,::1";
    }
}

section! {
    /// A schedule: exactly one of `cron`, `every` and `at`, and the job to enqueue. `dev`, `serve` and `worker` store
    /// their schedules when they start; `deployment.revision` says when schedules that are no longer in the config
    /// are removed. See `docs/schedules.md`.
    ScheduleKeys {
        /// Minute, hour, day of month, month, day of week; with seconds before them if there are six fields.
        cron: Option<String> = none;
        /// The interval between slots.
        every: Option<Duration> where "1s"..="3650d" = none;
        /// A single time.
        at: Option<Time> = none;
        /// The time zone of the cron expression, by its name in the tz database.
        timezone: String = "UTC";
        /// The kind of its jobs. Required.
        kind: Option<QueueName> = none;
        /// The args of its jobs.
        args: JobArgs = "{}";
        /// The queue of its jobs. Absent: the kind's.
        queue: Option<QueueName> = none;
        /// The priority of its jobs. Absent: the kind's.
        priority: Option<Priority> = none;
        /// The most attempts of each of its jobs in total. Absent: the kind's.
        max_attempts: Option<i32> where "1"..="1000" = none;
        /// Tags to find its jobs by.
        tags: Vec<String> = "[]";
        /// Which missed slots fire: none, the latest, or the latest `missed_limit`.
        missed: MissedWord = "one";
        /// The most missed slots that fire with `missed = "all"`.
        missed_limit: i32 where "1"..="1000" = "10";
        /// The handling of a slot while an earlier job is not finished: the slot is skipped, or held until that job
        /// has finished (at most one slot), or enqueued anyway, or the earlier job is cancelled.
        overlap: OverlapWord = "skip";
        /// The most by which the start of a job is delayed; name and slot determine the delay.
        jitter: Duration where "0s"..="1d" = "0s";
        /// Whether the schedule is paused when it is first created. Later only people pause and resume it.
        paused: bool = "false";
    }
}
