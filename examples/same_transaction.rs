//! A row of yours and the job about it, committed or rolled back together.
//!
//! `DATABASE_URL=postgres://… cargo run --example same_transaction`

use serde_json::json;
use sqlx::PgPool;
use tidemill::store::migrate::migrate;
use tidemill::{NewJob, Options, enqueue_in};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let url = std::env::var("DATABASE_URL")?;
    migrate(&Options::new(&url)).await?;
    let pool = PgPool::connect(&url).await?;
    sqlx::query("create table if not exists public.guests (name text not null)").execute(&pool).await?;

    let mut transaction = pool.begin().await?;
    sqlx::query("insert into public.guests (name) values ($1)")
        .bind("Ada")
        .execute(&mut *transaction)
        .await?;
    let args = json!({ "name": "Ada" }).as_object().cloned().unwrap_or_default();
    let job_id = enqueue_in(&mut *transaction, "tidemill", &NewJob::new("greet", args)).await?;
    // Until here nobody can see either of them; a rollback would leave neither.
    transaction.commit().await?;
    println!("enqueued {job_id}");
    Ok(())
}
