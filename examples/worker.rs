//! A Rust handler with progress, run by a worker in this process.
//!
//! `DATABASE_URL=postgres://… cargo run --example worker`; stop it with Ctrl-C. Enqueue from psql:
//! `select tidemill.enqueue('greet', '{"name": "Ada"}');`

use std::time::Duration;

use serde::{Deserialize, Serialize};
use tidemill::{Context, Handler, JobError, Options, Shutdown, Store, Worker, migrate};

struct Greet;

#[derive(Deserialize)]
struct Guest {
    name: String,
}

#[derive(Serialize)]
struct Greeting {
    text: String,
}

impl Handler for Greet {
    const KIND: &'static str = "greet";
    type Args = Guest;
    type Output = Greeting;

    async fn run(&self, context: Context, guest: Guest) -> Result<Greeting, JobError> {
        if guest.name.is_empty() {
            return Err(JobError::permanent("nobody to greet"));
        }
        for percent in [25.0, 50.0, 75.0] {
            context.progress(percent, "clearing the throat").await;
            tokio::select! {
                () = tokio::time::sleep(Duration::from_millis(200)) => {}
                reason = context.stopped() => return Err(JobError::retry(format!("interrupted: {reason}"))),
            }
        }
        context.log("the guest is here").await;
        Ok(Greeting { text: format!("Hello, {}!", guest.name) })
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let options = Options::new(std::env::var("DATABASE_URL")?);
    migrate(&options).await?;
    let store = Store::connect(options)?;

    let shutdown = Shutdown::default();
    let stop = shutdown.graceful.clone();
    tokio::spawn(async move {
        let _ = tokio::signal::ctrl_c().await;
        stop.cancel();
    });
    Worker::builder(store).handler(Greet).queue("default", 4).build().run(shutdown).await?;
    Ok(())
}
