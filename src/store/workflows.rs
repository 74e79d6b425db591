//! Workflows: stores and reads graphs of jobs. The SQL function `create_workflow` checks and stores
//! the graph; cancel and retry are those of any job.

use chrono::{DateTime, Utc};
use serde::Serialize;
use sqlx::{AssertSqlSafe, PgExecutor};
use utoipa::ToSchema;
use uuid::Uuid;

use super::db::connection::Connection;
use super::jobs::prepared::PreparedWorkflow;
use super::{Result, Store};
use crate::job::document::{micros, micros_or_null};
use crate::job::workflow::Workflow;

/// A workflow in a list.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct WorkflowSummary {
    /// The id of the workflow's own job.
    pub id: Uuid,
    /// Its name for people.
    pub name: String,
    /// waiting, completed, failed or cancelled.
    pub status: String,
    /// The number of its jobs.
    pub members: i32,
    /// The number of finished ones.
    pub done: i32,
    /// The time of its creation.
    #[serde(serialize_with = "micros")]
    pub created_at: DateTime<Utc>,
    /// The time when it finished.
    #[serde(serialize_with = "micros_or_null")]
    pub finished_at: Option<DateTime<Utc>>,
}

/// One job of a workflow.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct WorkflowMember {
    /// Its name in the workflow.
    pub name: String,
    /// The job.
    pub id: Uuid,
    /// `tidemill.workflow` for a job that is itself a workflow.
    pub kind: String,
    /// The displayed state.
    pub status: String,
    /// The progress, from 0 to 100.
    pub percent: Option<f32>,
    /// Message of its last error.
    pub error: Option<String>,
    /// The names of the jobs that it waits for.
    pub after: Vec<String>,
    /// Which outcomes of those jobs let it run.
    pub run_if: String,
}

impl Store {
    /// Stores a workflow; returns the id of its own job.
    ///
    /// # Errors
    /// When the database fails or refuses the graph; then no part of it is stored.
    pub async fn create_workflow(&self, workflow: &Workflow) -> Result<Uuid> {
        create_workflow(self.pool(), &self.prepare_workflow(workflow)?).await
    }

    /// Workflows that are not parts of others, newest first, with ids below `before`.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn workflows(&self, before: Option<Uuid>, limit: i64) -> Result<Vec<WorkflowSummary>> {
        self.summaries(None, before, limit).await
    }

    /// One workflow, which may be a part of another; `None` if there is none with this id.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn workflow(&self, id: Uuid) -> Result<Option<WorkflowSummary>> {
        Ok(self.summaries(Some(id), None, 1).await?.pop())
    }

    /// The workflow of an id, or all that are not parts of others.
    async fn summaries(
        &self,
        id: Option<Uuid>,
        before: Option<Uuid>,
        limit: i64,
    ) -> Result<Vec<WorkflowSummary>> {
        Ok(sqlx::query_as!(
            WorkflowSummary,
            r#"
            select
              w.id,
              w.name,
              j.state::text as "status!",
              w.members,
              w.done,
              w.created_at,
              j.finished_at
            from workflows w
            join jobs j on j.id = w.id
            where ($1::uuid is not null or j.workflow_id is null)
              and ($1::uuid is null or w.id = $1)
              and ($2::uuid is null or w.id < $2)
            order by w.id desc
            limit $3
            "#,
            id,
            before,
            limit,
        )
        .fetch_all(self.pool())
        .await?)
    }

    /// The jobs of a workflow, in order; at most 10,000.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn workflow_members(&self, id: Uuid) -> Result<Vec<WorkflowMember>> {
        Ok(sqlx::query_as!(
            WorkflowMember,
            r#"
            select
              coalesce(d.name, d.parent_id::text) as "name!",
              j.id as "id!",
              j.kind as "kind!",
              j.status as "status!",
              j.percent,
              left(j.error ->> 'message', 500) as error,
              coalesce(e.after, '{}') as "after!",
              coalesce(e.run_if, 'all_completed') as "run_if!"
            from dependencies d
            join job_documents j on j.id = d.parent_id
            left join lateral (
              select array_agg(coalesce(p.name, p.parent_id::text) order by p.ord) as after, min(p.run_if) as run_if
              from dependencies p
              where p.job_id = d.parent_id
                and not p.member
            ) e on true
            where d.job_id = $1
              and d.member
            order by d.ord
            limit 10000
            "#,
            id,
        )
        .fetch_all(self.pool())
        .await?)
    }
}

/// Stores a workflow on a connection of the caller's, also in its transaction.
///
/// # Errors
/// As [`Store::create_workflow`].
pub async fn create_workflow(executor: impl PgExecutor<'_>, workflow: &PreparedWorkflow) -> Result<Uuid> {
    Ok(sqlx::query_scalar!(r#"select create_workflow($1) as "id!""#, workflow.spec())
        .fetch_one(executor)
        .await?)
}

/// As [`create_workflow`], in a transaction, but waits for other open transactions no longer than two
/// seconds.
///
/// # Errors
/// As [`Store::create_workflow`].
pub async fn create_workflow_soon(
    mut connection: Connection<'_>,
    workflow: &PreparedWorkflow,
) -> Result<Uuid> {
    sqlx::query!("set local lock_timeout = '2s'").execute(connection.reborrow()).await?;
    create_workflow(connection, workflow).await
}

/// Enqueues a workflow through any executor, also `&mut *transaction`: it commits or rolls back with it.
/// `store` says where Tidemill's tables are, and encrypts the args if encryption is configured. Returns the
/// id of the workflow's own job.
///
/// # Errors
/// As [`Store::create_workflow`].
///
/// # Examples
///
/// ```no_run
/// # async fn example(pool: sqlx::PgPool, store: tidemill::Store) -> Result<(), Box<dyn std::error::Error>> {
/// use tidemill::{NewJob, Workflow, create_workflow_in};
///
/// let steps = ["charge", "pack", "ship"].map(|kind| NewJob::new(kind, Default::default()));
/// let mut transaction = pool.begin().await?;
/// let order = Workflow::chain("order 42", steps).passing("before");
/// let id = create_workflow_in(&mut *transaction, &store, &order).await?;
/// transaction.commit().await?;
/// # Ok(()) }
/// ```
pub async fn create_workflow_in(
    executor: impl PgExecutor<'_>,
    store: &Store,
    workflow: &Workflow,
) -> Result<Uuid> {
    let workflow = store.prepare_workflow(workflow)?;
    let schema = store.options().schema.replace('"', "\"\"");
    let statement = AssertSqlSafe(format!("select \"{schema}\".create_workflow($1)"));
    Ok(sqlx::query_scalar(statement).bind(workflow.spec()).fetch_one(executor).await?)
}
