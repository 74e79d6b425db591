//! Lets refinery run migrations over sqlx, with the TLS settings of all other connections; refinery's own
//! drivers would add a second Postgres driver. Must never be used outside `migrate`.

use refinery_core::Migration;
use refinery_core::traits::r#async::{AsyncMigrate, AsyncQuery, AsyncTransaction};
use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection, Row};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// How often a migration may be the victim of a deadlock with running processes, which lock tables in
/// another order.
const DEADLOCKS: usize = 20;

/// A connection for refinery.
pub(crate) struct Driver<'a>(pub(crate) &'a mut PgConnection);

impl AsyncTransaction for Driver<'_> {
    type Error = sqlx::Error;

    async fn execute<'a, T: Iterator<Item = &'a str> + Send + 'a>(
        &'a mut self,
        queries: T,
    ) -> Result<usize, Self::Error> {
        let queries: Vec<&str> = queries.collect();
        for _ in 1..DEADLOCKS {
            match self.all_or_none(&queries).await {
                Err(sqlx::Error::Database(error)) if error.code().as_deref() == Some("40P01") => {
                    tracing::info!("a migration and a running process deadlocked; trying again");
                }
                other => return other,
            }
        }
        self.all_or_none(&queries).await
    }
}

impl Driver<'_> {
    async fn all_or_none(&mut self, queries: &[&str]) -> Result<usize, sqlx::Error> {
        let mut transaction = self.0.begin().await?;
        for query in queries {
            transaction.execute(sqlx::raw_sql(AssertSqlSafe((*query).to_owned()))).await?;
        }
        transaction.commit().await?;
        Ok(queries.len())
    }
}

impl AsyncQuery<Vec<Migration>> for Driver<'_> {
    async fn query<'a>(&'a mut self, query: &'a str) -> Result<Vec<Migration>, Self::Error> {
        let rows = self.0.fetch_all(sqlx::raw_sql(AssertSqlSafe(query.to_owned()))).await?;
        rows.iter()
            .map(|row| {
                let decode = |error: Box<dyn std::error::Error + Send + Sync>| sqlx::Error::Decode(error);
                let applied_on: String = row.try_get(2)?;
                let applied_on =
                    OffsetDateTime::parse(&applied_on, &Rfc3339).map_err(|error| decode(error.into()))?;
                let checksum: String = row.try_get(3)?;
                let checksum =
                    checksum.parse().map_err(|error: std::num::ParseIntError| decode(error.into()))?;
                Ok(Migration::applied(row.try_get(0)?, row.try_get(1)?, applied_on, checksum))
            })
            .collect()
    }
}

impl AsyncMigrate for Driver<'_> {}
