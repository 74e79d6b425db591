//! A job that asks a person and waits, without a worker's slot, until somebody answers or a day is over.
//!
//! `DATABASE_URL=postgres://… cargo run --example approval`, then answer with
//! `tidemill jobs signal execution:invoice-42 approved true` or
//! `select signal((select job_id from task_ids where execution_id = 'invoice-42'), 'approved', 'true')`.
//! With `APPROVE=yes` it answers itself.

use std::time::Duration;

use serde::Deserialize;
use tidemill::{Context, Handler, JobError, NewJob, Options, Shutdown, Store, Worker, enqueue_in, migrate};

#[derive(Deserialize)]
struct Invoice {
    amount: f64,
}

struct PayInvoice;

impl Handler for PayInvoice {
    const KIND: &'static str = "pay-invoice";
    type Args = Invoice;
    type Output = String;

    async fn run(&self, context: Context, invoice: Invoice) -> Result<String, JobError> {
        // Checked once, however often the job runs.
        let amount: f64 = context.step("check", || async { Ok(invoice.amount.round()) }).await?;
        context.progress(50.0, "waiting for approval").await;
        let day = Duration::from_hours(24);
        match context.signal::<bool>("approved", Some(day)).await? {
            Some(true) => context.step("pay", || async move { Ok(format!("paid {amount}")) }).await,
            Some(false) => Err(JobError::permanent("it was not approved").class("refused")),
            None => Err(JobError::permanent("nobody answered within a day").class("unanswered")),
        }
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let options = Options::new(std::env::var("DATABASE_URL")?);
    migrate(&options).await?;
    let store = Store::connect(options)?;
    let shutdown = Shutdown::default();
    let worker =
        tokio::spawn(Worker::builder(store.clone()).handler(PayInvoice).build().run(shutdown.clone()));

    let args = serde_json::json!({ "amount": 99.5 }).as_object().cloned().unwrap_or_default();
    let job = NewJob { execution_id: Some("invoice-42".into()), ..NewJob::new("pay-invoice", args) };
    let id = enqueue_in(store.pool(), &store, &job).await?;
    println!("job {id} asks; answer it");
    if std::env::var("APPROVE").is_ok() {
        store.signal(id, "approved", Some(&true.into()), "the example").await?;
    }
    let job = loop {
        match store.find_job(id).await? {
            Some(job) if job.finished_at.is_some() => break job,
            _ => tokio::time::sleep(Duration::from_millis(200)).await,
        }
    };
    println!("{}: {}", job.status, job.result.unwrap_or_default());
    shutdown.graceful.cancel();
    worker.await??;
    Ok(())
}
