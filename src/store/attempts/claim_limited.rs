//! Claims under limits: claims from a queue that has limits, or in which jobs of groups wait.
//! Counts and claims in one transaction; no limit depends on anything else.

use chrono::{DateTime, Utc};

use super::claim::{ClaimRequest, Claimed, Terms, claim_in};
use crate::store::db::connection::Connection;
use crate::store::{Result, Store};

/// The jobs of groups that a claim under limits may take, so that jobs without a group are not starved.
#[derive(Debug, Clone, Copy)]
pub struct Share {
    /// No groups of a later priority: jobs of this priority without a group are due.
    pub worst_priority: i16,
    /// The most jobs of that priority.
    pub capacity_at_worst: i64,
}

impl Share {
    /// As many as there are free slots.
    pub const WHOLE: Self = Self { worst_priority: 9, capacity_at_worst: i64::MAX };
}

/// The result of a claim under limits.
#[derive(Debug, Default)]
pub struct Admitted {
    /// The jobs.
    pub jobs: Vec<Claimed>,
    /// The number of jobs without a group that were requested and possible.
    pub plain_asked: usize,
    /// The time after which a rate allows the next start.
    pub again_in_seconds: Option<f64>,
}

impl Store {
    /// Claims as [`Store::claim`] does, under the limits of the queue and of the jobs' keys.
    ///
    /// # Errors
    /// As [`Store::claim`].
    pub async fn claim_counted(&self, request: &ClaimRequest<'_>, share: Share) -> Result<Admitted> {
        let mut transaction = self.claiming().await?;
        let admitted = claim_counted_in(transaction.connection(), request, share).await?;
        transaction.commit().await?;
        Ok(admitted)
    }
}

/// Claims in a transaction of the caller's: counted jobs are claimed before it ends, or not at all.
///
/// # Errors
/// As [`Store::claim`].
pub async fn claim_counted_in(
    mut connection: Connection<'_>,
    request: &ClaimRequest<'_>,
    share: Share,
) -> Result<Admitted> {
    let priorities: Vec<i16> = (1..=9).collect();
    let run_ats: Vec<DateTime<Utc>> = request.cursor.iter().map(|position| position.run_at).collect();
    let ids: Vec<uuid::Uuid> = request.cursor.iter().map(|position| position.id).collect();
    let capacity = i32::try_from(request.limit).unwrap_or(i32::MAX);
    let admission = sqlx::query!(
        r#"
        select
          picked as "picked!",
          plain_room as "plain_room!",
          again_in_seconds
        from claim_limited($1, $2, $3, $4, $5, $6, $7, $8)
        "#,
        request.queue,
        request.kinds,
        capacity,
        share.worst_priority,
        i32::try_from(share.capacity_at_worst).unwrap_or(i32::MAX),
        &priorities,
        &run_ats,
        &ids,
    )
    .fetch_one(connection.reborrow())
    .await?;
    let mut admitted = Admitted { again_in_seconds: admission.again_in_seconds, ..Admitted::default() };
    if !admission.picked.is_empty() || admission.plain_room > 0 {
        let request = ClaimRequest {
            limit: i64::from(admission.plain_room),
            picked: &admission.picked,
            cursor: request.cursor,
            terms: Terms { short: &[], ..request.terms },
            ..*request
        };
        admitted.jobs = claim_in(connection, &request).await?;
        admitted.plain_asked = usize::try_from(admission.plain_room).unwrap_or(0);
    }
    Ok(admitted)
}

/// As [`claim_counted_in`], but rolled back if it claims nothing, so that its locks are released at once:
/// for transactions that claim from several queues until one has jobs.
///
/// # Errors
/// As [`Store::claim`].
pub async fn claim_counted_apart(
    mut connection: Connection<'_>,
    request: &ClaimRequest<'_>,
    share: Share,
) -> Result<Admitted> {
    let mut savepoint = connection.savepoint().await?;
    let admitted = claim_counted_in(savepoint.connection(), request, share).await?;
    if admitted.jobs.is_empty() {
        savepoint.rollback().await?;
    } else {
        savepoint.commit().await?;
    }
    Ok(admitted)
}
