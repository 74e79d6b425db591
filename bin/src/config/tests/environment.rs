//! Variables that are not ours, and `ALLOWED_ORIGINS`.

use std::fs;
use std::time::Duration;

use super::load_in;

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
