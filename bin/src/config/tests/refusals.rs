//! The configs with which a process refuses to start, and the messages.

use std::fs;

use super::{load, load_in};
use crate::config::*;
use crate::extensions as of_this_build;

/// What each wrong file is answered with; `…` at the end stands for anything.
const WRONG: &[(&str, &str)] = &[
    ("[api]\nlistn = 'x'", "tidemill.toml: api.listn: no such setting; did you mean listen?"),
    ("[apy]\nlisten = 'x'", "tidemill.toml: apy: no such setting; did you mean api?"),
    ("[zzz]", "tidemill.toml: zzz: no such setting; there are: database, deployment, embedded, …"),
    ("api = 3", "tidemill.toml: api: found a number; allowed: a table of settings"),
    (
        "[api]\nlisten = 'localhost'",
        "tidemill.toml: api.listen: found other text; allowed: an IP address with a port, …",
    ),
    (
        "[api]\nmax_args_bytes = '2GiB'",
        "tidemill.toml: api.max_args_bytes: is out of bounds; allowed: a size such as 64KiB, 512MiB or 2GiB, or a number of bytes, from 1KiB to 256MiB",
    ),
    (
        "[api]\nmax_args_bytes = '32MiB'",
        "tidemill.toml: api.max_args_bytes: is larger than api.max_body_bytes",
    ),
    (
        "[api]\ncors_origins = ['*']",
        "tidemill.toml: api.cors_origins: found a list (entry 1 is wrong); allowed: a list, each an origin without a path, …",
    ),
    (
        "[api]\ncors_origins = ['https://a.test/', 'https://*.a.test']",
        "tidemill.toml: api.cors_origins: found a list (entry 2 is wrong); allowed: a list, each an origin without a path, …",
    ),
    (
        "[database]\nurl = 'mysql://root:hunter2@h/d'",
        "tidemill.toml: database.url: found other text (its scheme is not postgres; it must begin with postgres://); allowed: a URL such as postgres://…",
    ),
    (
        "[database]\nschema = 'pg_mine'",
        "tidemill.toml: database.schema: found other text; allowed: lower-case letters…",
    ),
    (
        "[database]\nmax_connections = 1",
        "tidemill.toml: database.max_connections: is out of bounds; allowed: a whole number, from 5 to 1000",
    ),
    (
        "[worker]\nlease_ttl = 30",
        "tidemill.toml: worker.lease_ttl: found a number; allowed: a duration with its unit, such as 200ms, …",
    ),
    (
        "[worker]\nlease_ttl = '10s'",
        "tidemill.toml: worker.heartbeat: 5s is more than a third of worker.lease_ttl (10s): …",
    ),
    (
        "[queues.a]\nslots = -1",
        "tidemill.toml: queues.a.slots: found a number; allowed: a whole number, from 0 to 10000",
    ),
    (
        "[queues.'a b']\nslots = 1",
        "tidemill.toml: queues.a b: is not a name; allowed: a name of 1 to 63 letters (a-z, A-Z), …",
    ),
    ("[log]\nformat = 'xml'", "tidemill.toml: log.format: found other text; allowed: text or json"),
    ("[log]\nfilter = 'loud=7'", "tidemill.toml: log.filter: found other text; allowed: error, warn, …"),
    (
        "[kinds.a]",
        "tidemill.toml: kinds.a: has neither a command nor a url; give exactly one of them, or remote = true",
    ),
    (
        "[kinds.a]\ncommand = ['x']\nurl = 'http://h/'",
        "tidemill.toml: kinds.a: has both a command and a url; keep exactly one of them",
    ),
    (
        "[kinds.a]\ncommand = 'cargo build'",
        "tidemill.toml: kinds.a.command: found other text; allowed: a list of the program and …",
    ),
    (
        "[kinds.a]\nurl = 'ftp://h/'",
        "tidemill.toml: kinds.a.url: found other text; allowed: an http:// or https:// URL with a host",
    ),
    (
        "[kinds.a]\nurl = 'http://h/'\nmemory = '1GiB'",
        "tidemill.toml: kinds.a.memory: is for kinds with a command; this one has a url",
    ),
    (
        "[kinds.a]\ncommand = ['x']\nsecret = 's'",
        "tidemill.toml: kinds.a.secret: is for kinds with a url; this one has a command",
    ),
    (
        "[kinds.a]\ncommand = ['x']\nhard_timout = '1h'",
        "tidemill.toml: kinds.a.hard_timout: no such setting; did you mean hard_timeout?",
    ),
    (
        "[kinds.a]\ncommand = ['x']\nhard_timeout = 'an hour'",
        "tidemill.toml: kinds.a.hard_timeout: found other text; allowed: a duration …",
    ),
    (
        "[kinds.a]\ncommand = ['x']\nsoft_timeout = '2h'\nhard_timeout = '1h'",
        "tidemill.toml: kinds.a.soft_timeout: 2h is not shorter than hard_timeout (1h)",
    ),
    (
        "[kinds.a]\ncommand = ['x']\nbackoff = { frist = '1s' }",
        "tidemill.toml: kinds.a.backoff.frist: no such setting; did you mean first?",
    ),
    (
        "[kinds.a]\ncommand = ['x']\nbackoff = { first = '2h' }",
        "tidemill.toml: kinds.a.backoff.first: 2h is longer than backoff.max (1h)",
    ),
    (
        "[kinds.a]\ncommand = ['x']\nbackoff = { jitter = 2 }",
        "tidemill.toml: kinds.a.backoff.jitter: is out of bounds; allowed: a number, from 0 to 1",
    ),
    (
        "[kinds.a]\ncommand = ['x']\npriority = 0",
        "tidemill.toml: kinds.a.priority: found a number; allowed: 1 (first) to 9, …",
    ),
    (
        "[kinds.a]\ncommand = ['x']\npermanent_exit_codes = [0]",
        "tidemill.toml: kinds.a.permanent_exit_codes: found a list (entry 1 is wrong); allowed: a list, each an exit code from 1 to 255",
    ),
    (
        "[kinds.a]\ncommand = ['x']\nenv = { TOKEN = 7 }",
        "tidemill.toml: kinds.a.env: found a table; allowed: a table…",
    ),
    (
        "[kinds.\"hub.start\"]\ncommand = ['x']",
        "tidemill.toml: kinds.hub.start: is the name of a built-in kind, …",
    ),
    (
        "[kinds.\"tidemill.mine\"]\ncommand = ['x']",
        "tidemill.toml: kinds.tidemill.mine: begins with `tidemill.`, …",
    ),
    (
        "[outbound]\nproxy = 'socks5://h:1'",
        "tidemill.toml: outbound.proxy: found other text; allowed: a URL such as http://proxy:3128 …",
    ),
    (
        "[outbound]\ndirect = ['*.a.test', 'b.test:8443']",
        "tidemill.toml: outbound.direct: found a list (entry 2 is wrong); allowed: a list, each a host, …",
    ),
    (
        "[api]\nbase_path = 'jobs/'",
        "tidemill.toml: api.base_path: found other text; allowed: a path such as /jobs-ui, …",
    ),
    (
        "[kinds.a]\nremote = true\ncommand = ['x']",
        "tidemill.toml: kinds.a.command: is not for kinds of remote workers",
    ),
    (
        "[kinds.a]\nremote = true\nmemory = '1GiB'",
        "tidemill.toml: kinds.a.memory: is for kinds with a command; this one has a remote worker",
    ),
    (
        "[deployment]\nrevision = -1",
        "tidemill.toml: deployment.revision: found a number; allowed: a whole number, …",
    ),
    ("[api", "…tidemill.toml: TOML parse error at line 1, column 5…"),
];

