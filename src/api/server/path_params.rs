//! Reads the parts of a path: a job by its id or by the caller's own name, and names of queues and
//! schedules. Must answer with a problem document where axum would answer with plain text.

use axum::extract::FromRequestParts;
use axum::extract::rejection::PathRejection;
use axum::http::request::Parts;
use uuid::Uuid;

use super::problem::{Case, Problem, quoted};
use super::validate;
use crate::job::limits::{EXECUTION_ID_CHARACTERS, PART_NAME_CHARACTERS};

/// How a path names a job: `{id}` or `execution:{execution_id}`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum JobName {
    /// By the id that the enqueue returned.
    Id(Uuid),
    /// By the caller's own name for the work.
    Execution(String),
}

impl JobName {
    /// Reads a job's name, also from a query.
    ///
    /// # Errors
    /// 422 for text that is neither.
    pub fn parse(field: &str, text: &str) -> Result<Self, Problem> {
        if let Some(execution_id) = text.strip_prefix("execution:") {
            let id = validate::text(field, execution_id.to_owned(), EXECUTION_ID_CHARACTERS)?;
            return Ok(Self::Execution(id));
        }
        Uuid::try_parse(text).map(Self::Id).map_err(|_| {
            Problem::invalid(field, format!("{} is not the name of a job.", quoted(text)))
                .remedy("Use the id that the enqueue request returned, or execution:<execution_id> (percent-encoded).")
        })
    }
}

impl JobName {
    /// The problem of a name that no job has.
    #[must_use]
    pub fn unknown(&self) -> Problem {
        let detail = match self {
            Self::Id(id) => format!("No job has the id {id}."),
            Self::Execution(name) => format!("No job has the execution id {}.", quoted(name)),
        };
        Problem::new(Case::JobNotFound, detail)
    }
}

impl<S: Send + Sync> FromRequestParts<S> for JobName {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        Self::parse("id", &only_part(parts, state, "id").await?)
    }
}

/// The name of a queue in a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueueName(pub String);

impl<S: Send + Sync> FromRequestParts<S> for QueueName {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let text = only_part(parts, state, "queue").await?;
        validate::name("queue", text).map(Self)
    }
}

/// The name of a limit in a path: `NAME`, or `queue:NAME`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LimitName(pub String);

impl<S: Send + Sync> FromRequestParts<S> for LimitName {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let text = only_part(parts, state, "limit").await?;
        let queue = text.strip_prefix("queue:");
        validate::name("limit", queue.unwrap_or(&text).to_owned())?;
        Ok(Self(text))
    }
}

/// The name of a schedule in a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScheduleName(pub String);

impl<S: Send + Sync> FromRequestParts<S> for ScheduleName {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let text = only_part(parts, state, "schedule").await?;
        validate::name("schedule", text).map(Self)
    }
}

/// The name of an alert rule in a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RuleName(pub String);

impl<S: Send + Sync> FromRequestParts<S> for RuleName {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let text = only_part(parts, state, "rule").await?;
        validate::name("rule", text).map(Self)
    }
}

/// The name of a kind in a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KindName(pub String);

impl<S: Send + Sync> FromRequestParts<S> for KindName {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let text = only_part(parts, state, "kind").await?;
        validate::name("kind", text).map(Self)
    }
}

/// A job and the name of a signal to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignalName {
    /// The job.
    pub job: JobName,
    /// The signal.
    pub name: String,
}

impl<S: Send + Sync> FromRequestParts<S> for SignalName {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let read: Result<axum::extract::Path<(String, String)>, PathRejection> =
            axum::extract::Path::from_request_parts(parts, state).await;
        let axum::extract::Path((job, name)) = read.map_err(|rejection| unreadable("name", &rejection))?;
        Ok(Self {
            job: JobName::parse("id", &job)?,
            name: validate::text("name", name, PART_NAME_CHARACTERS)?,
        })
    }
}

/// A job and the name of one of its files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ArtifactName {
    /// The job.
    pub job: JobName,
    /// The file.
    pub name: String,
}

impl<S: Send + Sync> FromRequestParts<S> for ArtifactName {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let SignalName { job, name } = SignalName::from_request_parts(parts, state).await?;
        Ok(Self { job, name })
    }
}

/// The id of a worker in a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WorkerName(pub String);

impl<S: Send + Sync> FromRequestParts<S> for WorkerName {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let text = only_part(parts, state, "worker").await?;
        validate::text("worker", text, EXECUTION_ID_CHARACTERS).map(Self)
    }
}

/// The execution id in a path.
///
/// # Errors
/// 422 for text that cannot be an execution id.
pub async fn execution_id<S: Send + Sync>(parts: &mut Parts, state: &S) -> Result<String, Problem> {
    let text = only_part(parts, state, "execution_id").await?;
    validate::text("execution_id", text, EXECUTION_ID_CHARACTERS)
}

/// The only part of a path that is not fixed; `field` is its name in problems.
///
/// # Errors
/// 422 for what is not UTF-8.
pub async fn only_part<S: Send + Sync>(parts: &mut Parts, state: &S, field: &str) -> Result<String, Problem> {
    let read: Result<axum::extract::Path<String>, PathRejection> =
        axum::extract::Path::from_request_parts(parts, state).await;
    Ok(read.map_err(|rejection| unreadable(field, &rejection))?.0)
}

fn unreadable(field: &str, rejection: &PathRejection) -> Problem {
    Problem::invalid(field, format!("The path cannot be read: {}", quoted(&rejection.body_text())))
        .remedy("Send percent-encoded UTF-8.")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_job_is_named_by_id_or_by_execution_id() {
        let id = Uuid::now_v7();
        assert_eq!(JobName::parse("id", &id.to_string()).unwrap(), JobName::Id(id));
        let name = JobName::parse("id", "execution:order/42 x").unwrap();
        assert_eq!(name, JobName::Execution("order/42 x".into()));
        for bad in ["", "not-an-id", "execution:", "execution:a\r\nb", "execution:\0", "12345"] {
            assert!(JobName::parse("id", bad).is_err(), "{bad}");
        }
    }
}
