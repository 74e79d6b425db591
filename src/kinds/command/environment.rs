//! The environment of a command: the worker's own without its secrets, and variables that identify
//! its job.

use std::collections::BTreeMap;
use std::ffi::OsString;

use serde_json::Value;

use super::spec::CommandSpec;
use crate::secrecy::is_secret;
use crate::worker::context::{Attempt, Context};
use crate::worker::handler::JobError;

/// The variables kept from the worker's environment if the config asks for a clean one.
const CLEAN: [&str; 3] = ["PATH", "HOME", "LANG"];

/// The span of an attempt. That of the worker's own start is no parent of its jobs.
const TRACEPARENT: &str = "TRACEPARENT";

/// The largest stored state of a job that is passed to a command: a variable must fit on its stack.
const REMEMBERED_BYTES: usize = 100 * 1024;

/// The stored state of the job, as variables.
pub(super) type Remembered = Vec<(&'static str, String)>;

/// The checkpoints and signals of the job, if it has any.
pub(super) async fn remembered(context: &Context) -> Result<Remembered, JobError> {
    let (steps, signals) = context.remembered().await?;
    let all = [("TIDEMILL_STEPS", steps), ("TIDEMILL_SIGNALS", signals)];
    let known = all.into_iter().filter(|(_, values)| !values.is_empty());
    let known: Remembered = known.map(|(name, values)| (name, Value::Object(values).to_string())).collect();
    match known.iter().find(|(_, text)| text.len() > REMEMBERED_BYTES) {
        None => Ok(known),
        Some((name, text)) => Err(JobError::permanent(format!(
            "{name} would have {} bytes, but a command accepts at most {REMEMBERED_BYTES}; store less in \
             its steps",
            text.len()
        ))
        .class("too_much_remembered")),
    }
}

/// All variables of the command; later ones replace earlier ones of the same name.
pub(super) fn variables(spec: &CommandSpec, attempt: &Attempt) -> BTreeMap<OsString, OsString> {
    variables_from(std::env::vars_os(), spec, attempt)
}

fn variables_from(
    ours: impl Iterator<Item = (OsString, OsString)>,
    spec: &CommandSpec,
    attempt: &Attempt,
) -> BTreeMap<OsString, OsString> {
    let inherited = ours.filter(|(name, _)| {
        if spec.clean_env {
            CLEAN.iter().any(|kept| name == kept)
        } else {
            !is_secret(name) && name != TRACEPARENT
        }
    });
    let configured = spec.env.iter().map(|(name, value)| (name.into(), value.into()));
    let job = [
        ("TIDEMILL_JOB_ID", Some(attempt.job_id.to_string())),
        ("TIDEMILL_ATTEMPT", Some(attempt.attempt.to_string())),
        ("TIDEMILL_KIND", Some(attempt.kind.clone())),
        ("TIDEMILL_EXECUTION_ID", attempt.execution_id.clone()),
        (TRACEPARENT, attempt.traceparent.clone()),
    ];
    let job = job.into_iter().filter_map(|(name, value)| Some((name.into(), value?.into())));
    inherited.chain(configured).chain(job).collect()
}

#[cfg(test)]
mod tests {
    use std::ffi::OsStr;

    use serde_json::json;

    use super::*;

    fn names(spec: &CommandSpec) -> Vec<String> {
        let ours = [
            "PATH",
            "HOME",
            "EDITOR",
            "TIDEMILL_DATABASE_URL",
            "DATABASE_URL",
            "PGPASSWORD",
            "TIDEMILL_KIND",
            "TRACEPARENT",
        ];
        let ours = ours.into_iter().map(|name| (name.into(), "ours".into()));
        let attempt = Attempt::for_test("echo", json!({}));
        let variables = variables_from(ours, spec, &attempt);
        assert_eq!(variables[OsStr::new("TIDEMILL_KIND")], "echo");
        variables.into_keys().map(|name| name.into_string().unwrap()).collect()
    }

    #[test]
    fn secrets_stay_with_the_worker() {
        let spec = CommandSpec::new(["true"]);
        let job = ["TIDEMILL_ATTEMPT", "TIDEMILL_JOB_ID", "TIDEMILL_KIND"];
        assert_eq!(names(&spec), [&["EDITOR", "HOME", "PATH"], &job[..]].concat());
    }

    #[test]
    fn a_clean_environment_has_what_the_config_says() {
        let env = [("PGHOST".to_owned(), "meant".to_owned())].into();
        let spec = CommandSpec { clean_env: true, env, ..CommandSpec::new(["true"]) };
        let job = ["TIDEMILL_ATTEMPT", "TIDEMILL_JOB_ID", "TIDEMILL_KIND"];
        assert_eq!(names(&spec), [&["HOME", "PATH", "PGHOST"], &job[..]].concat());
    }
}
