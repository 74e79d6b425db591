//! Graphs, groups, chains and chords, nested in one another; results on their way through them.

use std::sync::{Arc, Mutex};

use serde_json::{Value, json};
use tidemill::{After, Context, Workflow};

use super::{Floor, echo, new, plain};
use crate::support::{ok, wait_for};

#[tokio::test]
async fn k1_a_chain_passes_results_on() {
    let floor = Floor::new().await;
    let mill = floor.mill().start();
    let chain =
        Workflow::chain("sum", [new("add", &json!({"n": 1})), plain("add"), plain("add")]).passing("n");
    let id = floor.start(&chain).await;
    assert_eq!(floor.end(id).await, ("completed", json!(4)));
    let progress = floor.job(id).await.progress.unwrap();
    assert_eq!((progress.percent, progress.step.as_deref()), (Some(100.0), Some("3 of 3")));
    mill.stop().await;
}

#[tokio::test]
async fn k1_a_group_keeps_the_order_of_its_results() {
    let floor = Floor::new().await;
    let mill = floor.mill().start();
    let id = floor.start(&Workflow::group("g", (0..40).map(echo))).await;
    let expected: Vec<Value> = (0..40).map(|n| json!({ "n": n })).collect();
    assert_eq!(floor.end(id).await, ("completed", json!(expected)));
    mill.stop().await;
}

#[tokio::test]
async fn k1_a_chord_of_1000_members_calls_back_once() {
    let floor = Floor::new().await;
    let id = floor.start(&Workflow::group("chord", (0..1000).map(echo)).then(&plain("count"))).await;
    let mill = floor.mill().slots(50).start();
    assert_eq!(floor.end(id).await, ("completed", json!(1000)));
    assert_eq!(floor.count("jobs where kind = 'count'").await, 1);
    assert_eq!(
        floor.count("finished_parents").await + floor.count("blocked_jobs").await,
        0,
        "nothing is left behind"
    );
    mill.stop().await;
    floor.check_invariants().await;
}

#[tokio::test]
async fn k1_empty_groups_and_single_members_go_on_at_once() {
    let floor = Floor::new().await;
    let mill = floor.mill().start();
    let empty = floor.start(&Workflow::group("empty", []).then(&plain("count"))).await;
    assert_eq!(floor.end(empty).await, ("completed", json!(0)));
    let single = floor.start(&Workflow::group("single", [echo(1)]).then(&plain("count"))).await;
    assert_eq!(floor.end(single).await, ("completed", json!(1)));
    let nothing = floor.start(&Workflow::new("nothing")).await;
    assert_eq!(floor.end(nothing).await, ("completed", json!({})));
    // An empty group in the middle waits for what stands before it.
    let between = Workflow::new("between")
        .job("first", echo(1))
        .nested("none", Workflow::group("none", []))
        .after("first")
        .job("last", plain("count"))
        .after_as("none", "results");
    let id = floor.start(&between).await;
    assert_eq!(floor.end(id).await, ("completed", json!({"first": {"n": 1}, "none": [], "last": 0})));
    let finished_at = |name: &'static str| {
        let floor = &floor;
        async move { floor.job(floor.member(id, name).await).await.finished_at.unwrap() }
    };
    assert!(finished_at("first").await <= finished_at("none").await);
    mill.stop().await;
}

/// One of each form around an inner job, and its result, given that of the inner one. Its own jobs note the numbers from `base` on.
fn forms(base: i64, (inner, result): &(Value, Value)) -> Vec<(&'static str, (Value, Value))> {
    let note = |n: i64| json!({"kind": "note", "args": {"n": base + n}});
    let named = |name: &str, job: &Value| {
        let mut job = job.clone();
        job["name"] = json!(name);
        job
    };
    let (first, last) = (json!({ "n": base }), json!({ "n": base + 1 }));
    vec![
        (
            "jobs",
            (json!({"jobs": [named("a", &note(0)), named("b", inner)]}), json!({"a": first, "b": result})),
        ),
        ("group", (json!({"group": [note(0), inner]}), json!([first, result]))),
        ("chain", (json!({"chain": [note(0), inner, note(1)]}), last)),
        ("chord", (json!({"group": [note(0), inner], "then": {"kind": "count"}}), json!(2))),
    ]
}

