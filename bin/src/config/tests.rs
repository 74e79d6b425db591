//! Loads configs from a folder of their own and checks the result or the errors.

use std::fs;
use std::path::Path;
use std::time::Duration;

use super::*;

fn load_in(folder: &Path, variables: &[(&str, &str)], flags: Vec<Flag>) -> Result<Config, ConfigError> {
    let environment = variables.iter().map(|&(name, value)| (name.into(), value.into())).collect();
    Config::load(&Sources { folder: folder.into(), file: None, environment, flags })
}

fn load(toml: &str, variables: &[(&str, &str)]) -> Result<Config, String> {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("tidemill.toml"), toml).unwrap();
    load_in(folder.path(), variables, vec![]).map_err(|error| error.to_string())
}

#[test]
fn without_any_source_the_defaults_hold() {
    let folder = tempfile::tempdir().unwrap();
    let config = load_in(folder.path(), &[], vec![]).unwrap();
    assert_eq!(config.database.url, None);
    assert_eq!(config.api.listen.to_string(), "127.0.0.1:8080");
    assert_eq!(config.api.max_args_bytes, ByteSize(1 << 20));
    assert_eq!(config.worker.lease_ttl, Duration::from_secs(30));
    assert_eq!(config.folder, folder.path());
    assert!(config.default_slots() >= 4);
}

#[test]
fn later_sources_win() {
    let folder = tempfile::tempdir().unwrap();
    let file =
        "[api]\nlisten = '127.0.0.1:1'\nstrict_kinds = true\n[log]\nfilter = 'debug'\n[worker]\npoll = '3s'";
    fs::write(folder.path().join("tidemill.toml"), file).unwrap();
    let dot_env = "TIDEMILL_API__LISTEN=127.0.0.1:2\nTIDEMILL_LOG__FILTER=warn\nOTHER=1\n";
    fs::write(folder.path().join(".env"), dot_env).unwrap();
    let flags = vec![Flag::new("--listen", &["api", "listen"], "127.0.0.1:4")];
    let variables = [("TIDEMILL_API__LISTEN", "127.0.0.1:3"), ("TIDEMILL_LOG__FILTER", "error")];
    let config = load_in(folder.path(), &variables, flags).unwrap();
    assert_eq!(config.api.listen.port(), 4);
    assert_eq!(config.log.filter.0, "error");
    assert!(config.api.strict_kinds);
    assert_eq!(config.worker.poll, Duration::from_secs(3));
}

