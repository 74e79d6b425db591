//! Loads configs from a folder of their own and checks the result or the errors.

mod environment;
mod extensions;
mod refusals;
mod schedules_and_alerts;

use std::fs;
use std::path::Path;
use std::time::Duration;

use super::*;
use crate::extensions as of_this_build;
use tidemill_settings::types::ByteSize;

fn load_in(folder: &Path, variables: &[(&str, &str)], flags: Vec<Flag>) -> Result<Config, ConfigError> {
    let environment = variables.iter().map(|&(name, value)| (name.into(), value.into())).collect();
    Config::load(&Sources {
        folder: folder.into(),
        file: None,
        environment,
        flags,
        extensions: of_this_build(),
    })
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
    let sources =
        Sources { folder: folder.path().into(), file: None, environment, flags, extensions: of_this_build() };
    let all = Config::effective(&sources).unwrap();
    let described = |key: &str| {
        let found =
            all.iter().find(|setting| setting.key == key).unwrap_or_else(|| panic!("{key} is not listed"));
        (found.value.as_deref().unwrap_or("–"), found.source.as_str())
    };
    assert_eq!(described("worker.poll"), ("3s", "tidemill.toml"));
    assert_eq!(described("worker.slots"), ("3", "environment TIDEMILL_WORKER__SLOTS"));
    assert_eq!(described("log.filter"), ("warn", ".env:1 TIDEMILL_LOG__FILTER"));
    assert_eq!(described("api.listen"), ("127.0.0.1:4", "--listen"));
    assert_eq!(described("worker.heartbeat"), ("5s", "default"));
    assert_eq!(described("worker.name"), ("–", "default"));
    assert_eq!(described("kinds.build.command"), ("[make, all]", "tidemill.toml"));
    assert_eq!(described("kinds.build.backoff.first"), ("7s", "tidemill.toml"));
    assert_eq!(described("kinds.build.env"), ("TOKEN: (hidden)", "tidemill.toml"));
    assert_eq!(described("kinds.call.url"), ("https://me:hidden@service.test/", "tidemill.toml"));
    assert_eq!(described("agent.api_key"), ("(hidden)", ".env:2 TIDEMILL_AGENT__API_KEY"));
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
    let sources = Sources {
        folder: folder.path().into(),
        file,
        environment: vec![],
        flags: vec![],
        extensions: of_this_build(),
    };
    let config = Config::load(&sources).unwrap();
    let dir = |name: &str| match &config.kinds[name].run {
        RunSection::Command(command) => (command.working_dir.clone(), command.command.clone()),
        RunSection::Url(_) | RunSection::Remote => panic!(),
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

#[test]
fn a_file_that_was_named_must_be_there() {
    let file = Some("nowhere.toml".into());
    let folder = tempfile::tempdir().unwrap();
    let sources = Sources {
        folder: folder.path().into(),
        file,
        environment: vec![],
        flags: vec![],
        extensions: of_this_build(),
    };
    assert!(matches!(Config::load(&sources), Err(ConfigError::Missing { .. })));
}

#[test]
fn the_sample_loads() {
    let folder = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."));
    let file = Some("tidemill.toml".into());
    let sources = Sources {
        folder: folder.into(),
        file,
        environment: vec![],
        flags: vec![],
        extensions: of_this_build(),
    };
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
    assert!(config.schedules.contains_key("export-numbers"));
    let tasks = config.declared.queues.iter().any(|queue| queue.name == "agent");
    assert!(tasks, "there is a model");
}
