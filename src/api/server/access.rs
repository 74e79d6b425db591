//! The scopes of every route, in one table. A route that is missing here refuses every caller, so
//! that no route can be opened by an omission. Routes of extensions bring their rules with them.

use std::borrow::Cow;
use std::sync::Arc;

use axum::http::Method;

use super::api_key::Scope;

/// The access rule of one route.
#[derive(Debug, Clone)]
pub struct Rule {
    /// The method; HEAD counts as GET.
    pub method: &'static str,
    /// The path as the router has it.
    pub path: Cow<'static, str>,
    /// The accepted scopes (`admin` always is); none at all means every caller.
    pub scopes: &'static [Scope],
}

const EVERYBODY: &[Scope] = &[];
const READ: &[Scope] = &[Scope::Read];
/// A caller that enqueues may follow the job.
const FOLLOW: &[Scope] = &[Scope::Read, Scope::Enqueue];
/// A worker reads what was done earlier.
const STEPS: &[Scope] = &[Scope::Read, Scope::Enqueue, Scope::Work];
const ENQUEUE: &[Scope] = &[Scope::Enqueue];
const WORK: &[Scope] = &[Scope::Work];
const ADMIN: &[Scope] = &[Scope::Admin];

const fn rule(method: &'static str, path: &'static str, scopes: &'static [Scope]) -> Rule {
    Rule { method, path: Cow::Borrowed(path), scopes }
}

/// True for routes that monitor the process: while the database is away, a key that was valid shortly before
/// is still accepted there.
#[must_use]
pub fn outlasts_the_database(path: &str) -> bool {
    path == "/metrics"
}

/// Every route of the server itself.
pub static RULES: &[Rule] = &[
    rule("GET", "/healthz", EVERYBODY),
    rule("GET", "/readyz", EVERYBODY),
    rule("GET", "/metrics", READ),
    rule("GET", "/", EVERYBODY),
    rule("GET", "/enqueue", EVERYBODY),
    rule("GET", "/jobs", EVERYBODY),
    rule("GET", "/jobs/{id}", EVERYBODY),
    rule("GET", "/page/{*file}", EVERYBODY),
    rule("GET", "/docs", EVERYBODY),
    rule("GET", "/docs/{file}", EVERYBODY),
    rule("GET", "/api/v1/openapi.json", EVERYBODY),
    rule("POST", "/api/v1/jobs", ENQUEUE),
    rule("POST", "/api/v1/jobs/batch", ENQUEUE),
    rule("GET", "/api/v1/jobs", READ),
    rule("POST", "/api/v1/jobs/retry", ADMIN),
    rule("POST", "/api/v1/jobs/cancel", ADMIN),
    rule("POST", "/api/v1/jobs/run-now", ADMIN),
    rule("POST", "/api/v1/jobs/delete", ADMIN),
    rule("GET", "/api/v1/failures", READ),
    rule("GET", "/api/v1/jobs/{id}", FOLLOW),
    rule("GET", "/api/v1/jobs/{id}/events", FOLLOW),
    rule("GET", "/api/v1/jobs/{id}/events/stream", FOLLOW),
    rule("GET", "/api/v1/jobs/{id}/result", FOLLOW),
    rule("GET", "/api/v1/jobs/{id}/attempts", FOLLOW),
    rule("GET", "/api/v1/jobs/{id}/artifacts", FOLLOW),
    rule("GET", "/api/v1/jobs/{id}/artifacts/{name}", FOLLOW),
    rule("GET", "/api/v1/jobs/{id}/explain", FOLLOW),
    rule("GET", "/api/v1/doctor", READ),
    rule("GET", "/api/v1/audit", ADMIN),
    rule("GET", "/api/v1/alerts", READ),
    rule("GET", "/api/v1/alert-rules", READ),
    rule("GET", "/api/v1/alert-rules/{rule}", READ),
    rule("PUT", "/api/v1/alert-rules/{rule}", ADMIN),
    rule("DELETE", "/api/v1/alert-rules/{rule}", ADMIN),
    rule("GET", "/api/v1/stats", READ),
    rule("GET", "/api/v1/stats/kinds", READ),
    rule("GET", "/api/v1/stats/trends", READ),
    rule("GET", "/api/v1/stats/summary", READ),
    rule("GET", "/api/v1/stats/export", READ),
    rule("GET", "/api/v1/jobs/{id}/steps", STEPS),
    rule("GET", "/api/v1/jobs/{id}/signals", STEPS),
    rule("POST", "/api/v1/jobs/{id}/signals/{name}", ENQUEUE),
    rule("POST", "/api/v1/jobs/{id}/fork", ENQUEUE),
    rule("POST", "/api/v1/jobs/{id}/cancel", ENQUEUE),
    rule("POST", "/api/v1/jobs/{id}/retry", ENQUEUE),
    rule("POST", "/api/v1/jobs/{id}/run-now", ENQUEUE),
    rule("POST", "/api/v1/jobs/{id}/snooze", ENQUEUE),
    rule("PATCH", "/api/v1/jobs/{id}", ENQUEUE),
    rule("DELETE", "/api/v1/jobs/{id}", ADMIN),
    rule("POST", "/api/v1/workflows", ENQUEUE),
    rule("GET", "/api/v1/workflows", READ),
    rule("GET", "/api/v1/workflows/{id}", FOLLOW),
    rule("POST", "/api/v1/workflows/{id}/cancel", ENQUEUE),
    rule("POST", "/api/v1/workflows/{id}/retry", ENQUEUE),
    rule("GET", "/api/v1/events", READ),
    rule("GET", "/api/v1/kinds", READ),
    rule("PUT", "/api/v1/kinds/{kind}", WORK),
    rule("POST", "/api/v1/kinds/{kind}/reset-breaker", ADMIN),
    rule("GET", "/api/v1/queues", READ),
    rule("GET", "/api/v1/queues/{queue}", READ),
    rule("PATCH", "/api/v1/queues/{queue}", ADMIN),
    rule("POST", "/api/v1/queues/{queue}/pause", ADMIN),
    rule("POST", "/api/v1/queues/{queue}/resume", ADMIN),
    rule("POST", "/api/v1/queues/{queue}/drain", ADMIN),
    rule("POST", "/api/v1/queues/{queue}/purge", ADMIN),
    rule("GET", "/api/v1/limits", READ),
    rule("GET", "/api/v1/limits/{limit}", READ),
    rule("PUT", "/api/v1/limits/{limit}", ADMIN),
    rule("DELETE", "/api/v1/limits/{limit}", ADMIN),
    rule("GET", "/api/v1/schedules", READ),
    rule("POST", "/api/v1/schedules/preview", READ),
    rule("GET", "/api/v1/schedules/{schedule}", READ),
    rule("PUT", "/api/v1/schedules/{schedule}", ADMIN),
    rule("PATCH", "/api/v1/schedules/{schedule}", ADMIN),
    rule("DELETE", "/api/v1/schedules/{schedule}", ADMIN),
    rule("POST", "/api/v1/schedules/{schedule}/pause", ADMIN),
    rule("POST", "/api/v1/schedules/{schedule}/resume", ADMIN),
    rule("POST", "/api/v1/schedules/{schedule}/run", ENQUEUE),
    rule("GET", "/api/v1/workers", READ),
    rule("POST", "/api/v1/workers/{worker}/drain", ADMIN),
    rule("POST", "/api/v1/worker/claim", WORK),
    rule("POST", "/api/v1/worker/heartbeat", WORK),
    rule("POST", "/api/v1/worker/settle", WORK),
    rule("POST", "/api/v1/worker/jobs/{id}/progress", WORK),
    rule("POST", "/api/v1/worker/jobs/{id}/log", WORK),
    rule("POST", "/api/v1/worker/jobs/{id}/extend", WORK),
    rule("POST", "/api/v1/worker/jobs/{id}/complete", WORK),
    rule("POST", "/api/v1/worker/jobs/{id}/fail", WORK),
    rule("POST", "/api/v1/worker/jobs/{id}/snooze", WORK),
    rule("POST", "/api/v1/worker/jobs/{id}/step", WORK),
    rule("POST", "/api/v1/worker/jobs/{id}/children", WORK),
    rule("POST", "/api/v1/worker/jobs/{id}/wait", WORK),
    rule("PUT", "/api/v1/worker/jobs/{id}/artifacts/{name}", WORK),
];