#[test]
fn what_holds_is_listed_with_its_source_and_without_secrets() {
    let folder = tempfile::tempdir().unwrap();
    let file = "[database]\nurl = 'postgres://me:s3cret@db/x'\n[worker]\npoll = '3s'\n\
        [kinds.build]\ncommand = ['make', 'all']\nenv = { TOKEN = 's3cret' }\nbackoff = { first = '7s' }\n\
        [kinds.call]\nurl = 'https://me:s3cret@service.test/'\nheaders = { Authorization = 's3cret' }\n\
        [schedules.nightly]\nkind = 'build'\ncron = '0 3 * * *'\nargs = { password = 's3cret' }\n\
        [alerts.none]\ncondition = 'no_worker'\nwebhook = 'https://hooks.test/s3cret'\n";
    fs::write(folder.path().join("tidemill.toml"), file).unwrap();
    fs::write(folder.path().join(".env"), "TIDEMILL_LOG__FILTER=warn\nTIDEMILL_AGENT__API_KEY=s3cret\n")
        .unwrap();
    let environment = vec![("TIDEMILL_WORKER__SLOTS".to_owned(), "3".to_owned())];
    let flags = vec![Flag::new("--listen", &["api", "listen"], "127.0.0.1:4")];
    let sources = Sources { folder: folder.path().into(), file: None, environment, flags };
    let all = Config::effective(&sources).unwrap();
    let said = |key: &str| {
        let found =
            all.iter().find(|setting| setting.key == key).unwrap_or_else(|| panic!("{key} is not listed"));
        (found.value.as_deref().unwrap_or("–"), found.source.as_str())
    };
    assert_eq!(said("worker.poll"), ("3s", "tidemill.toml"));
    assert_eq!(said("worker.slots"), ("3", "environment TIDEMILL_WORKER__SLOTS"));
    assert_eq!(said("log.filter"), ("warn", ".env:1 TIDEMILL_LOG__FILTER"));
    assert_eq!(said("api.listen"), ("127.0.0.1:4", "--listen"));
    assert_eq!(said("worker.heartbeat"), ("5s", "default"));
    assert_eq!(said("worker.name"), ("–", "default"));
    assert_eq!(said("kinds.build.command"), ("[make, all]", "tidemill.toml"));
    assert_eq!(said("kinds.build.backoff.first"), ("7s", "tidemill.toml"));
    assert_eq!(said("kinds.build.env"), ("TOKEN: (hidden)", "tidemill.toml"));
    assert_eq!(said("kinds.call.url"), ("https://me:hidden@service.test/", "tidemill.toml"));
    assert_eq!(said("agent.api_key"), ("(hidden)", ".env:2 TIDEMILL_AGENT__API_KEY"));
    assert!(all.iter().all(|setting| !format!("{setting:?}").contains("s3cret")), "{all:#?}");
    // Every row of the manual that has no name in it.
    let manual =
        std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/configuration.md")).unwrap();
    let section = manual.split("## `[").find(|section| section.starts_with("keeper]")).unwrap();
    let rows = section.lines().filter(|line| line.starts_with("| `")).count();
    assert_eq!(all.iter().filter(|setting| setting.key.starts_with("keeper.")).count(), rows);

    fs::write(folder.path().join("tidemill.toml"), "[worker]\nsolts = 3").unwrap();
    assert!(Config::effective(&sources).unwrap_err().to_string().contains("did you mean slots?"));
}

#[test]
fn variables_reach_named_sections_and_free_keys() {
    let toml = "[kinds.Build-Crate]\ncommand = ['make']\n[kinds.call]\nurl = 'http://localhost:1/'";
    let variables = [
        ("TIDEMILL_KINDS__BUILD_CRATE__BACKOFF__FIRST", "7s"),
        ("TIDEMILL_KINDS__BUILD_CRATE__ENV__RUST_LOG", "debug"),
        ("TIDEMILL_KINDS__BUILD_CRATE__PERMANENT_EXIT_CODES", "64, 65"),
        ("TIDEMILL_KINDS__CALL__HEADERS__X-Team", "mill"),
        ("TIDEMILL_KINDS__NEW__COMMAND", r#"["python3", "a b.py"]"#),
        ("TIDEMILL_QUEUES__BUILDS__SLOTS", "2"),
        ("TIDEMILL_DATABASE__URL", ""),
        ("TIDEMILL_SERVICE_HOST", "10.0.0.1"),
        ("TIDEMILL_URL", "http://localhost:1"),
    ];
    let config = load(toml, &variables).unwrap();
    let kind = &config.kinds["Build-Crate"];
    assert_eq!(kind.settings.backoff.first, Duration::from_secs(7));
    let RunSection::Command(command) = &kind.run else { panic!("{kind:?}") };
    assert_eq!(command.env["RUST_LOG"], "debug");
    assert_eq!(command.permanent_exit_codes, [64, 65]);
    let RunSection::Url(url) = &config.kinds["call"].run else { panic!() };
    assert_eq!(url.headers["X-Team"], "mill");
    assert!(
        matches!(&config.kinds["new"].run, RunSection::Command(run) if run.command == ["python3", "a b.py"])
    );
    assert_eq!(config.slots_of("builds"), 2);
    assert_eq!(config.database.url, None);
}

#[test]
fn toml_and_yaml_say_the_same() {
    let toml = "[kinds.a]\ncommand = ['x']\nbackoff = { first = '1s', factor = 3.0 }\nmemory = '512MiB'\npriority = 'high'";
    let yaml = "kinds:\n  a:\n    command: [x]\n    backoff: {first: 1s, factor: 3}\n    memory: 512MiB\n    priority: 3\n";
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("tidemill.yaml"), yaml).unwrap();
    let from_yaml = load_in(folder.path(), &[], vec![]).unwrap();
    let from_toml = load(toml, &[]).unwrap();
    let (a, b) = (&from_toml.kinds["a"], &from_yaml.kinds["a"]);
    assert_eq!((&a.settings, a.settings.priority), (&b.settings, 3));
    fs::write(folder.path().join("tidemill.toml"), toml).unwrap();
    let error = load_in(folder.path(), &[], vec![]).unwrap_err();
    assert!(matches!(error, ConfigError::TwoFiles { .. }), "{error}");
}

