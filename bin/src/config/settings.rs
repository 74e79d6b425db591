//! Every setting, with its unit, its default and what it means: the one place. The structs, the
//! checks of values and `docs/configuration.md` all follow from here. (The hub's stand in `hub`.)

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use super::choices::LogFormat;
use super::network::Network;
use super::origins::WebOrigin;
use super::postgres_url::PostgresUrl;
use super::routes::{BasePath, DirectHost, ProxyChoice, ProxyUrl};
use super::section::{Entry, Field, Reader, Section, section};
use super::types::{
    ByteSize, ErrorClass, ExitCode, FairKey, Header, HeaderText, HostName, HttpUrl, JobArgs, LimitKey,
    LogFilter, MissedWord, OverlapWord, Priority, QueueName, SchemaName, Secret, Time, VariableName,
    VariableText, Words,
};
use tidemill::job::settings::OnLostContact;
use tidemill::job::unique::Unique;
use tidemill::kinds::command::containment::Wish;

section! {
    /// Where the jobs are kept.
    DatabaseSection {
        /// The Postgres that holds the jobs. Absent: `dev` runs an embedded one; the other commands need it. Several
        /// servers are named as `postgres://user@host1:5432,host2:5432/database`: the primary among them is used.
        url: Option<PostgresUrl> = none;
        /// The schema of all tables, so that several Tidemills share one database.
        schema: SchemaName = "tidemill";
        /// Connections of one process, at most, the one for LISTEN among them. Claims, what workers write and
        /// everything else have shares of their own.
        max_connections: u32 where "5"..="1000" = "16";
        /// A direct connection for LISTEN and migrations, past `PgBouncer`. Absent: `url`.
        listen_url: Option<PostgresUrl> = none;
        /// Whether `url` leads through `PgBouncer` in transaction mode: each statement then brings its settings along,
        /// in a transaction of its own. Without `listen_url` changes are seen by polling alone.
        pgbouncer: bool = "false";
        /// No statement runs longer.
        statement_timeout: Duration where "100ms"..="1h" = "30s";
    }
}

section! {
    /// Whose config this is, where several share a schema or releases of it follow one another
    /// (`docs/operations.md`).
    DeploymentSection {
        /// The name that schedules and alert rules of this config belong to. Services with configs of their own have
        /// names of their own.
        name: QueueName = "default";
        /// The number of this release, larger at every deploy and also when an earlier release comes back, such as
        /// Helm's `.Release.Revision` or the number of a build. With it a start of `dev` or `serve` removes the schedules
        /// and alert rules that an earlier release wrote and this one no longer has, and a process of an earlier release
        /// that starts once more changes nothing. Absent: nothing is removed.
        revision: Option<u64> where "0"..="9000000000000000000" = none;
    }
}

section! {
    /// The Postgres that `tidemill dev` runs itself.
    EmbeddedSection {
        /// The folder with `initdb` and `postgres`. Absent: searched on the PATH and in the usual folders, else fetched.
        programs_dir: Option<PathBuf> = none;
    }
}

section! {
    /// The HTTP API and the dashboard.
    ApiSection {
        /// Where it listens; port 0 picks a free one. Any address but loopback needs an API key first.
        listen: SocketAddr = "127.0.0.1:8080";
        /// Names under which it may be called, whatever the port, besides localhost, loopback addresses and the
        /// listening address.
        hosts: Vec<HostName> = "[]";
        /// What its addresses begin with behind a proxy that gives it a part of a site, such as `/jobs-ui`; the proxy
        /// may take it away or not (`docs/operations.md`). Absent: nothing.
        base_path: Option<BasePath> = none;
        /// Web pages of other origins that may call it. `ALLOWED_ORIGINS` says the same.
        cors_origins: Vec<WebOrigin> = "[]";
        /// The largest args of one job.
        max_args_bytes: ByteSize where "1KiB"..="256MiB" = "1MiB";
        /// The largest request, such as a batch of jobs. One has at most 100,000 values, a batch that many for each of its jobs, and 64 levels, whatever its size.
        max_body_bytes: ByteSize where "1KiB"..="1GiB" = "16MiB";
        /// Connections at once. 256 more are kept for short requests such as those for health and metrics; what is beyond is refused
        /// with 503. One address gets three quarters of each at most.
        max_connections: u32 where "16"..="1000000" = "10000";
        /// Event streams, WebSockets and waiting requests of one address (of IPv6 of one /64 network) at once; more are refused with 429.
        /// All together may have nine tenths of `max_connections`.
        max_streams_per_address: u32 where "1"..="1000000" = "5000";
        /// The same, of one API key.
        max_streams_per_key: u32 where "1"..="1000000" = "5000";
        /// Proxies whose `X-Forwarded-For` is believed: their clients are counted, not they.
        trusted_proxies: Vec<Network> = "[]";
        /// A request other than a stream or a long poll is given up after this.
        request_timeout: Duration where "100ms"..="10m" = "30s";
        /// An event stream ends itself after this, and its reader connects again.
        stream_lifetime: Duration where "1s"..="7d" = "1h";
        /// Refuse jobs of a kind that no worker serves yet.
        strict_kinds: bool = "false";
    }
}

