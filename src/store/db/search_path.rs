//! The search path of a caller's own connection: set while the store's statements run on it, and
//! restored afterwards.

use sqlx::PgConnection;

use crate::store::Result;

/// The present search path.
///
/// # Errors
/// When the database fails.
pub async fn search_path(connection: &mut PgConnection) -> Result<String> {
    Ok(sqlx::query_scalar!(r#"select current_setting('search_path') as "path!""#)
        .fetch_one(connection)
        .await?)
}

/// Sets the search path until the transaction ends.
///
/// # Errors
/// When the database fails.
pub async fn set_search_path(connection: &mut PgConnection, path: &str) -> Result<()> {
    sqlx::query_scalar!("select set_config('search_path', $1, true)", path).fetch_one(connection).await?;
    Ok(())
}