#[test]
fn paths_start_at_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let conf = folder.path().join("conf");
    fs::create_dir(&conf).unwrap();
    let toml = "[embedded]\nprograms_dir = 'pg'\n[kinds.a]\ncommand = ['./x', 'y.py']\n[kinds.b]\ncommand = ['x']\nworking_dir = 'w'";
    fs::write(conf.join("mill.toml"), toml).unwrap();
    let file = Some("conf/mill.toml".into());
    let sources = Sources { folder: folder.path().into(), file, environment: vec![], flags: vec![] };
    let config = Config::load(&sources).unwrap();
    let dir = |name: &str| match &config.kinds[name].run {
        RunSection::Command(command) => (command.working_dir.clone(), command.command.clone()),
        RunSection::Url(_) => panic!(),
    };
    assert_eq!(dir("a"), (conf.clone(), vec!["./x".into(), "y.py".into()]));
    assert_eq!(dir("b").0, conf.join("w"));
    assert_eq!(config.embedded.programs_dir, Some(conf.join("pg")));
}

#[test]
fn only_named_queues_are_served() {
    let mut config = load("[queues.a]\nslots = 3\n[queues.b]\n[worker]\nslots = 2", &[]).unwrap();
    assert_eq!((config.slots_of("a"), config.slots_of("b"), config.slots_of("c")), (3, 2, 2));
    config.serve_only(&[("b".into(), 5)]);
    assert_eq!((config.slots_of("a"), config.slots_of("b"), config.slots_of("c")), (0, 5, 0));
}

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
    ("[kinds.a]", "tidemill.toml: kinds.a: has neither a command nor a url; give exactly one of them"),
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
fn the_names_of_all_kinds_that_come_with_the_binary_are_taken() {
    use tidemill::kinds::bughive::{CLEANUP, CRAWL, MEDIA, TICKET};
    let mut known = vec![tidemill::job::agent::KIND, CRAWL, TICKET, MEDIA, CLEANUP];
    known.extend(["hub.start", "hub.stop", "hub.restart", "hub.logs"]);
    known.sort_unstable();
    assert_eq!(kind::BUILT_IN, known);
    for name in known {
        let error = load(&format!("[kinds.\"{name}\"]\nurl = 'https://a.test/'"), &[]).unwrap_err();
        assert!(error.contains(&format!("choose another name, such as my.{name}")), "{error}");
    }
}

#[test]
fn all_problems_are_told_at_once() {
    let error = load("[api]\nx = 1\n[log]\nformat = 1\n[kinds.a]", &[]).unwrap_err();
    assert_eq!(error.lines().count(), 3, "{error}");
}

#[test]
fn a_file_that_was_named_must_be_there() {
    let file = Some("nowhere.toml".into());
    let folder = tempfile::tempdir().unwrap();
    let sources = Sources { folder: folder.path().into(), file, environment: vec![], flags: vec![] };
    assert!(matches!(Config::load(&sources), Err(ConfigError::Missing { .. })));
}

