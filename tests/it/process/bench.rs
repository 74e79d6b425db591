//! `tidemill bench` on a real Postgres: it measures, prints each figure, leaves nothing behind, and touches no
//! schema that it did not make.

use std::process::Output;

use serde_json::Value;
use tokio::process::Command;

use crate::support::{Db, job};

async fn bench(db: &Db, schema: &str, more: &[&str]) -> Output {
    let folder = tempfile::tempdir().unwrap();
    Command::new(crate::binary::tidemill())
        .args(["bench", "--schema", schema, "--rounds", "1", "--seconds", "1", "--jobs", "2000"])
        .args(["--rate", "50", "--streams", "3", "--callers", "2"])
        .args(more)
        .current_dir(folder.path())
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap())
        .env("TIDEMILL_DATABASE__URL", &db.options().url)
        .kill_on_drop(true)
        .output()
        .await
        .unwrap()
}

async fn is_there(db: &Db, schema: &str) -> bool {
    db.scalar(&format!("select to_regnamespace('{schema}') is not null")).await
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[tokio::test]
async fn a_bench_prints_each_figure_and_leaves_nothing_behind() {
    let db = Db::new().await;
    let schema = format!("{}_bench", db.options().schema);
    let kept = db.enqueue(job("k")).await;
    let output = bench(&db, &schema, &["--json"]).await;
    assert!(output.status.success(), "{}", said(&output));
    let document: Value = serde_json::from_slice(&output.stdout).unwrap();
    let tests = document["tests"].as_array().unwrap();
    let names: Vec<_> = tests.iter().map(|test| test["test"].as_str().unwrap()).collect();
    assert_eq!(
        names,
        [
            "enqueue, 2 callers",
            "bulk, 1,000 a call",
            "drain, 1 process",
            "latency, idle worker",
            "steady, 50 a second",
            "stream, 3 jobs",
        ]
    );
    for test in tests {
        let round = &test["rounds"][0];
        for figure in ["per_second", "wal_bytes_each", "client_cpu_us_each"] {
            assert!(round[figure].as_f64().is_some_and(|figure| figure > 0.0), "{test}");
        }
    }
    let waits = |nth: usize| tests[nth]["rounds"][0]["p50_ms"].as_f64();
    assert!(waits(3) > Some(0.0) && waits(5) > Some(0.0) && waits(1).is_none(), "{document}");
    assert!(!is_there(&db, &schema).await);
    assert_eq!(db.state(kept).await, "available", "no job of another schema is touched");
}

#[tokio::test]
async fn a_bench_takes_no_schema_of_somebody_else() {
    let db = Db::new().await;
    let theirs = db.options().schema;
    let output = bench(&db, &theirs, &["--test", "bulk"]).await;
    assert_eq!(output.status.code(), Some(1));
    assert!(said(&output).contains("was not made by tidemill bench"), "{}", said(&output));
    assert!(is_there(&db, &theirs).await);

    // One that an earlier run left behind, for it was killed, is taken.
    let left = format!("{theirs}_left");
    db.execute(format!(
        "create schema {left}; comment on schema {left} is 'made by tidemill bench, which removes it';
         create table {left}.jobs (id integer)"
    ))
    .await;
    let output = bench(&db, &left, &["--test", "bulk"]).await;
    assert!(output.status.success(), "{}", said(&output));
    assert!(String::from_utf8_lossy(&output.stdout).contains("WAL bytes each"));
    assert!(!is_there(&db, &left).await);
}