section! {
    /// What a process that runs jobs does.
    WorkerSection {
        /// The worker's name in lists and logs. Absent: the host's name and the process id.
        name: Option<String> = none;
        /// How many jobs of a queue without a section of its own run at once here. Absent: the number of
        /// cores, at least 4. 0 serves only the queues that have a section.
        slots: Option<u32> where "0"..="10000" = none;
        /// How long a job is this worker's without a sign of life; then another may have it.
        lease_ttl: Duration where "1s"..="1h" = "30s";
        /// How often the worker gives that sign; at most a third of `lease_ttl`.
        heartbeat: Duration where "100ms"..="20m" = "5s";
        /// How often it looks for jobs when nothing wakes it; half as often while it hears notifications.
        poll: Duration where "50ms"..="5m" = "1s";
        /// How long running jobs may take to end at shutdown before they are handed back.
        shutdown_timeout: Duration where "0s"..="1d" = "30s";
        /// What ends processes that a command left in a session of their own: a `cgroup` for each attempt, the worker as
        /// sub-`reaper`, or nothing beyond the process `group`. `auto`: a cgroup where one can be made, else the reaper.
        containment: Wish = "auto";
        /// After so many attempts `tidemill worker` claims no more, lets those that run finish, and ends with exit code 0,
        /// for whoever watches it to start it anew. Absent: never.
        max_runs: Option<u64> where "1"..="1000000000" = none;
        /// The same once it has so much in memory itself, without the commands that it runs.
        max_memory: Option<ByteSize> where "16MiB"..="1024TiB" = none;
        /// Where `tidemill worker` answers `/healthz`, `/readyz` and `/metrics`. Absent: nowhere.
        listen: Option<SocketAddr> = none;
    }
}

section! {
    /// What keeps the tables in order, in `dev` and `serve`.
    KeeperSection {
        /// How often jobs of dead workers and overdue jobs are taken back; at least six times within `worker.lease_ttl`.
        sweep: Duration where "100ms"..="10m" = "5s";
        /// How long finished jobs and their events stay.
        retention: Duration where "1h"..="36500d" = "30d";
    }
}

section! {
    /// What is written to standard error.
    LogSection {
        /// How a line looks.
        format: LogFormat = "text";
        /// Which lines are written.
        filter: LogFilter = "info,refinery_core=warn";
    }
}

section! {
    /// How calls leave: those of kinds with a URL, of alerts' webhooks, to the agent's model and to Linear. Browsers, mail
    /// and object storage do not come here (the last has `proxy_url` among its options). `docs/operations.md` says what the
    /// rules about private addresses can promise behind a proxy.
    OutboundSection {
        /// The proxy for them. Absent: they are made directly.
        proxy: Option<ProxyUrl> = none;
        /// Where `proxy` is absent: take `HTTPS_PROXY`, `HTTP_PROXY`, `ALL_PROXY` and `NO_PROXY` of the environment. The
        /// entries of `NO_PROXY` are those of `direct`; a port in one is left out.
        from_environment: bool = "false";
        /// What is called directly all the same: hosts, domains with all below them, addresses and networks.
        direct: Vec<DirectHost> = "localhost,127.0.0.0/8,::1";
    }
}

section! {
    /// The delays between the attempts of a job.
    BackoffSection {
        /// The delay before the second attempt.
        first: Duration where "0s"..="30d" = "5s";
        /// By how much each further delay is longer than the one before.
        factor: f64 where "1"..="100" = "2";
        /// No delay is longer.
        max: Duration where "0s"..="365d" = "1h";
        /// The share of a delay by which it may be shorter or longer by chance.
        jitter: f64 where "0"..="1" = "0.2";
    }
}

section! {
    /// When the jobs of a kind that crash in a loop are not started for a while.
    BreakerSection {
        /// After so many crashes (a worker that died, a command ended by a signal or for want of memory) within
        /// `window`. Absent: never.
        after: Option<u32> where "1"..="1000" = none;
        /// Crashes further apart are not counted together; as long a quiet time forgets them.
        window: Duration where "1s"..="30d" = "10m";
        /// For how long. Twice as long each time that it goes on, at most a day.
        pause: Duration where "1s"..="1d" = "1m";
    }
}