#[test]
fn wrong_settings_are_named_with_what_is_allowed() {
    for (toml, expected) in WRONG {
        let error = load(toml, &[]).expect_err(toml);
        let wanted: Vec<_> = expected.split('…').collect();
        match wanted[..] {
            [whole] => assert_eq!(error, whole),
            [start, ""] => assert!(error.starts_with(start), "{toml}\n{error}"),
            ["", part, ""] => assert!(error.contains(part), "{toml}\n{error}"),
            _ => unreachable!(),
        }
    }
}

#[test]
fn wrong_variables_are_named_by_themselves() {
    for (name, value, expected) in [
        (
            "TIDEMILL_DATABASE_URL",
            "postgres://h/d",
            "environment: TIDEMILL_DATABASE_URL: no such setting; did you mean TIDEMILL_DATABASE__URL?",
        ),
        (
            "TIDEMILL_API__LISTN",
            "x",
            "environment TIDEMILL_API__LISTN: api.listn: no such setting; did you mean listen?",
        ),
        (
            "TIDEMILL_LOG__FORMAT",
            "xml",
            "environment TIDEMILL_LOG__FORMAT: log.format: found other text; allowed: text or json",
        ),
        (
            "TIDEMILL_LOGS__FORMAT",
            "xml",
            "environment TIDEMILL_LOGS__FORMAT: logs: no such setting; did you mean log?",
        ),
    ] {
        assert_eq!(load("", &[(name, value)]).expect_err(name), expected);
    }
}

