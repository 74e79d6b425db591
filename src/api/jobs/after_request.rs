//! Reads the jobs that a job waits for from a request. Must never check whether they exist: the
//! database does that when it stores the job.

use serde::Deserialize;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::api::server::problem::Problem;
use crate::api::server::validate;
use crate::job::after::{After, RunIf};
use crate::job::limits::EXECUTION_ID_CHARACTERS;

const MOST_PARENTS: usize = 1000;
const ARG_CHARACTERS: usize = 255;

/// A job to wait for.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[schema(as = After)]
#[serde(untagged)]
pub(crate) enum AfterInput {
    /// Its id, or `execution:NAME`.
    Job(String),
    /// The same, with its result passed on.
    Passing(PassingInput),
}

/// A job to wait for, and the use of its result.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[schema(as = AfterPassing)]
#[serde(deny_unknown_fields)]
pub(crate) struct PassingInput {
    /// Its id, or `execution:NAME`.
    #[schema(min_length = 1, max_length = 265)]
    job: String,
    /// The arg under which the result is passed on.
    #[serde(rename = "as")]
    #[schema(min_length = 1, max_length = 255, pattern = "^[^$]")]
    pass_as: Option<String>,
}

/// The jobs to wait for.
///
/// # Errors
/// 422 for too many, and for what is neither an id nor an execution id.
pub(crate) fn checked_after(inputs: Vec<AfterInput>) -> Result<Vec<After>, Problem> {
    if inputs.len() > MOST_PARENTS {
        let problem = Problem::invalid("/after", format!("The job waits for {} others.", inputs.len()));
        return Err(problem
            .remedy(format!("Send at most {MOST_PARENTS}, or put them into a workflow and wait for that.")));
    }
    inputs
        .into_iter()
        .enumerate()
        .map(|(index, input)| {
            let field = format!("/after/{index}");
            let (job, pass_as) = parts(input);
            let job = validate::text(&field, job, EXECUTION_ID_CHARACTERS + "execution:".len())?;
            if !job.starts_with("execution:") && Uuid::try_parse(&job).is_err() {
                let problem = Problem::invalid(field, "It is not the id of a job.");
                return Err(problem.remedy("Send a job's id, or execution: and its execution id."));
            }
            Ok(After { job, pass_as: checked_arg(&field, pass_as)? })
        })
        .collect()
}

/// The name and the arg of an input.
pub(crate) fn parts(input: AfterInput) -> (String, Option<String>) {
    match input {
        AfterInput::Job(job) => (job, None),
        AfterInput::Passing(PassingInput { job, pass_as }) => (job, pass_as),
    }
}

/// The name of an arg.
///
/// # Errors
/// 422 for one that is empty or too long.
pub(crate) fn checked_arg(field: &str, arg: Option<String>) -> Result<Option<String>, Problem> {
    let field = format!("{field}/as");
    if arg.as_ref().is_some_and(|arg| arg.starts_with('$')) {
        let problem = Problem::invalid(field, "Names of args that begin with $ are reserved.");
        return Err(problem.remedy("Use another name."));
    }
    arg.map(|arg| validate::text(&field, arg, ARG_CHARACTERS)).transpose()
}

/// Which ends let the job run.
///
/// # Errors
/// 422 for one of a job that waits for none.
pub(crate) fn checked_run_if(
    run_if: Option<RunIf>,
    after: Option<&[AfterInput]>,
) -> Result<Option<RunIf>, Problem> {
    if run_if.is_some() && after.is_none_or(<[_]>::is_empty) {
        let problem = Problem::invalid("/run_if", "The job waits for no other.");
        return Err(problem.remedy("Send after as well, or leave run_if out."));
    }
    Ok(run_if)
}
