//! The middleware before every route: finds who calls, and lets through what the route's rule allows. Must
//! never reveal whether a job exists that the caller does not reach.

use std::sync::Arc;

use axum::RequestExt;
use axum::extract::{MatchedPath, RawPathParams, Request, State};
use axum::http::HeaderValue;
use axum::http::header::ALLOW;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::access::{TokenRule, Verdict, outlasts_the_database};
use super::caller::Caller;
use super::credentials::{Offered, refuse_key_in_query, take_ticket};
use super::gate::Gate;
use crate::api::server::client::client_of;
use crate::api::server::path_params::JobName;
use crate::api::server::problem::{Case, Problem, wrong_method};
use crate::job::trace::{TRACEPARENT, TraceParent};
use crate::store::audit_actor::acting_as;
use crate::store::trace_scope::traced;

/// Judges by the route that the request matched.
pub async fn enter(State(gate): State<Arc<Gate>>, mut request: Request, next: Next) -> Response {
    if let Err(problem) = refuse_key_in_query(request.uri().query().unwrap_or_default()) {
        return problem.into_response();
    }
    // Without a route only static files and 404 answer, which are for everybody.
    let Some(path) = request.extensions().get::<MatchedPath>().cloned() else {
        return next.run(request).await;
    };
    match gate.access.verdict(request.method(), path.as_str()) {
        // Every caller.
        Verdict::Needs([]) => return next.run(request).await,
        Verdict::Needs(_) => {}
        Verdict::OtherMethods(methods) => return not_allowed(&request, &methods),
        Verdict::Unlisted => {
            let cause = format!("the route {} has no rule in access.rs", path.as_str());
            return Problem::internal(&cause).into_response();
        }
    }
    match authenticate(&gate, path.as_str(), &mut request).await {
        Ok(caller) => {
            let name = caller.name.clone();
            request.extensions_mut().insert(caller);
            if request.method().is_safe() {
                return next.run(request).await;
            }
            let header = request.headers().get(TRACEPARENT).and_then(|value| value.to_str().ok());
            let parent = header.and_then(TraceParent::parse);
            traced(parent, acting_as(name, next.run(request))).await
        }
        Err(problem) => problem.into_response(),
    }
}

/// Who calls, if that is allowed.
async fn authenticate(gate: &Gate, path: &str, request: &mut Request) -> Result<Caller, Problem> {
    let no_rule = || Problem::internal(&format!("the route {path} has no rule in access.rs"));
    let rule = gate.access.rule(request.method(), path).ok_or_else(no_rule)?;
    let ticket = take_ticket(request);
    let offered = Offered::of(request.headers(), ticket, gate.cookie.as_ref(), Some(&gate.session))?;
    let client = client_of(request, &gate.proxies);
    let lasting = outlasts_the_database(path);
    if matches!(&offered, Offered::Ticket(_)) && !rule.tickets {
        return Err(Problem::new(Case::Forbidden, "A ticket opens nothing but event streams."));
    }
    let caller = gate.admit(&offered, rule.scopes, lasting, (rule.token, client)).await?;
    // Callers of a server without keys show none.
    if let (Offered::Cookie(token), Some(cookie), Some(_)) = (&offered, &gate.cookie, &caller.token) {
        cookie.check(request.method(), request.headers(), token)?;
    }
    if let (Offered::Session(text), Some(_)) = (&offered, &caller.session) {
        gate.session.check(request.method(), request.headers(), text)?;
    }
    check_reach(gate, &caller, rule.token, request).await?;
    Ok(caller)
}

fn not_allowed(request: &Request, methods: &[&str]) -> Response {
    let mut response = wrong_method(request.method(), request.uri()).into_response();
    if let Ok(allow) = HeaderValue::from_str(&methods.join(", ")) {
        response.headers_mut().insert(ALLOW, allow);
    }
    response
}

/// Refuses a job that the caller's token does not reach as if it did not exist.
async fn check_reach(
    gate: &Gate,
    caller: &Caller,
    rule: TokenRule,
    request: &mut Request,
) -> Result<(), Problem> {
    let (TokenRule::OfJob(_), Some(_)) = (rule, &caller.token) else { return Ok(()) };
    let parts = request.extract_parts::<RawPathParams>().await.ok();
    let part = |wanted: &str| {
        let mut parts = parts.iter().flat_map(RawPathParams::iter);
        parts.find(|(name, _)| *name == wanted).map(|(_, value)| value.to_owned())
    };
    let name = match part("execution_id") {
        Some(execution_id) => JobName::Execution(execution_id),
        None => JobName::parse("id", &part("id").unwrap_or_default())?,
    };
    if gate.reaches(caller, &name).await? { Ok(()) } else { Err(name.unknown()) }
}
