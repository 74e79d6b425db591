//! The scopes of every route, in one table. A route that is missing here refuses every caller, so
//! that no route can be opened by an omission. Routes of extensions bring their rules with them.

use std::borrow::Cow;
use std::sync::Arc;

use axum::http::Method;

use super::api_key::Scope;
use super::token::TokenScope;

/// The access rule of one route.
#[derive(Debug, Clone)]
pub struct Rule {
    /// The method; HEAD counts as GET.
    pub method: &'static str,
    /// The path as the router has it.
    pub path: Cow<'static, str>,
    /// The accepted scopes (`admin` always is); none at all means every caller.
    pub scopes: &'static [Scope],
    /// What a token may do here.
    pub token: TokenRule,
    /// Whether a ticket opens it: it streams.
    pub tickets: bool,
}

/// What a route lets a token do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TokenRule {
    /// Nothing: it needs a key.
    Refused,
    /// With this scope, if the token reaches the job of `{id}`; to any other token the job does not exist.
    OfJob(TokenScope),
    /// With this scope; the handler looks only at what the token reaches.
    Within(TokenScope),
}

const EVERYBODY: &[Scope] = &[];
const READ: &[Scope] = &[Scope::Read];
/// A caller that enqueues may follow the job.
const FOLLOW: &[Scope] = &[Scope::Read, Scope::Enqueue];
/// Every key; a worker reads what was done earlier.
const ANY_KEY: &[Scope] = &[Scope::Read, Scope::Enqueue, Scope::Work];
const ENQUEUE: &[Scope] = &[Scope::Enqueue];
const WORK: &[Scope] = &[Scope::Work];
const ADMIN: &[Scope] = &[Scope::Admin];

const fn rule(method: &'static str, path: &'static str, scopes: &'static [Scope]) -> Rule {
    Rule { method, path: Cow::Borrowed(path), scopes, token: TokenRule::Refused, tickets: false }
}

/// A route of one job that tokens with this scope may use too.
const fn of_job(
    method: &'static str,
    path: &'static str,
    scopes: &'static [Scope],
    scope: TokenScope,
) -> Rule {
    Rule { method, path: Cow::Borrowed(path), scopes, token: TokenRule::OfJob(scope), tickets: false }
}

/// A route whose handler keeps to what a token reaches.
const fn within(
    method: &'static str,
    path: &'static str,
    scopes: &'static [Scope],
    scope: TokenScope,
) -> Rule {
    Rule { method, path: Cow::Borrowed(path), scopes, token: TokenRule::Within(scope), tickets: false }
}

