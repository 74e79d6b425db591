//! The README's five minutes, block by block as printed. Only the port and the word `PID` are put in.

use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::checkout::Checkout;
use crate::document::{Block, blocks, read, section, spans};
use crate::shell::Shell;

const SOON: Duration = Duration::from_secs(20);
/// The demonstration's build and ours, one after the other, on a machine that is busy with other things.
const BUILDS: Duration = Duration::from_mins(4);
/// Half a count, a lease's end, and a whole count.
const COUNTS: Duration = Duration::from_mins(3);

#[test]
fn the_five_minutes_go_as_printed() {
    let tour = section(&read("README.md"), "## Five minutes").to_owned();
    let mut checkout = Checkout::make_run();
    let address = checkout.address();
    let blocks: Vec<Block> = blocks(&tour)
        .into_iter()
        .map(|block| Block { text: block.text.replace("127.0.0.1:8080", &address), ..block })
        .collect();
    let texts: Vec<&str> = blocks.iter().map(|block| block.text.as_str()).collect();
    let [watch, follow, start_workers, kill_one, look] = texts[..] else {
        panic!("the tour has other blocks now: {texts:#?}")
    };
    // Two terminals, as somebody has who does not like to wait.
    thread::scope(|scope| {
        scope.spawn(|| {
            let mut shell = Shell::open(checkout.path(), "first");
            watch_a_build(&mut shell, watch, &tour);
            follow_a_count(&mut shell, follow);
        });
        scope.spawn(|| kill_a_worker(&mut Shell::open(checkout.path(), "second"), start_workers, kill_one));
    });
    look_with_sql(&mut Shell::open(checkout.path(), "third"), checkout.printed("database"), look);
    assert!(checkout.end().success());
    assert!(!checkout.path().join(".tidemill/urls.json").exists(), "dev cleans up behind it");
}

fn watch_a_build(shell: &mut Shell, block: &str, tour: &str) {
    let (enqueue, watch) = block.split_once("\n\n").expect("two commands");
    let job: Value = serde_json::from_str(&shell.run(enqueue, SOON)).expect("the job as JSON");
    assert_eq!((&job["kind"], &job["execution_id"]), (&"build-crate".into(), &"my-first-build".into()));

    let frames = frames(&shell.run(watch, BUILDS));
    let (first, last) = (&frames[0], &frames[frames.len() - 1]);
    assert_eq!(first.kind, "snapshot");
    assert!(first.data["finished_at"].is_null(), "the build was watched live: {first:?}");
    assert!(last.kind == "completed" && last.is_end, "{last:?}");
    for field in ["binary_bytes", "build_seconds", "units"] {
        assert!(last.data["result"][field].as_f64() > Some(0.0), "{last:?}");
    }
    let events = &frames[1..frames.len() - 1];
    let numbers: Vec<u64> = events.iter().map(|event| event.id).collect();
    assert_eq!(numbers, (1..=numbers.len() as u64).collect::<Vec<_>>());
    assert!(events.iter().any(|event| event.kind == "log" && event.text("line").contains("Compiling")));
    assert!(
        events.iter().any(|event| event.kind == "progress" && event.text("step").contains("of 17 units"))
    );

    let header =
        spans(tour).into_iter().find(|span| span.contains("Last-Event-ID")).expect("it says how to go on");
    let again = self::frames(&shell.run(&format!("{} {header}", watch.trim_end()), SOON));
    assert_eq!((again[0].kind.as_str(), again[0].id), ("snapshot", 5));
    assert_eq!(again[1..again.len() - 1], events[5..], "the events behind the fifth, and no other");
    assert_eq!(again[again.len() - 1].kind, "completed");
}

fn follow_a_count(shell: &mut Shell, block: &str) {
    let output = shell.run(block, Duration::from_mins(1));
    for said in ["[15% 3 of 20]", "[100% 20 of 20]", "completed"] {
        assert!(output.contains(said), "{output}");
    }
}

fn kill_a_worker(shell: &mut Shell, start: &str, kill: &str) {
    shell.run(start, SOON);
    let (show, kill) = kill.split_once('\n').expect("three commands");
    let deadline = Instant::now() + SOON;
    let (first, pid) = loop {
        let shown = shell.run(show, SOON);
        let in_the_middle = fact(&shown, "progress").is_some_and(|step| step.ends_with(" of 60"));
        if let (true, Some(worker)) = (in_the_middle, fact(&shown, "worker")) {
            break (worker.clone(), worker.split(':').nth(1).expect("host:PID:…").to_owned());
        }
        assert!(Instant::now() < deadline, "no worker took it:\n{shown}");
    };
    let output = shell.run(&kill.replace("PID", &pid), COUNTS);
    for said in ["attempt 1 lost its worker", "[100% 60 of 60]", "completed"] {
        assert!(output.contains(said), "no {said:?} in:\n{output}");
    }
    let shown = shell.run(show, SOON);
    assert_eq!(fact(&shown, "attempt").as_deref(), Some("2 of 5"), "{shown}");
    let second = fact(&shown, "worker").expect("it says who ran it");
    assert_ne!(second, first);
    shell.run("kill $(jobs -p); wait || true", Duration::from_mins(1));
}

fn look_with_sql(shell: &mut Shell, psql: &str, block: &str) {
    let output = shell.run(&format!("{psql} -v ON_ERROR_STOP=1 --no-psqlrc <<'END'\n{block}END"), SOON);
    for said in ["count-slowly", "build-crate", "completed", "progress"] {
        assert!(output.contains(said), "no {said:?} in:\n{output}");
    }
}

/// What `jobs show` says of something.
fn fact(shown: &str, name: &str) -> Option<String> {
    let said = shown.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    said.map(|said| said.trim().to_owned())
}

/// One server-sent event.
#[derive(Debug, PartialEq)]
struct Frame {
    kind: String,
    id: u64,
    /// Its id says that nothing follows.
    is_end: bool,
    data: Value,
}

impl Frame {
    fn text(&self, field: &str) -> &str {
        self.data[field].as_str().unwrap_or_default()
    }
}

fn frames(stream: &str) -> Vec<Frame> {
    let fields = |frame: &str, name: &str| -> Option<String> {
        Some(frame.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))?.to_owned())
    };
    stream
        .split("\n\n")
        .filter_map(|frame| {
            let kind = fields(frame, "event")?;
            let id = fields(frame, "id").expect("an id");
            let (number, is_end) = id.strip_suffix("-end").map_or((&*id, false), |number| (number, true));
            let id = number.parse().expect("a number");
            let data = serde_json::from_str(&fields(frame, "data").expect("data")).expect("JSON");
            Some(Frame { kind, id, is_end, data })
        })
        .collect()
}