#[test]
fn the_sample_loads() {
    let folder = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."));
    let file = Some("tidemill.toml".into());
    let sources = Sources { folder: folder.into(), file, environment: vec![], flags: vec![] };
    let config = Config::load(&sources).unwrap();
    let build = &config.kinds["build-crate"];
    assert_eq!(build.settings.queue, "builds");
    assert_eq!(build.settings.soft_timeout, Some(Duration::from_mins(50)));
    assert_eq!(build.settings.hard_timeout, Duration::from_hours(1));
    assert_eq!(build.settings.max_attempts, 3);
    assert!(config.kinds.contains_key("count-slowly"));
    assert_eq!((config.slots_of("builds"), config.slots_of("default"), config.slots_of("tour")), (1, 4, 0));
    assert_eq!(config.worker.lease_ttl, Duration::from_secs(10));

    // And with all that is only suggested.
    let sample = fs::read_to_string(folder.join("tidemill.toml")).unwrap();
    let is_setting = |line: &str| line.starts_with('[') || line.split(' ').nth(1) == Some("=");
    let whole: Vec<_> = sample
        .lines()
        .map(|line| line.strip_prefix("# ").filter(|rest| is_setting(rest)).unwrap_or(line))
        .collect();
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("tidemill.toml"), whole.join("\n")).unwrap();
    let config = load_in(folder.path(), &[], vec![]).unwrap();
    let above = |name: &str| config.alerts[name].above;
    assert!((above("errors") - 0.1).abs() < 1e-9 && (above("slow") - 300.0).abs() < 1e-9);
    assert!(config.schedules.contains_key("export-numbers") && config.agent.model.is_some());
}

