//! The HTTP of the conformance server: checks the key and the body of each request, lets it go wrong as the scenario
//! says, and gives the model's answer. Listens on loopback only; must know no rule about leases.

use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::State as Shared;
use axum::http::header::{AUTHORIZATION, CONTENT_TYPE, RETRY_AFTER};
use axum::http::{HeaderMap, Method, StatusCode, Uri};
use axum::response::Response;
use futures_util::stream;
use serde_json::{Map, Value, json};

use super::model::{Model, Reply};
use super::request::{Route, refused};
use super::scenario::{Broken, Fault, Scenario};

/// How often a waiting claim looks for a job, and the longest that it waits.
const LOOK: Duration = Duration::from_millis(20);
const LONGEST_WAIT: f64 = 45.0;
/// A drained worker's claim is answered after so long.
const DRAINED: Duration = Duration::from_secs(1);

/// One scenario's server.
#[derive(Debug)]
pub(super) struct Server {
    model: Mutex<Model>,
    /// Each fault, how many of its requests still go well and how many go wrong.
    faults: Mutex<Vec<(Fault, usize, usize)>>,
    key: String,
}

impl Server {
    pub(super) fn new(scenario: &Scenario, key: &str) -> Arc<Self> {
        let faults = scenario.faults.iter().map(|fault| (fault.clone(), fault.skip, fault.times)).collect();
        let model = Mutex::new(Model::new(scenario));
        Arc::new(Self { model, faults: Mutex::new(faults), key: key.to_owned() })
    }

    pub(super) fn model(&self) -> MutexGuard<'_, Model> {
        self.model.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Everything that it answers.
    pub(super) fn router(self: &Arc<Self>) -> Router {
        Router::new().fallback(answer).with_state(Arc::clone(self))
    }

    /// How the next request of this sort goes wrong.
    fn fault(&self, sort: &str) -> Option<Broken> {
        let mut faults = self.faults.lock().unwrap_or_else(PoisonError::into_inner);
        for (fault, skip, times) in faults.iter_mut().filter(|(fault, ..)| fault.at == sort) {
            if *skip > 0 {
                *skip -= 1;
            } else if *times > 0 {
                *times -= 1;
                return Some(fault.answer);
            }
        }
        None
    }