#[test]
fn all_problems_are_reported_at_once() {
    let error = load("[api]\nx = 1\n[log]\nformat = 1\n[kinds.a]", &[]).unwrap_err();
    assert_eq!(error.lines().count(), 3, "{error}");
}

#[test]
fn no_refusal_shows_a_value() {
    let folder = tempfile::tempdir().unwrap();
    let dot_env = |text: &str| fs::write(folder.path().join(".env"), text).unwrap();
    for (text, expected) in [
        (
            "\n\nTIDEMILL_LOG__FORMAT=s3cret",
            ".env:3 TIDEMILL_LOG__FORMAT: log.format: found other text; allowed: text or json",
        ),
        ("TIDEMILL_AGENT__MODEL=\"s3cret", ".env:1: TIDEMILL_AGENT__MODEL: there is text after the closing"),
        ("TIDEMILL_AGENT__MODEL='s3cret' s3cret", ".env:1: TIDEMILL_AGENT__MODEL: there is text after"),
        (
            "A=s3cret\nTIDEMILL_DATABASE__URL=postgres://u:${NO_SUCH}@h/s3cret",
            ".env:2: TIDEMILL_DATABASE__URL: ${NO_SUCH} in it",
        ),
        (
            "TIDEMILL_AGENT__MODEL=${NO_SUCH:?s3cret}",
            ".env:1: TIDEMILL_AGENT__MODEL: ${NO_SUCH} in it is set neither",
        ),
        (
            "TIDEMILL_SCHEDULES__A__KIND=k\nTIDEMILL_SCHEDULES__A__CRON=s3cret",
            "schedules.a.cron: has 1 fields",
        ),
        (
            "TIDEMILL_SCHEDULES__A__KIND=k\nTIDEMILL_SCHEDULES__A__CRON=* s3cret * * *",
            "schedules.a.cron: is no hour",
        ),
        ("TIDEMILL_KINDS__A__URL=ftp://u:s3cret@h/", "kinds.a.url: found other text"),
        ("TIDEMILL_QUEUES__A__SLOTS=s3cret", "queues.a.slots: found other text; allowed: a whole number"),
    ] {
        dot_env(text);
        let error = load_in(folder.path(), &[], vec![]).expect_err(text).to_string();
        assert!(error.contains(expected), "{text}\n{error}");
        assert!(!error.contains("s3cret"), "{error}");
    }
    dot_env("");
    for file in [
        "[database]\nurl = postgres://u:s3cret@h/d",
        "[database]\nurl = 's3cret",
        "[database]\nurl = 's3cret' s3cret",
        "s3cret",
        "[worker]\nname = ['s3cret']\npoll = 's3cret'\n[api]\nhosts = ['s3cret/x']\n[log]\nformat = ['s3cret']",
    ] {
        let error = load(file, &[]).expect_err(file);
        assert!(!error.contains("s3cret"), "{error}");
        assert!(error.starts_with("tidemill.toml") || error.contains("line"), "{error}");
    }
    let yaml = folder.path().join("tidemill.yaml");
    for file in ["database:\n  url: [s3cret", "a: s3cret: b", "database:\n\turl: s3cret", "a: *s3cret"] {
        fs::write(&yaml, file).unwrap();
        let error = load_in(folder.path(), &[], vec![]).expect_err(file).to_string();
        assert!(!error.contains("s3cret") || file.contains('*'), "{error}");
    }
    fs::write(&yaml, "database: {url: 'postgres://u:s3cret@h'}").unwrap();
    let environment = vec![("A".to_owned(), "s3cret".to_owned())];
    let flags = vec![Flag::new("--database-url", &["database", "url"], "s3cret")];
    let sources =
        Sources { folder: folder.path().into(), file: None, environment, flags, extensions: of_this_build() };
    assert!(!format!("{sources:?}").contains("s3cret"));
}
