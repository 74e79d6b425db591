//! Report: writes progress, log lines and other events of running attempts, a whole batch in one
//! statement. Only the holder of a job's lease is accepted; the answer names lost leases.

use std::collections::HashMap;

use serde_json::Value;
use sqlx::PgExecutor;
use uuid::Uuid;

use crate::job::event::EventDraft;
use crate::store::{Result, Store};

/// One event of a running attempt.
#[derive(Debug, Clone)]
pub struct Reported {
    pub job_id: Uuid,
    pub lease_id: Uuid,
    pub draft: EventDraft,
}

impl Store {
    /// Writes events in the given order; returns the last event number of every job whose lease is held. A
    /// job that is missing from the answer has another lease or none. A report whose answer was lost may be
    /// repeated under its `report_id`: it is stored once.
    ///
    /// # Errors
    /// When the database fails; then either none is written, or all are and the answer was lost.
    pub async fn report(&self, report_id: Uuid, batch: &[Reported]) -> Result<HashMap<Uuid, i64>> {
        write(self.writes(), Some(report_id), batch).await
    }
}

/// Writes events on a connection of the caller's, also in its transaction.
///
/// # Errors
/// As [`Store::report`].
pub async fn report_in(executor: impl PgExecutor<'_>, batch: &[Reported]) -> Result<HashMap<Uuid, i64>> {
    write(executor, None, batch).await
}

async fn write(
    executor: impl PgExecutor<'_>,
    report_id: Option<Uuid>,
    batch: &[Reported],
) -> Result<HashMap<Uuid, i64>> {
    let jobs: Vec<Uuid> = batch.iter().map(|item| item.job_id).collect();
    let leases: Vec<Uuid> = batch.iter().map(|item| item.lease_id).collect();
    let types: Vec<String> = batch.iter().map(|item| item.draft.kind.clone()).collect();
    let data: Vec<Value> = batch.iter().map(|item| item.draft.data.clone()).collect();
    let rows = sqlx::query!(
        r#"
        with input as materialized (
          select *
          from unnest($1::uuid[], $2::uuid[], $3::text[], $4::jsonb[])
            with ordinality as i (job_id, lease_id, type, data, ord)
        ),
        -- The lock holds off whoever would end the attempt until these events are committed.
        held as materialized (
          select j.id, j.lease_id, j.attempt
          from jobs_live j
          where j.id = any($1)
            and j.state = 'running'
          order by j.id
          for no key update
        ),
        heard as materialized (
          select
            array_agg(i.job_id order by i.ord) as jobs,
            array_agg(h.attempt order by i.ord) as attempts,
            array_agg(i.type order by i.ord) as types,
            array_agg(i.data order by i.ord) as data
          from input i
          join held h on h.id = i.job_id and h.lease_id = i.lease_id
        )
        select a.job_id as "job_id!", a.last_seq as "last_seq!"
        from heard
        cross join lateral append_events(heard.jobs, heard.attempts, heard.types, heard.data, $5) a
        "#,
        &jobs,
        &leases,
        &types,
        &data,
        report_id,
    )
    .fetch_all(executor)
    .await?;
    Ok(rows.into_iter().map(|row| (row.job_id, row.last_seq)).collect())
}
