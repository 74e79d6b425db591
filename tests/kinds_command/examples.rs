//! The examples that the documents print.

use serde_json::json;
use tidemill::kinds::command::CommandSpec;
use tidemill::worker::context::Attempt;
use tidemill::worker::testing::TestProbe;

use crate::support::run_with;

fn example(name: &str) -> CommandSpec {
    CommandSpec::new(["python3".into(), format!("{}/examples/kinds/{name}", env!("CARGO_MANIFEST_DIR"))])
}

fn percents(probe: &TestProbe) -> Vec<f64> {
    let events = probe.events();
    events
        .iter()
        .filter(|event| event.kind == "progress")
        .filter_map(|event| event.data["percent"].as_f64())
        .collect()
}

#[tokio::test]
async fn the_example_that_counts_works_as_printed() {
    let attempt = Attempt::for_test("count-slowly", json!({ "n": 4, "pause": 0.01 }));
    let ran = run_with(example("count_slowly.py"), attempt).await;
    assert_eq!(ran.result(), Some(json!({ "counted": 4 })));
    assert_eq!(percents(&ran.probe), [25.0, 50.0, 75.0, 100.0]);
    assert_eq!(ran.probe.lines("stdout"), ["1", "2", "3", "4"]);
}

#[tokio::test]
async fn the_example_that_builds_a_crate_works_as_printed() {
    let ran = run_with(example("build_crate.py"), Attempt::for_test("build-crate", json!({}))).await;
    let result = ran.result().unwrap();
    assert_eq!(result["units"], 17);
    assert!(
        result["binary_bytes"].as_u64().unwrap() > 100_000 && result["build_seconds"].as_f64().unwrap() > 0.5
    );
    let compiled = ran.probe.lines("stderr").iter().filter(|line| line.contains("Compiling")).count();
    assert_eq!(compiled, 14, "every run builds all packages");
    let percents = percents(&ran.probe);
    assert!(percents.is_sorted() && percents.len() == 19 && percents[18] > 99.9, "{percents:?}");
}
