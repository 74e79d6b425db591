//! A row of yours and the job about it, committed or rolled back together.
//!
//! `DATABASE_URL=postgres://… cargo run --example same_transaction`

use serde_json::json;
use sqlx::PgPool;
use tidemill::{NewJob, Options, Store, enqueue_in, migrate};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let url = std::env::var("DATABASE_URL")?;
    let options = Options::new(&url);
    migrate(&options).await?;
    // It says where the tables are, and seals args where that is configured; its connections stay unused here.
    let store = Store::connect(options)?;
    let pool = PgPool::connect(&url).await?;
    sqlx::query("create table if not exists public.guests (name text not null)").execute(&pool).await?;

    let mut transaction = pool.begin().await?;
    sqlx::query("insert into public.guests (name) values ($1)")
        .bind("Ada")
        .execute(&mut *transaction)
        .await?;
    let args = json!({ "name": "Ada" }).as_object().cloned().unwrap_or_default();
    let job_id = enqueue_in(&mut *transaction, &store, &NewJob::new("greet", args)).await?;
    // Until here nobody can see either of them; a rollback would leave neither.
    transaction.commit().await?;
    println!("enqueued {job_id}");
    Ok(())
}
