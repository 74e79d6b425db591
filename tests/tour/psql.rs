//! Every recipe of docs/psql.md, run by psql as printed, with the id of a job that suits it in place of the one shown: those to
//! look by a login that may look, those to act by one that may act, the others by the owner.

use std::time::Duration;

use crate::checkout::Checkout;
use crate::document::{Block, blocks, read, section};
use crate::shell::Shell;

const SOON: Duration = Duration::from_secs(30);
/// A job that does nothing for the time of a test.
const LATER: &str = "select enqueue('send-mail', delay => '1 day');";

struct Psql {
    shell: Shell,
    /// The owner's.
    command: String,
    /// What every session begins with.
    preamble: String,
}

impl Psql {
    /// Runs a recipe about a job, as the owner.
    fn run(&mut self, sql: &str, job: &str) -> String {
        self.run_by(None, sql, job)
    }

    /// Runs a recipe about a job as somebody.
    fn run_by(&mut self, login: Option<&str>, sql: &str, job: &str) -> String {
        let shown = self.preamble.split('\'').nth(1).expect("the preamble sets a job").to_owned();
        let preamble = self.preamble.replace(&shown, job);
        let Self { shell, command, .. } = self;
        let command = login.map_or_else(|| command.clone(), |login| command_of(command, login));
        shell.run(&format!("{command} --no-psqlrc -v ON_ERROR_STOP=1 <<'END'\n{preamble}{sql}\nEND"), SOON)
    }

    /// Runs a statement that answers one job's id.
    fn id(&mut self, sql: &str) -> String {
        let output = self.run(&format!("\\pset tuples_only\n{sql}"), "");
        output.lines().rev().find(|line| !line.trim().is_empty()).expect("an id").trim().to_owned()
    }
}

/// The command that `dev` prints, for another login.
fn command_of(owners: &str, login: &str) -> String {
    let mut url: url::Url = owners.split('\'').nth(1).expect("a quoted URL").parse().unwrap();
    url.set_username(login).unwrap();
    url.set_password(Some("secret")).unwrap();
    format!("psql '{url}'")
}

fn recipes(text: &str) -> Vec<Block> {
    blocks(text).into_iter().filter(|block| block.language == "sql").collect()
}

#[test]
fn every_recipe_runs_as_printed() {
    let document = read("docs/psql.md");
    let mut checkout = Checkout::start(&[]);
    let command = checkout.printed("database").to_owned();
    let preamble = blocks(&document)[0].text.clone();
    let mut psql = Psql { shell: Shell::open(checkout.path(), "psql"), command, preamble };

    // `n` is no number, so it fails twice; then it has a history.
    let enqueue = r#"target/demo/tidemill enqueue count-slowly n=x --max-attempts 2 --execution-id order-42 --follow || true"#;
    let output = psql.shell.run(enqueue, SOON);
    let failed = output.lines().next().expect("its id").to_owned();
    let later = psql.id(r#"select enqueue('send-mail', '{"customer": 7}', delay => '1 day');"#);

    psql.run(
        r#"select set_alert('any', 'no_worker', email => array['ops@example.org']);
        select create_workflow('{"name": "report", "chain": [{"kind": "k", "delay": "1 day"}, {"kind": "k"}]}');"#,
        &failed,
    );
    let logins = "create role looks login password 'secret'; select make_reader('looks');
        create role acts login password 'secret'; grant tidemill_admin to acts;";
    psql.run(logins, "");

    let look = recipes(section(&document, "## Look"));
    assert!(look.len() >= 19, "{look:#?}");
    for recipe in &look {
        let output = psql.run_by(Some("looks"), &recipe.text, &failed);
        let shows = match &recipe.text {
            text if text.contains("from job_events") => "attempt_failed",
            text if text.contains("from jobs_now\ngroup") => "scheduled",
            text if text.contains("from failures") => "count-slowly",
            text if text.contains("from kind_stats") => "count-slowly",
            text if text.contains("from counters") => "count-slowly",
            text if text.contains("from job_links d") => "report",
            text if text.contains("from alert_rule_status") => "ops@example.org",
            text if text.contains("from worker_status") => "running",
            text if text.contains("'order-42'") => &failed,
            text if text.contains("args @>") => &later,
            _ => "",
        };
        assert!(output.contains(shows), "no {shows:?}:\n{}\n{output}", recipe.text);
    }
    let act = recipes(section(&document, "## Act"));
    assert!(act.len() >= 8, "{act:#?}");
    for recipe in &act {
        let job = psql.id(LATER);
        psql.run_by(Some("acts"), &recipe.text, &job);
    }
    let owner = recipes(section(&document, "## As the owner"));
    assert!(owner.len() >= 2, "{owner:#?}");
    for recipe in &owner {
        psql.run(&recipe.text, &later);
    }
    assert!(checkout.end().success());
}
