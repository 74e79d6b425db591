//! A program of somebody else: Tidemill with an extension for postcards. It has two kinds, a route, a
//! setting and a limit, and all of Tidemill's command line: `cargo run -p tidemill-example-extension -- dev`.

use std::path::Path;
use std::process::ExitCode;

use axum::extract::State;
use axum::{Extension as Given, Json};
use clap::Parser;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use tidemill::extension::http::Body;
use tidemill::extension::{Declared, ExtensionError, ProcessParts};
use tidemill::{
    ApiState, Context, Extension, Handler, JobError, KindSettings, LimitSettings, NewJob, OnFull, Problem,
    Routes, Scope, WorkerBuilder,
};
use tidemill_bin::Extensions;
use tidemill_bin::cli::{Cli, run};
use tidemill_settings::configured::Configured;
use tidemill_settings::place::Place;
use tidemill_settings::section;
use tidemill_settings::section::Reader;

/// One writer at a time for each address.
const LIMIT: &str = "postcards.address";

section! {
    /// Postcards.
    PostcardsSection {
        /// The line below every card.
        signature: String = "With love";
    }
}

/// The extension.
#[derive(Debug, Clone)]
struct Postcards(PostcardsSection);

/// The args of both kinds.
#[derive(Debug, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
struct Card {
    /// Who gets it.
    to: String,
    /// What it says.
    text: String,
}

/// Signs a card.
struct Write(String);

/// Delivers a card that is signed.
struct Deliver;

impl Handler for Write {
    const KIND: &'static str = "postcards.write";
    type Args = Card;
    type Output = Card;

    async fn run(&self, context: Context, card: Card) -> Result<Card, JobError> {
        context.progress(50.0, "signing").await;
        Ok(Card { text: format!("{}\n{}", card.text, self.0), ..card })
    }
}

impl Handler for Deliver {
    const KIND: &'static str = "postcards.deliver";
    type Args = Card;
    type Output = String;

    async fn run(&self, _: Context, card: Card) -> Result<String, JobError> {
        Ok(format!("delivered to {}", card.to))
    }
}

/// Send a postcard
#[utoipa::path(post, path = "/postcards", tag = "postcards", request_body = Card, responses((status = 200, description = "The job and its signature")))]
async fn send(
    State(state): State<ApiState>,
    Given(postcards): Given<Postcards>,
    Body(card): Body<Card>,
) -> Result<Json<Value>, Problem> {
    let args = Map::from_iter([("to".to_owned(), json!(card.to)), ("text".to_owned(), json!(card.text))]);
    let job =
        NewJob { concurrency_keys: vec![format!("{LIMIT}:{}", card.to)], ..NewJob::new(Write::KIND, args) };
    let id = tidemill::enqueue_in(state.store.pool(), &state.store, &job).await?;
    Ok(Json(json!({ "job": id, "signature": postcards.0.signature })))
}

impl Configured for Postcards {
    const PLACES: &'static [Place] = &[Place::of::<PostcardsSection>("postcards")];

    fn read(reader: &mut Reader<'_>, _: &Path) -> Self {
        Self(reader.section("postcards"))
    }
}

impl Extension for Postcards {
    fn name(&self) -> &'static str {
        "postcards"
    }

    fn kind_names(&self) -> &'static [&'static str] {
        &[Write::KIND, Deliver::KIND]
    }

    fn kinds(&self, worker: WorkerBuilder, _: &ProcessParts) -> Result<WorkerBuilder, ExtensionError> {
        let twice = KindSettings { max_attempts: 2, ..KindSettings::default() };
        Ok(worker.handler(Write(self.0.signature.clone())).handler_with(Deliver, twice))
    }

    fn routes(&self) -> Routes {
        Routes::none()
            .tag("postcards", "Cards that are signed and delivered.")
            .route(&[Scope::Enqueue], utoipa_axum::routes!(send))
            .with(self.clone())
    }

    fn declares(&self) -> Declared {
        let one = LimitSettings { max_running: Some(1), rate: None, on_full: Some(OnFull::Queue) };
        Declared { limits: vec![(LIMIT.to_owned(), one)], ..Declared::default() }
    }
}

#[tokio::main]
async fn main() -> ExitCode {
    match run(Cli::parse(), Extensions::none().with::<Postcards>()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::from(error.exit_code())
        }
    }
}