#[test]
fn schedules_are_read_with_the_jobs_that_they_make() {
    let toml = r#"
        [schedules.nightly]
        cron = "30 4 * * *"
        timezone = "Europe/Berlin"
        kind = "report"
        args = { days = 1, Deep = { list = [1.5, "x", true] } }
        priority = "high"
        overlap = "queue"
        jitter = "90s"
        [schedules.often]
        every = "90s"
        kind = "report"
    "#;
    let variables = [
        ("TIDEMILL_SCHEDULES__OFTEN__ARGS", r#"{"a": 1}"#),
        ("TIDEMILL_SCHEDULES__ONCE__AT", "2020-01-31T08:00:00+01:00"),
        ("TIDEMILL_SCHEDULES__ONCE__KIND", "report"),
    ];
    let config = load(toml, &variables).unwrap();
    let nightly = &config.schedules["nightly"];
    assert_eq!(
        (nightly.times.cron.as_deref(), &*nightly.times.timezone),
        (Some("30 4 * * *"), "Europe/Berlin")
    );
    assert_eq!(
        (nightly.overlap.as_str(), nightly.missed.as_str(), nightly.jitter.as_secs()),
        ("queue", "one", 90)
    );
    let args = serde_json::json!({"days": 1, "Deep": {"list": [1.5, "x", true]}});
    assert_eq!(nightly.job, serde_json::json!({"kind": "report", "args": args, "priority": 3}));
    assert_eq!(config.schedules["often"].job["args"], serde_json::json!({"a": 1}));
    assert_eq!(config.schedules["once"].times.at.unwrap().to_rfc3339(), "2020-01-31T07:00:00+00:00");
}

#[test]
fn a_schedule_that_never_fires_stops_the_start() {
    for (keys, key, message) in [
        ("every = '1h'", "schedules.s.kind", "is missing"),
        ("kind = 'k'", "schedules.s.cron", "exactly one"),
        ("kind = 'k'\ncron = '* 25 * * *'", "schedules.s.cron", "is no hour"),
        ("kind = 'k'\ncron = '0 0 30 2 *'", "schedules.s.cron", "never falls due"),
        ("kind = 'k'\ncron = '@daily'\ntimezone = 'Berlin'", "schedules.s.timezone", "not a time zone"),
        ("kind = 'k'\nevery = '10ms'", "schedules.s.every", "from 1s to 3650d"),
        ("kind = 'k'\nevery = '1h'\noverlap = 'kill'", "schedules.s.overlap", "skip, queue, allow or cancel"),
        ("kind = 'k'\nevery = '1h'\nargs = [1]", "schedules.s.args", "a table"),
        ("kind = 'k'\nevery = '1h'\nover_lap = 'skip'", "schedules.s.over_lap", "did you mean overlap?"),
    ] {
        let error = load(&format!("[schedules.s]\n{keys}"), &[]).unwrap_err();
        assert!(error.contains(key) && error.contains(message), "{keys}: {error}");
    }
}

#[test]
fn the_hub_has_its_projects_and_two_slots() {
    let toml = "[hub]\nengine = 'tcp://docker:2375'\n[hub.projects.shop]\ncompose = 'shop/compose.yaml'\nenv = { TAG = 'x' }\n\
                [hub.projects.1]\nservices = { web = { image = 'a', ports = [80] } }";
    let mut config = load(toml, &[("TIDEMILL_HUB__HEARTBEAT", "5s")]).unwrap();
    assert!(config.is_hub());
    assert_eq!(config.hub.projects.0.keys().collect::<Vec<_>>(), ["1", "shop"]);
    assert_eq!((config.slots_of("hub"), config.hub.heartbeat), (2, Duration::from_secs(5)));
    let services = config.hub.projects.0["1"].services.as_ref().unwrap();
    assert_eq!(services.0["web"]["ports"][0], 80);
    assert_eq!(
        (config.queues_of_hub(), config.slots_of("hub-quick")),
        (vec!["hub".into(), "hub-quick".into()], 8)
    );
    let mut builder = config.clone();
    builder.serve_only(&[("hub".into(), 2)]);
    assert_eq!((builder.slots_of("hub"), builder.slots_of("hub-quick")), (2, 8), "it stops what it starts");
    builder.serve_only(&[("hub-quick".into(), 1)]);
    assert_eq!((builder.slots_of("hub"), builder.slots_of("hub-quick")), (0, 1));
    config.serve_only(&[("crawl".into(), 1)]);
    let slots = (config.slots_of("hub"), config.slots_of("hub-quick"));
    assert_eq!(slots, (0, 0), "other queues are for other workers");
    let own = load(&format!("{toml}\n[queues.hub]\nslots = 7"), &[]).unwrap();
    assert_eq!(own.slots_of("hub"), 7);
    let default = load("", &[]).unwrap();
    assert!(!default.is_hub());
    let hub = &default.hub;
    assert_eq!((hub.soft_timeout, hub.hard_timeout), (Duration::from_hours(1), Duration::from_hours(2)));
    assert_eq!((hub.heartbeat, hub.stuck_after), (Duration::from_secs(30), Duration::from_mins(5)));
    assert_eq!((hub.still_building, hub.settle), (Duration::from_mins(10), Duration::from_secs(5)));
    assert_eq!((hub.retries, hub.retry_delay), (3, Duration::from_mins(1)));
    assert_eq!((hub.concurrency, hub.compose), (2, ComposeWay::Auto));
}

#[test]
fn a_hub_that_makes_no_sense_is_refused() {
    for (toml, told) in [
        ("[hub.projects.a]\n", "hub.projects.a: needs exactly one of compose and services"),
        (
            "[hub.projects.a]\ncompose = 'c'\nservices = { w = {} }",
            "needs exactly one of compose and services",
        ),
        ("[hub.projects.a]\ncompose = 'c'\nbuild = true", "hub.projects.a.build: no such setting"),
        ("[hub.projects.\"a b\"]\ncompose = 'c'", "hub.projects.a b: is not a name"),
        (
            "[hub.projects.\"a.b\"]\nservices = { w = {} }\n[hub.projects.AB]\nservices = { w = {} }",
            "hub.projects.a.b: is \"ab\" to the engine, as is AB; rename one of them",
        ),
        ("[hub]\nengine = '/var/run/docker.sock'", "hub.engine: found"),
        ("[hub]\nsoft_timeout = '2h'", "hub.soft_timeout: 2h is not shorter than hard_timeout (2h)"),
        ("[hub]\nheartbeat = '4m'", "hub.heartbeat: 4m is more than half of stuck_after (5m)"),
    ] {
        let error = load(toml, &[]).unwrap_err();
        assert!(error.contains(told), "{toml}: {error}");
    }
}

#[test]
fn alerts_are_read_and_those_that_make_no_sense_stop_the_start() {
    let toml = r#"
        [queues.bursts]
        max_queued = 100
        [alerting]
        secret = "whsec_c2VjcmV0"
        [alerts.errors]
        condition = "error_rate"
        above = 0.1
        over = "1h"
        email = ["ops@example.org"]
    "#;
    let config = load(toml, &[("TIDEMILL_ALERTS__ERRORS__ABOVE", "0.2")]).unwrap();
    let errors = &config.alerts["errors"];
    assert_eq!((errors.condition.word(), errors.over), ("error_rate", Duration::from_hours(1)));
    assert!((errors.above - 0.2).abs() < f64::EPSILON);
    assert_eq!(config.queues["bursts"].max_queued, Some(100));
    assert!(!format!("{:?}", config.alerting).contains("c2VjcmV0"), "secrets hide themselves");
    for (keys, key, message) in [
        ("above = 1", "alerts.a.condition", "is missing; allowed: error_rate, average_time"),
        ("condition = 'moods'", "alerts.a.condition", "no_worker"),
        ("condition = 'error_rate'\nabove = 3", "alerts.a.above", "below 1"),
        ("condition = 'no_worker'\nkind = 'k'", "alerts.a.kind", "does not apply"),
        ("condition = 'no_worker'\nover = '1s'", "alerts.a.over", "from 1m to 14d"),
        ("condition = 'no_worker'\nwebhook = 'x'", "alerts.a.webhook", "https://"),
        ("condition = 'no_worker'\nhold_for = '1m'", "alerts.a.hold_for", "did you mean hold?"),
    ] {
        let error = load(&format!("[alerts.a]\n{keys}"), &[]).unwrap_err();
        assert!(error.contains(key) && error.contains(message), "{keys}: {error}");
    }
}

/// What `.env` holds that is not ours, in the ways that Python, Node and compose write it.
const OTHERS: &str = "SECRET_KEY=correct horse s3cret\nJSON={\"s3cret\": 1}\nOPEN=\"s3cret\nnot a line s3cret\n\
    MISSING=${NOWHERE:?s3cret}\nKEY_ALONE\nexport PATH_LIKE=$HOME/s3cret\nPEM=\"-----BEGIN\ns3cret\n-----END\"\n\
    CELERY_BROKER_URL=redis://:s3cret@h\nBG_WORKERS=3\nTASK_TIME_LIMIT=s3cret\nTIDEMILL_SERVICE_HOST=\"s3cret\n";

#[test]
fn what_is_not_ours_in_dot_env_is_neither_judged_nor_shown() {
    let folder = tempfile::tempdir().unwrap();
    let mut bytes = OTHERS.as_bytes().to_vec();
    bytes.extend(b"LATIN=caf\xe9\nTIDEMILL_WORKER__POLL=3s\n");
    fs::write(folder.path().join(".env"), bytes).unwrap();
    let config = load_in(folder.path(), &[("CELERY_RESULT_BACKEND", "s3cret")], vec![]).unwrap();
    assert_eq!(config.worker.poll, Duration::from_secs(3));
    let names = ["CELERY_BROKER_URL (.env:11)", "BG_WORKERS (.env:12)", "TASK_TIME_LIMIT (.env:13)"];
    assert_eq!(config.ignored[..3], names);
    assert_eq!(config.ignored[3..], ["CELERY_RESULT_BACKEND (environment)"]);
    // A virtual environment of that name is no file of variables.
    fs::remove_file(folder.path().join(".env")).unwrap();
    fs::create_dir(folder.path().join(".env")).unwrap();
    load_in(folder.path(), &[], vec![]).unwrap();
}

#[test]
fn origins_are_read_however_frameworks_write_them() {
    let folder = tempfile::tempdir().unwrap();
    for text in [
        "ALLOWED_ORIGINS=[\"http://localhost:3000\",\"https://a.example\"]",
        "ALLOWED_ORIGINS=[\"http://localhost:3000\", \"https://a.example\"]",
        "ALLOWED_ORIGINS='[\"http://localhost:3000\", \"https://a.example\"]' # for pydantic",
        "ALLOWED_ORIGINS=http://localhost:3000, https://a.example",
        "ALLOWED_ORIGINS=\"http://localhost:3000, https://a.example\"",
        "ALLOWED_ORIGINS=\"http://localhost:3000\", \"https://a.example\"",
        "ALLOWED_ORIGINS=['http://localhost:3000', 'https://a.example']",
        "ALLOWED_ORIGINS=http://localhost:3000 https://a.example",
        "ALLOWED_ORIGINS=http://localhost:3000; https://a.example;",
        "ALLOWED_ORIGINS=HTTP://LocalHost:3000/,https://a.example:443/",
        "TIDEMILL_API__CORS_ORIGINS=HTTP://LocalHost:3000/, https://a.example:443",
        "ALLOWED_ORIGINS=https://old.example\nALLOWED_ORIGINS=http://localhost:3000,https://a.example,",
        "TIDEMILL_API__CORS_ORIGINS=[\"http://localhost:3000\", \"https://a.example\"]",
    ] {
        fs::write(folder.path().join(".env"), text).unwrap();
        let config = load_in(folder.path(), &[], vec![]).unwrap_or_else(|error| panic!("{text}: {error}"));
        let origins: Vec<_> = config.api.cors_origins.iter().map(|origin| origin.0.as_str()).collect();
        assert_eq!(origins, ["http://localhost:3000", "https://a.example"], "{text}");
    }
}

#[test]
fn what_is_no_origin_for_us_is_named_and_stops_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let all = "ALLOWED_ORIGINS (.env:1, entry 1 stands for all; list origins in api.cors_origins)";
    let none = "ALLOWED_ORIGINS (.env:1, entry 1 is no http or https origin)";
    let second = "ALLOWED_ORIGINS (.env:1, entry 2 is no http or https origin)";
    for (list, origins, ignored) in [
        ("*", vec![], vec![all]),
        ("[\"*\"]", vec![], vec![all]),
        ("null", vec![], vec![none]),
        ("https://*.s3cret.test", vec![], vec![none]),
        ("chrome-extension://s3cret, https://a.example", vec!["https://a.example"], vec![none]),
        ("https://a.example, s3cret", vec!["https://a.example"], vec![second]),
        ("[\"https://a.example/\", null]", vec!["https://a.example"], vec![second]),
        ("\"https://a.example", vec!["https://a.example"], vec![]),
        (
            "https://a.example,${NO_SUCH:?s3cret}",
            vec![],
            vec!["ALLOWED_ORIGINS (.env:1, ${NO_SUCH} in it is set neither in the environment nor above it)"],
        ),
    ] {
        fs::write(folder.path().join(".env"), format!("ALLOWED_ORIGINS={list}")).unwrap();
        let config = load_in(folder.path(), &[], vec![]).unwrap_or_else(|error| panic!("{list}: {error}"));
        let found: Vec<_> = config.api.cors_origins.iter().map(|origin| origin.0.as_str()).collect();
        assert_eq!(found, origins, "{list}");
        assert_eq!(config.ignored, ignored, "{list}");
    }
    fs::write(folder.path().join(".env"), "").unwrap();
    let config = load_in(folder.path(), &[("ALLOWED_ORIGINS", "s3cret")], vec![]).unwrap();
    assert_eq!(config.ignored, ["ALLOWED_ORIGINS (environment, entry 1 is no http or https origin)"]);
}

#[test]
fn no_refusal_shows_a_value() {
    let folder = tempfile::tempdir().unwrap();
    let dot_env = |text: &str| fs::write(folder.path().join(".env"), text).unwrap();
    for (text, told) in [
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
        assert!(error.contains(told), "{text}\n{error}");
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
    let sources = Sources { folder: folder.path().into(), file: None, environment, flags };
    assert!(!format!("{sources:?}").contains("s3cret"));
}