/// Where a number stands among those that were noted.
fn place(noted: &[i64], number: i64) -> usize {
    noted.iter().position(|n| *n == number).unwrap_or_else(|| panic!("{number} is not in {noted:?}"))
}

#[tokio::test]
async fn k1_every_form_nests_in_every_other() {
    let floor = Floor::new().await;
    let noted = Arc::new(Mutex::new(Vec::new()));
    let notes = noted.clone();
    let mill = floor
        .mill()
        .handler("note", move |context: Context| {
            notes.lock().unwrap().push(context.args()["n"].as_i64().unwrap());
            async move { ok(context.args().clone()) }
        })
        .start();
    let leaf = (json!({"kind": "note", "args": {"n": 20}}), json!({"n": 20}));
    for (inner_form, inner) in forms(10, &leaf) {
        for (outer_form, (outer, result)) in forms(0, &inner) {
            noted.lock().unwrap().clear();
            let id = create(&floor, &outer).await.unwrap();
            let ended = floor.end(id).await;
            let what = format!("{inner_form} in {outer_form}: {}", floor.states(id).await);
            assert_eq!(ended, ("completed", result), "{what}");
            let noted = noted.lock().unwrap().clone();
            let within = [10, 20].iter().chain(if inner_form == "chain" { &[11][..] } else { &[] });
            for number in within {
                let at = place(&noted, *number);
                if outer_form == "chain" {
                    assert!(place(&noted, 0) < at && at < place(&noted, 1), "{what}: {noted:?}");
                }
            }
            if inner_form == "chain" {
                let [first, leaf, last] = [10, 20, 11].map(|number| place(&noted, number));
                assert!(first < leaf && leaf < last, "{what}: {noted:?}");
            }
        }
    }
    assert_eq!(floor.count("jobs where state <> 'completed'").await, 0);
    mill.stop().await;
}

#[tokio::test]
async fn k6_a_dependency_reaches_over_queues_and_a_delay_counts_from_the_release() {
    let floor = Floor::new().await;
    let mill = floor.mill().settings(|settings| settings.queues.push(("other".into(), 2))).start();
    let mut parent = echo(1);
    parent.queue = Some("other".into());
    let parent_id = parent.id;
    let mut child = plain("echo");
    child.delay = Some(std::time::Duration::from_millis(400));
    child.after = vec![After::job(parent_id).pass_as("before")];
    let child_id = child.id;
    floor.enqueue_all(&[parent, child]).await;
    assert_eq!(floor.end(child_id).await, ("completed", json!({"before": {"n": 1}})));
    let waited =
        floor.job(child_id).await.started_at.unwrap() - floor.job(parent_id).await.finished_at.unwrap();
    assert!(waited.num_milliseconds() >= 400, "{waited}");
    mill.stop().await;
}

#[tokio::test]
async fn a_job_waits_for_jobs_that_ended_before_and_for_none_that_is_unknown() {
    let floor = Floor::new().await;
    let mill = floor.mill().start();
    let mut parent = echo(7);
    parent.execution_id = Some("seven".into());
    let parent = floor.enqueue(parent).await;
    floor.end(parent).await;
    let id: uuid::Uuid = floor
        .scalar("select enqueue_many('[{\"kind\": \"echo\", \"after\": [{\"job\": \"execution:seven\", \"as\": \"x\"}]}]')")
        .await;
    assert_eq!(floor.end(id).await, ("completed", json!({"x": {"n": 7}})));
    let refusal = floor
        .refusal(format!("select enqueue('echo', after => array['{}'::uuid])", uuid::Uuid::now_v7()))
        .await;
    assert!(refusal.contains("unknown_parent"), "{refusal}");
    assert_eq!(floor.count("jobs where kind = 'echo'").await, 2);
    mill.stop().await;
}

