//! Starts a crawl and its session with one request, in the format of a quality agent's own API. The
//! job's args describe the crawl; the worker checks what only it can check.

use axum::extract::State;
use axum::http::StatusCode;
use axum::{Extension, Json};
use chrono::Utc;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use tidemill::extension::http::{Body, Case, quoted, refusal, validate};
use tidemill::extension::jobs::InsertOutcome;
use tidemill::{ApiState, NewJob, Problem, Routes, Scope};
use utoipa::ToSchema;
use utoipa_axum::routes;
use uuid::Uuid;

use super::address::address;
use super::rules::CRAWL;
use super::session_id::{ID_CHARACTERS, is_id};
use super::sessions;
use super::sessions::{SessionRules, crawl_of, is_expired};

const QUEUE: &str = "crawl";
const MOST_PAGES: i32 = 5_000;
const DEEPEST: i32 = 100;
const MOST_TICKETS: i32 = 1_000;
const LONGEST_SECONDS: f64 = 600.0;

/// The routes of crawls.
pub(super) fn routes(rules: SessionRules) -> Routes {
    Routes::none()
        .tag("sessions", "The sessions of crawls.")
        .route(&[Scope::Enqueue], routes!(start))
        .route(&[Scope::Read, Scope::Enqueue], routes!(sessions::show))
        .with(rules)
}

/// The crawl to start.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"base_url": "https://example.com", "max_pages": 10, "max_depth": 3}))]
pub(super) struct CrawlRequest {
    /// The first page: http or https.
    base_url: String,
    /// The most pages; by default 10.
    #[schema(minimum = 1, maximum = 5000)]
    max_pages: Option<i64>,
    /// The most links from the first page to another; by default 3.
    #[schema(minimum = 0, maximum = 100)]
    max_depth: Option<i64>,
    /// Your own name for the session; by default a new id.
    #[schema(min_length = 1, max_length = 100)]
    session_id: Option<String>,
    /// False to follow links to other sites.
    same_site: Option<bool>,
    /// Whether subdomains of the site's host belong to the site.
    include_subdomains: Option<bool>,
    /// Whether links to other sites are called once to check that they work.
    check_external: Option<bool>,
    /// Seconds between two pages; never less than the worker's setting and the delay in robots.txt.
    #[schema(minimum = 0, maximum = 600)]
    delay_seconds: Option<f64>,
    /// Seconds after which a page counts as slow; by default 3.
    #[schema(minimum = 0, maximum = 600)]
    slow_page_seconds: Option<f64>,
    /// Whether each screenshot goes to the media storage by a job of its own.
    upload: Option<bool>,
    /// Whether each cause becomes a ticket by a job of its own.
    create_tickets: Option<bool>,
    /// The team of the tickets.
    #[schema(min_length = 1, max_length = 100)]
    team_id: Option<String>,
    /// The most tickets; by default 50.
    #[schema(minimum = 0, maximum = 1000)]
    max_tickets: Option<i64>,
}

/// A queued crawl.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct CrawlStarted {
    /// The session: GET `/api/v1/sessions/{session_id}`.
    session_id: String,
    /// The job: GET `/api/v1/jobs/{task_id}`.
    task_id: Uuid,
}