    /// What is wrong with a request before anything is done.
    fn wrong(&self, route: &Route, headers: &HeaderMap, body: &Map<String, Value>) -> Option<Reply> {
        let expected = format!("Bearer {}", self.key);
        let given = headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok());
        if given != Some(expected.as_str()) {
            let came = if given.is_none() { "a request without it" } else { "another key" };
            self.model().note("`Authorization: Bearer` and the key of TIDEMILL_KEY in every request", came);
            return Some(problem(401, "unauthorized"));
        }
        let Route::Verb(verb, _) = route else { return None };
        let reason = refused(verb, body)?;
        self.model().note("bodies that the server takes", reason);
        Some(problem(422, "invalid-request"))
    }

    async fn claim(&self, body: &Map<String, Value>) -> Value {
        {
            let mut model = self.model();
            model.claims.push(Instant::now());
            if model.terminated_at.is_some_and(|at| at.elapsed() > super::model::ON_ITS_WAY) {
                model.note("no claim after SIGTERM", "one more");
            }
        }
        let wait = body.get("wait_seconds").and_then(Value::as_f64).unwrap_or(0.0).clamp(0.0, LONGEST_WAIT);
        let deadline = Instant::now() + Duration::from_secs_f64(wait);
        loop {
            let jobs = self.model().claim(body);
            let is_drained = self.model().drained_at.is_some();
            if is_drained {
                tokio::time::sleep(DRAINED.min(Duration::from_secs_f64(wait))).await;
            }
            if !jobs.is_empty() || is_drained || Instant::now() >= deadline {
                return json!({ "jobs": jobs, "drain": is_drained });
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    /// Does what a request says.
    async fn done(&self, route: &Route, body: &Map<String, Value>) -> Reply {
        match route {
            Route::Verb(verb, None) if verb == "claim" => (200, self.claim(body).await),
            Route::Verb(verb, None) if verb == "heartbeat" => (200, self.model().heartbeat(body)),
            Route::Verb(_, None) => {
                let results = ends(body).map(|(verb, job, body)| {
                    let (status, answer) = self.model().apply(verb, &job, &body);
                    let word = if status == 200 { "state" } else { "problem" };
                    json!({ "job_id": job, word: if status == 200 { answer["state"].clone() } else { answer } })
                });
                (200, json!({ "results": results.collect::<Vec<_>>() }))
            }
            Route::Verb(verb, Some(job)) => self.model().apply(verb, job, body),
            Route::Kind(name) => (200, json!({ "name": name, "source": "remote" })),
            Route::List(id, list) => {
                let model = self.model();
                let Some(job) = model.job(id) else { return problem(404, "job-not-found") };
                (200, json!({ "items": model.list(job, list), "next_cursor": null }))
            }
            Route::Other => problem(404, "not-found"),
        }
    }
}

/// The outcomes of a `settle`, each as its own verb would say it.
fn ends(body: &Map<String, Value>) -> impl Iterator<Item = (&'static str, String, Map<String, Value>)> {
    let ends = body.get("ends").and_then(Value::as_array).cloned().unwrap_or_default();
    ends.into_iter().filter_map(|end| {
        let Value::Object(mut end) = end else { return None };
        let job = end.remove("job_id")?.as_str()?.to_owned();
        let verb = match &end {
            failed if failed.contains_key("error") => "fail",
            snoozed if snoozed.contains_key("delay") => "snooze",
            _ => "complete",
        };
        Some((verb, job, end))
    })
}

/// What is said of attempts: one verb, or the outcomes of a `settle`.
fn said(route: &Route, body: &Map<String, Value>) -> Vec<(String, String, Map<String, Value>)> {
    match route {
        Route::Verb(verb, Some(job)) => vec![(verb.clone(), job.clone(), body.clone())],
        Route::Verb(verb, None) if verb == "settle" => {
            ends(body).map(|(verb, job, body)| (verb.to_owned(), job, body)).collect()
        }
        _ => Vec::new(),
    }
}

async fn answer(
    Shared(server): Shared<Arc<Server>>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let route = Route::of(&method, uri.path());
    let body: Map<String, Value> = serde_json::from_slice(&body).unwrap_or_default();
    server.model().came_at.get_or_insert_with(Instant::now);
    if let Some(reply) = server.wrong(&route, &headers, &body) {
        return whole(reply);
    }
    let attempts = said(&route, &body);
    {
        let mut model = server.model();
        if route.sort() == "claim" {
            let kinds = body["kinds"].as_array().into_iter().flatten().filter_map(Value::as_str);
            model.kinds.extend(kinds.map(str::to_owned));
        }
        if route.sort() == "heartbeat" {
            model.beat_came(&body);
        }
        for (verb, job, body) in &attempts {
            model.came(verb, job, body);
        }
        model.check_held_off(route.sort());
    }
    let fault = server.fault(route.sort());
    if let Some(Broken::Late(seconds)) = fault {
        tokio::time::sleep(Duration::from_secs_f64(seconds)).await;
    }
    let reply = match fault {
        Some(Broken::Busy(seconds)) => {
            server.model().hold_off(route.sort(), seconds);
            problem(429, "too-many-requests")
        }
        Some(Broken::Unavailable | Broken::CutBefore) => problem(503, "unavailable"),
        _ => once(&server, &route, &uri, &headers, &body).await,
    };
    let is_cut = matches!(fault, Some(Broken::CutBefore | Broken::CutAfter));
    let mut model = server.model();
    for (verb, job, body) in &attempts {
        model.answered(verb, job, body);
        if !is_cut && reply.0 < 500 {
            model.answer_was_sent(job, body);
        }
    }
    if is_cut && route.sort() == "claim" && !headers.contains_key("idempotency-key") {
        model.hand_back(&reply.1);
    }
    drop(model);
    let mut response = if is_cut { cut() } else { whole(reply) };
    if let Some(Broken::Busy(seconds)) = fault {
        response.headers_mut().insert(RETRY_AFTER, seconds.into());
    }
    response
}

/// The answer of a request; with an Idempotency-Key that was answered before, the first one again.
async fn once(
    server: &Server,
    route: &Route,
    uri: &Uri,
    headers: &HeaderMap,
    body: &Map<String, Value>,
) -> Reply {
    let takes_key = matches!(route.sort(), "claim" | "log" | "progress" | "extend");
    let key = headers.get("idempotency-key").filter(|_| takes_key).and_then(|key| key.to_str().ok());
    let Some(key) = key else { return server.done(route, body).await };
    let (key, request) = (key.to_owned(), json!([uri.path(), body]));
    let known = server.model().keyed.get(&key).cloned();
    match known {
        Some((before, mut reply)) if before == request => {
            server.model().still_held(&mut reply.1);
            reply
        }
        Some(_) => {
            let came = "a key that another request had";
            server.model().note("a new Idempotency-Key for each request that is not a repetition", came);
            problem(409, "idempotency-key-reused")
        }
        None => {
            let reply = server.done(route, body).await;
            if reply.0 == 200 && reply.1["jobs"] != json!([]) {
                server.model().keyed.insert(key, (request, reply.clone()));
            }
            reply
        }
    }
}

fn problem(status: u16, slug: &str) -> Reply {
    let kind = format!("https://tidemill.dev/problems/{slug}");
    (
        status,
        json!({ "type": kind, "title": slug, "status": status, "detail": slug, "remedy": "See docs/protocol.md." }),
    )
}

fn whole((status, body): Reply) -> Response {
    let kind = if status < 400 { "application/json" } else { "application/problem+json" };
    let mut response = Response::new(Body::from(body.to_string()));
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    response.headers_mut().insert(CONTENT_TYPE, kind.parse().expect("it is a header's value"));
    if status == 503 {
        response.headers_mut().insert(RETRY_AFTER, 1.into());
    }
    response
}

/// An answer whose connection breaks before its body.
fn cut() -> Response {
    let broken = stream::once(async { Err::<Bytes, _>(io::Error::other("the scenario cuts this answer")) });
    Response::new(Body::from_stream(broken))
}