#[tokio::test]
async fn a_graph_that_cannot_be_is_refused_and_leaves_nothing() {
    let floor = Floor::new().await;
    let cases = [
        (
            json!({"jobs": [{"name": "a", "kind": "x", "after": ["b"]}, {"name": "b", "kind": "x", "after": ["a"]}]}),
            "wait for one another: a, b",
        ),
        (json!({"jobs": [{"name": "a", "kind": "x"}, {"name": "a", "kind": "x"}]}), "two jobs are called a"),
        (json!({"jobs": [{"name": "a", "kind": "x", "after": ["z"]}]}), "after names z"),
        (json!({"jobs": [{"name": "a"}]}), "a has not exactly one of kind"),
        (json!({"jobs": [], "group": []}), "exactly one of jobs, group and chain"),
        (json!({"group": [{"kind": "x", "after": ["y"]}]}), "a job of a group has after"),
        (
            json!({"jobs": [{"name": "deep", "chain": [{"jobs": [{"name": "a", "kind": "x", "after": ["b"]}]}]}]}),
            "deep.1: after names b",
        ),
        (json!({"group": [{"kind": "tidemill.workflow"}]}), "reserved_kind"),
        (json!({"jobs": [{"kind": "x", "afterr": ["y"]}]}), "a job has the unknown field afterr"),
        (json!({"jobs": [], "nane": "x"}), "it has the unknown field nane"),
        (
            json!({"jobs": [{"name": "deep", "group": [], "runif": "x"}]}),
            "deep: it has the unknown field runif",
        ),
        (json!({"jobs": [], "on_failure": "stop"}), "on_failure is stop"),
        (json!({"group": [], "result": "last", "then": {"kind": "x"}}), "its result"),
        (json!({"jobs": [{"name": "a", "kind": "x", "after": "b"}]}), "is no array"),
        (
            json!({"jobs": [{"name": "a", "kind": "x", "run_if": "any_failed"}]}),
            "the run_if of a is of no use",
        ),
        (
            json!({"jobs": [{"name": "a", "kind": "x"}, {"name": "b", "kind": "x", "after": ["a"], "run_if": "never"}]}),
            "the run_if of b is of no use",
        ),
        (json!({"group": [{"kind": "x", "queue": "no such/queue"}]}), "is not a valid queue"),
        (json!({"group": [{"kind": "x", "run_at": "infinity"}]}), "run_at"),
    ];
    for (spec, words) in cases {
        let error = create(&floor, &spec).await.unwrap_err().to_string();
        assert!(error.contains(words), "{spec}: {error}");
    }
    for table in ["jobs", "workflows", "dependencies", "blocked_jobs", "task_ids"] {
        assert_eq!(floor.count(table).await, 0, "{table}");
    }
}

#[tokio::test]
async fn the_progress_of_a_workflow_is_seen_as_that_of_a_job() {
    let floor = Floor::new().await;
    let id = floor.start(&Workflow::chain("steps", (0..4).map(echo))).await;
    let mill = floor.mill().start();
    floor.end(id).await;
    mill.stop().await;
    let events = floor.events_after(id, 0, &[], 100).await.unwrap();
    let percents: Vec<Option<f64>> = events.iter().map(|event| event.data["percent"].as_f64()).collect();
    assert_eq!(percents, [Some(25.0), Some(50.0), Some(75.0), Some(100.0)]);
    wait_for("the ends are resolved", || async {
        (floor.count("finished_parents").await == 0).then_some(())
    })
    .await;
}

/// As SQL makes one.
async fn create(floor: &Floor, spec: &Value) -> sqlx::Result<uuid::Uuid> {
    sqlx::query_scalar("select create_workflow($1)").bind(spec).fetch_one(floor.pool()).await
}