/// Start a crawl
///
/// The job is stored when the answer arrives; the session is the job, by the name `session_id`.
#[utoipa::path(
    post, path = "/api/crawl/start", tag = "sessions", request_body = CrawlRequest,
    responses(
        (status = 202, description = "The crawl is queued", body = CrawlStarted),
        (status = 409, description = "The queue is draining"),
    )
)]
async fn start(
    State(state): State<ApiState>,
    Extension(rules): Extension<SessionRules>,
    Body(request): Body<CrawlRequest>,
) -> Result<(StatusCode, Json<CrawlStarted>), Problem> {
    let session_id = match request.session_id.clone() {
        Some(name) if is_id(&name) => name,
        Some(name) => {
            let problem =
                Problem::invalid("/session_id", format!("{} is not a session name.", quoted(&name)));
            return Err(problem.remedy("Use 1 to 100 characters without slashes, or leave it out."));
        }
        None => Uuid::new_v4().to_string(),
    };
    let args = request.into_args(&session_id)?;
    let job = NewJob {
        // Also before a worker has said so.
        queue: (rules.kind == CRAWL).then(|| QUEUE.to_owned()),
        execution_id: Some(session_id.clone()),
        metadata: Some(Map::from_iter([("session_id".to_owned(), session_id.clone().into())])),
        ..NewJob::new(&*rules.kind, args)
    };
    state.args.check(&job, false)?;
    if state.settings.strict_kinds && !state.store.kinds().await?.iter().any(|kind| kind.name == rules.kind) {
        let detail = format!("No worker has served the kind {} yet, and strict_kinds is on.", rules.kind);
        return Err(Problem::new(Case::Unavailable, detail)
            .remedy("Start a worker that serves it; for crawl.session with bughive.enabled = true."));
    }
    let task_id = enqueue(&state, &session_id, job, &rules).await?;
    Ok((StatusCode::ACCEPTED, Json(CrawlStarted { session_id, task_id })))
}

/// Stores the job; the name of a session that has expired is free again.
async fn enqueue(
    state: &ApiState,
    session_id: &str,
    job: NewJob,
    rules: &SessionRules,
) -> Result<Uuid, Problem> {
    if let Some(old) =
        crawl_of(&state.store, session_id, rules).await?.filter(|old| is_expired(old, rules, Utc::now()))
    {
        state.store.delete_job(old.id).await?;
    }
    let bytes = validate::json_bytes(&job.args);
    let job = state.store.prepare(job).await?;
    let enqueued = state.enqueuer.enqueue(job.clone(), bytes).await?;
    match enqueued.outcome {
        InsertOutcome::Created => Ok(enqueued.id),
        InsertOutcome::ExecutionIdTaken => {
            let detail = format!("The session {} belongs to another job.", quoted(session_id));
            Err(Problem::invalid("/session_id", detail).remedy("Use another session_id, or leave it out."))
        }
        _ => Err(refusal(&job, &enqueued, None)),
    }
}

impl CrawlRequest {
    /// The job's args, without what is left to its defaults.
    fn into_args(self, session_id: &str) -> Result<Map<String, Value>, Problem> {
        if address(&self.base_url).is_none() {
            let detail =
                "The first page's address is not http:// or https://, is too long, or contains a user name.";
            return Err(Problem::invalid("/base_url", detail).remedy(
                "Send an address such as \"https://example.com\", without a user name and a password.",
            ));
        }
        let within = |field, number: Option<i64>, least, most| {
            number.map(|number| validate::within(field, number, least, most)).transpose()
        };
        let seconds = |field: &str, seconds: Option<f64>| match seconds {
            Some(seconds) if !(0.0..=LONGEST_SECONDS).contains(&seconds) => {
                Err(Problem::invalid(field, format!("{seconds} is out of bounds."))
                    .remedy(format!("Use 0 to {LONGEST_SECONDS} seconds.")))
            }
            other => Ok(other),
        };
        let args = json!({
            "session_id": session_id,
            "base_url": self.base_url,
            "max_pages": within("/max_pages", self.max_pages, 1, MOST_PAGES)?,
            "max_depth": within("/max_depth", self.max_depth, 0, DEEPEST)?,
            "same_site": self.same_site,
            "include_subdomains": self.include_subdomains,
            "check_external": self.check_external,
            "delay_seconds": seconds("/delay_seconds", self.delay_seconds)?,
            "slow_page_seconds": seconds("/slow_page_seconds", self.slow_page_seconds)?,
            "upload": self.upload,
            "create_tickets": self.create_tickets,
            "team_id": self.team_id.map(|team| validate::text("/team_id", team, ID_CHARACTERS)).transpose()?,
            "max_tickets": within("/max_tickets", self.max_tickets, 0, MOST_TICKETS)?,
        });
        let Value::Object(args) = args else { unreachable!("the args are an object") };
        Ok(args.into_iter().filter(|(_, value)| !value.is_null()).collect())
    }
}