/// The rule of the table for a request.
#[derive(Debug, PartialEq, Eq)]
pub enum Verdict {
    /// One of these scopes is needed; none at all means every caller.
    Needs(&'static [Scope]),
    /// The path supports only these methods.
    OtherMethods(Vec<&'static str>),
    /// The table does not have the path.
    Unlisted,
}

/// The rules of all routes: those of the server, and those of extensions.
#[derive(Debug, Clone, Default)]
pub struct Access(Arc<[Rule]>);

impl Access {
    /// The rules of the server and these of extensions.
    #[must_use]
    pub fn with(of_extensions: &[Rule]) -> Self {
        Self(of_extensions.into())
    }

    /// All rules.
    pub fn rules(&self) -> impl Iterator<Item = &Rule> {
        RULES.iter().chain(self.0.iter())
    }

    /// Finds the rule of the route that a request matched.
    #[must_use]
    pub fn verdict(&self, method: &Method, path: &str) -> Verdict {
        let name = if method == Method::HEAD { "GET" } else { method.as_str() };
        let of_path = || self.rules().filter(|rule| rule.path == path);
        if let Some(rule) = of_path().find(|rule| rule.method == name) {
            return Verdict::Needs(rule.scopes);
        }
        let methods: Vec<_> = of_path().map(|rule| rule.method).collect();
        if methods.is_empty() { Verdict::Unlisted } else { Verdict::OtherMethods(methods) }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn every_route_stands_once_and_only_looking_is_open() {
        let routes: HashSet<_> = RULES.iter().map(|rule| (rule.method, &rule.path)).collect();
        assert_eq!(routes.len(), RULES.len());
        assert!(RULES.iter().all(|rule| rule.method == "GET" || !rule.scopes.is_empty()));
    }

    #[test]
    fn a_forgotten_route_is_shut() {
        let verdict = |method: &Method, path: &str| Access::default().verdict(method, path);
        assert_eq!(verdict(&Method::GET, "/api/v1/secret"), Verdict::Unlisted);
        assert_eq!(verdict(&Method::HEAD, "/healthz"), Verdict::Needs(&[]));
        assert_eq!(verdict(&Method::PUT, "/api/v1/jobs"), Verdict::OtherMethods(vec!["POST", "GET"]));
        assert_eq!(verdict(&Method::POST, "/api/v1/jobs"), Verdict::Needs(&[Scope::Enqueue]));
    }
}