section! {
    /// A kind of job: a command that is run or a URL that is called, exactly one of the two, and how
    /// its jobs are treated. Only what is named here can ever be run.
    KindKeys {
        /// The program and its arguments.
        command: Option<Words> = none;
        /// What is called with POST instead of a command.
        url: Option<HttpUrl> = none;
        /// Where its jobs go unless they say otherwise.
        queue: QueueName = "default";
        /// The priority of its jobs unless they say otherwise.
        priority: Priority = "5";
        /// How often a job is tried in all.
        max_attempts: i32 where "1"..="1000" = "5";
        /// After this a command gets SIGTERM, a call is given up; what still runs has until `hard_timeout`. Absent: never
        /// before that.
        soft_timeout: Option<Duration> where "10ms"..="365d" = none;
        /// After this the attempt is ended, a command with SIGKILL to its whole process group.
        hard_timeout: Duration where "10ms"..="366d" = "1d";
        /// How long what was asked to stop by a cancel or at shutdown may take before it is ended, a command with SIGKILL.
        stop_grace: Duration where "0s"..="1h" = "10s";
        /// What its attempts do while the worker cannot reach the database: `stop` ends them before their leases end, and
        /// hands them back at no cost of an attempt; `continue` lets them go on until the lease is known to be another's.
        on_lost_contact: OnLostContact = "stop";
        /// The delays between attempts.
        backoff: BackoffSection = {};
        /// Classes of errors (their `type`) after which another attempt is useless, such as `bad_args`.
        permanent_errors: Vec<ErrorClass> = "[]";
        /// When jobs that crash in a loop are not started for a while.
        breaker: BreakerSection = {};
        /// How long its finished jobs stay. Absent: `keeper.retention`.
        retain: Option<Duration> where "1m"..="36500d" = none;
        /// Its jobs are not stored while another one holds their key, as `unique` of POST /jobs says; `{}`: the
        /// only one with its kind and args. Absent: any number.
        unique: Option<Unique> = none;
        /// The limits that its jobs count for: `name`, or `name:key`; `{arg}` in a key stands for that arg.
        concurrency_key: Vec<LimitKey> = "[]";
        /// Whose jobs they are, such as `{tenant}`; jobs of one queue take turns between fair keys.
        fair_key: Option<FairKey> = none;
        /// Its jobs are cancelled if nothing started them within this time. Absent: they wait for ever.
        expires_in: Option<Duration> where "1s"..="36500d" = none;
        /// The largest result, as JSON; a larger one fails the job.
        max_result_bytes: ByteSize where "1KiB"..="256MiB" = "1MiB";

        /// Command: exit codes after which another attempt is useless.
        permanent_exit_codes: Vec<ExitCode> = "[]";
        /// Command: the folder that it starts in. Absent: the config file's.
        working_dir: Option<PathBuf> = none;
        /// Command: variables of its environment.
        env: BTreeMap<VariableName, VariableText> = "{}";
        /// Command: start with PATH, HOME, LANG and `env` alone. Else it has the worker's environment without
        /// its secrets (`TIDEMILL_*`, `DATABASE_URL`, `PG*`).
        clean_env: bool = "false";
        /// Command: address space of each process, which is more than what it has in memory. Absent: no limit.
        memory: Option<ByteSize> where "1MiB"..="1024TiB" = none;
        /// Command: processor time of each process. Absent: no limit.
        cpu: Option<Duration> where "1s"..="365d" = none;
        /// Command: files that a process may have open. Absent: the worker's own limit.
        open_files: Option<u64> where "8"..="1048576" = none;
        /// Command: the largest file that it may write. Absent: no limit.
        file_size: Option<ByteSize> where "0"..="1024TiB" = none;
        /// Command: processes of the worker's user while it runs. Absent: the worker's own limit.
        processes: Option<u64> where "1"..="4194304" = none;
        /// Command: the longest line of its log; a longer one is cut and marked.
        max_line_bytes: ByteSize where "256"..="16MiB" = "64KiB";

        /// URL: signs each call (HMAC-SHA256), so that the other end knows who calls: `whsec_` and base64, or
        /// the key itself.
        secret: Option<Secret> = none;
        /// URL: whether private and loopback addresses may be called.
        allow_private: bool = "false";
        /// URL: a proxy of its own, or `none`. Absent: `outbound.proxy`.
        proxy: Option<ProxyChoice> = none;
        /// URL: how long connecting may take.
        connect_timeout: Duration where "10ms"..="10m" = "10s";
        /// URL: how long the answer may be silent; then the attempt is retried.
        idle_timeout: Duration where "10ms"..="1d" = "1m";
        /// URL: headers of each call.
        headers: BTreeMap<Header, HeaderText> = "{}";
    }
}