/// A route that streams what a token with the scope `read` reaches; a ticket opens it too.
const fn stream(path: &'static str, scopes: &'static [Scope], token: TokenRule) -> Rule {
    Rule { method: "GET", path: Cow::Borrowed(path), scopes, token, tickets: true }
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
    rule("GET", "/alerts", EVERYBODY),
    rule("GET", "/audit", EVERYBODY),
    rule("GET", "/doctor", EVERYBODY),
    rule("GET", "/failures", EVERYBODY),
    rule("GET", "/keys", EVERYBODY),
    rule("GET", "/kinds", EVERYBODY),
    rule("GET", "/limits", EVERYBODY),
    rule("GET", "/operations", EVERYBODY),
    rule("GET", "/operations/{id}", EVERYBODY),
    rule("GET", "/overview", EVERYBODY),
    rule("GET", "/queues", EVERYBODY),
    rule("GET", "/queues/{queue}", EVERYBODY),
    rule("GET", "/schedules", EVERYBODY),
    rule("GET", "/schedules/{schedule}", EVERYBODY),
    rule("GET", "/settings", EVERYBODY),
    rule("GET", "/workers", EVERYBODY),
    rule("GET", "/workflows", EVERYBODY),
    rule("GET", "/workflows/{id}", EVERYBODY),
    rule("GET", "/page/{*file}", EVERYBODY),
    rule("GET", "/docs", EVERYBODY),
    rule("GET", "/docs/{file}", EVERYBODY),
    rule("GET", "/api/v1/openapi.json", EVERYBODY),
    within("POST", "/api/v1/jobs", ENQUEUE, TokenScope::Enqueue),
    rule("POST", "/api/v1/jobs/batch", ENQUEUE),
    within("POST", "/api/v1/jobs/get", FOLLOW, TokenScope::Read),
    within("GET", "/api/v1/jobs", READ, TokenScope::Read),
    rule("POST", "/api/v1/jobs/retry", ADMIN),
    rule("POST", "/api/v1/jobs/cancel", ADMIN),
    rule("POST", "/api/v1/jobs/run-now", ADMIN),
    rule("POST", "/api/v1/jobs/delete", ADMIN),
    rule("GET", "/api/v1/operations", READ),
    rule("POST", "/api/v1/operations", ADMIN),
    rule("POST", "/api/v1/operations/preview", READ),
    rule("GET", "/api/v1/operations/{id}", READ),
    rule("POST", "/api/v1/operations/{id}/cancel", ADMIN),
    rule("POST", "/api/v1/operations/{id}/undo", ADMIN),
    within("GET", "/api/v1/me/activity", READ, TokenScope::Read),
    rule("POST", "/api/v1/tokens", FOLLOW),
    within("POST", "/api/v1/tokens/ticket", FOLLOW, TokenScope::Read),
    within("POST", "/api/v1/tokens/cookie", FOLLOW, TokenScope::Read),
    within("DELETE", "/api/v1/tokens/cookie", FOLLOW, TokenScope::Read),
    within("GET", "/api/v1/tokens/csrf", FOLLOW, TokenScope::Read),
    rule("GET", "/api/v1/me", ANY_KEY),
    rule("POST", "/api/v1/session", ANY_KEY),
    rule("DELETE", "/api/v1/session", ANY_KEY),
    rule("GET", "/api/v1/keys", ADMIN),
    rule("POST", "/api/v1/keys", ADMIN),
    rule("DELETE", "/api/v1/keys/{id}", ADMIN),
    rule("GET", "/api/v1/settings", ADMIN),
    rule("GET", "/api/v1/failures", READ),
    of_job("GET", "/api/v1/jobs/{id}", FOLLOW, TokenScope::Read),
    stream("/api/v1/jobs/{id}/events", FOLLOW, TokenRule::OfJob(TokenScope::Read)),
    stream("/api/v1/jobs/{id}/events/stream", FOLLOW, TokenRule::OfJob(TokenScope::Read)),
    of_job("GET", "/api/v1/jobs/{id}/result", FOLLOW, TokenScope::Read),
    of_job("GET", "/api/v1/jobs/{id}/attempts", FOLLOW, TokenScope::Read),
    of_job("GET", "/api/v1/jobs/{id}/artifacts", FOLLOW, TokenScope::Read),
    of_job("GET", "/api/v1/jobs/{id}/artifacts/{name}", FOLLOW, TokenScope::Read),
    rule("GET", "/api/v1/jobs/{id}/explain", FOLLOW),
    rule("GET", "/api/v1/doctor", READ),
    rule("GET", "/api/v1/health/report", READ),
    rule("GET", "/api/v1/audit", ADMIN),
    rule("GET", "/api/v1/alerts", READ),
    rule("GET", "/api/v1/alert-rules", READ),
    rule("GET", "/api/v1/alert-rules/{rule}", READ),
    rule("PUT", "/api/v1/alert-rules/{rule}", ADMIN),
    rule("DELETE", "/api/v1/alert-rules/{rule}", ADMIN),
    rule("POST", "/api/v1/alert-rules/{rule}/test", ADMIN),
    rule("GET", "/api/v1/stats", READ),
    rule("GET", "/api/v1/stats/kinds", READ),
    rule("GET", "/api/v1/stats/trends", READ),
    rule("GET", "/api/v1/stats/summary", READ),
    rule("GET", "/api/v1/stats/export", READ),
    of_job("GET", "/api/v1/jobs/{id}/steps", ANY_KEY, TokenScope::Read),
    of_job("GET", "/api/v1/jobs/{id}/signals", ANY_KEY, TokenScope::Read),
    of_job("POST", "/api/v1/jobs/{id}/signals/{name}", ENQUEUE, TokenScope::Signal),
    rule("POST", "/api/v1/jobs/{id}/fork", ENQUEUE),
    of_job("POST", "/api/v1/jobs/{id}/cancel", ENQUEUE, TokenScope::Cancel),
    of_job("POST", "/api/v1/jobs/{id}/retry", ENQUEUE, TokenScope::Retry),
    rule("POST", "/api/v1/jobs/{id}/run-now", ENQUEUE),
    rule("POST", "/api/v1/jobs/{id}/snooze", ENQUEUE),
    rule("PATCH", "/api/v1/jobs/{id}", ENQUEUE),
    rule("DELETE", "/api/v1/jobs/{id}", ADMIN),
    rule("POST", "/api/v1/workflows", ENQUEUE),
    rule("GET", "/api/v1/workflows", READ),
    of_job("GET", "/api/v1/workflows/{id}", FOLLOW, TokenScope::Read),
    of_job("POST", "/api/v1/workflows/{id}/cancel", ENQUEUE, TokenScope::Cancel),
    of_job("POST", "/api/v1/workflows/{id}/retry", ENQUEUE, TokenScope::Retry),
    stream("/api/v1/events", READ, TokenRule::Within(TokenScope::Read)),
    rule("GET", "/api/v1/kinds", READ),
    rule("PUT", "/api/v1/kinds/{kind}", WORK),
    rule("POST", "/api/v1/kinds/{kind}/reset-breaker", ADMIN),
    rule("GET", "/api/v1/queues", READ),
    rule("GET", "/api/v1/queues/{queue}", READ),
    rule("GET", "/api/v1/queues/{queue}/keys", READ),
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

    /// The rule of a route.
    #[must_use]
    pub fn rule(&self, method: &Method, path: &str) -> Option<&Rule> {
        let name = if method == Method::HEAD { "GET" } else { method.as_str() };
        self.rules().find(|rule| rule.method == name && rule.path == path)
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