section! {
    /// A schedule: exactly one of `cron`, `every` and `at`, and the job that it makes. `dev`, `serve` and
    /// `worker` write their schedules when they start; `deployment.revision` says when those are removed that the config
    /// no longer has. `docs/schedules.md` says more.
    ScheduleKeys {
        /// Minute, hour, day of month, month, day of week; with seconds before them if there are six fields.
        cron: Option<String> = none;
        /// From slot to slot.
        every: Option<Duration> where "1s"..="3650d" = none;
        /// The one time.
        at: Option<Time> = none;
        /// The zone of the cron text, by its name in the tz database.
        timezone: String = "UTC";
        /// The kind of its jobs. Needed.
        kind: Option<QueueName> = none;
        /// The input of its jobs.
        args: JobArgs = "{}";
        /// Where its jobs go. Absent: the kind's own.
        queue: Option<QueueName> = none;
        /// The priority of its jobs. Absent: the kind's own.
        priority: Option<Priority> = none;
        /// How often each of its jobs is tried in all. Absent: the kind's own.
        max_attempts: Option<i32> where "1"..="1000" = none;
        /// Words to find its jobs by.
        tags: Vec<String> = "[]";
        /// Which slots fire that nobody looked at in time: none, the latest, or the latest `missed_limit`.
        missed: MissedWord = "one";
        /// How many missed slots fire at most, where all do.
        missed_limit: i32 where "1"..="1000" = "10";
        /// What happens to a slot while an earlier job is not finished: it is skipped, or held until that job
        /// has ended (one slot at most), or enqueued all the same, or the earlier job is cancelled.
        overlap: OverlapWord = "skip";
        /// By up to so much later a job may start; the share is fixed by name and slot.
        jitter: Duration where "0s"..="1d" = "0s";
        /// Whether it is paused when it is first made. Later only people pause and resume it.
        paused: bool = "false";
    }
}

/// The keys of a kind that mean something for a command alone.
pub(super) const COMMAND_KEYS: &[&str] = &[
    "permanent_exit_codes",
    "working_dir",
    "env",
    "clean_env",
    "memory",
    "cpu",
    "open_files",
    "file_size",
    "processes",
    "max_line_bytes",
];

/// The keys of a kind that mean something for a URL alone.
pub(super) const URL_KEYS: &[&str] =
    &["secret", "allow_private", "proxy", "connect_timeout", "idle_timeout", "headers"];

/// Lets a section stand within another one.
macro_rules! inner_section {
    ($($name:ident),+) => {$(
        impl Entry for $name {
            const FIELDS: &'static [Field] = <Self as Section>::FIELDS;

            fn allowed() -> String {
                "a table".into()
            }

            fn read(reader: &mut Reader<'_>, field: &'static Field) -> Self {
                reader.section(field.key)
            }
        }
    )+};
}
inner_section!(BackoffSection, BreakerSection);

#[cfg(test)]
mod tests {
    use super::super::section::Table;
    use super::*;
    use tidemill::job::settings::{Backoff, KindSettings};

    fn defaults<T: Section>() -> T {
        let mut problems = Vec::new();
        let section = Reader::new(Table::new(), "nowhere", &mut problems).section("x");
        assert_eq!(problems, []);
        section
    }

    #[test]
    fn kinds_default_to_the_engine_s_own_defaults() {
        let keys: KindKeys = defaults();
        let engine = KindSettings::default();
        assert_eq!(keys.queue.0, engine.queue);
        assert_eq!(keys.priority.0, engine.priority);
        assert_eq!(keys.max_attempts, engine.max_attempts);
        assert_eq!(keys.hard_timeout, engine.hard_timeout);
        assert_eq!(keys.stop_grace, engine.stop_grace);
        let Backoff { first, factor, max, jitter } = engine.backoff;
        assert_eq!(keys.backoff, BackoffSection { first, factor, max, jitter });
    }

    #[test]
    fn the_lists_of_keys_name_real_ones() {
        for key in COMMAND_KEYS.iter().chain(URL_KEYS) {
            let field = KindKeys::FIELDS.iter().find(|field| field.key == *key);
            let prefix = if COMMAND_KEYS.contains(key) { " Command:" } else { " URL:" };
            assert!(field.is_some_and(|field| field.meaning.starts_with(prefix)), "{key}");
        }
        let marked = KindKeys::FIELDS
            .iter()
            .filter(|field| field.meaning.starts_with(" Command:") || field.meaning.starts_with(" URL:"));
        assert_eq!(marked.count(), COMMAND_KEYS.len() + URL_KEYS.len());
    }
}
