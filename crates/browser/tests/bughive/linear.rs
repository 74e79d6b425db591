//! A server that speaks as Linear does: takes issues by `issueCreate`, each id once, shows them by `issue`, lets in one key,
//! and says its limits.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex};

use axum::extract::State;
use axum::http::{HeaderMap, HeaderName, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use axum::{Json, Router};
use serde_json::{Value, json};
use tidemill_browser::bughive::ticket::TicketSpec;
use tokio::net::TcpListener;

pub(crate) const KEY: &str = "lin_api_test";
pub(crate) const TEAM: &str = "9cfb482a-81e3-4154-b5b9-2c805e70a02d";

/// What a request is answered with instead.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mood {
    /// Wait a second.
    Limited,
    /// It is done, but nobody hears of it.
    LosesTheAnswer,
    Broken,
    /// As ever.
    Good,
    /// It finds nothing yet of what was made just now.
    Behind,
    /// This key may not do that.
    Closed,
}

#[derive(Clone, Default)]
pub(crate) struct Linear {
    url: String,
    moods: Arc<Mutex<VecDeque<Mood>>>,
    issues: Arc<Mutex<BTreeMap<String, Value>>>,
    asked: Arc<Mutex<usize>>,
}

impl Linear {
    pub(crate) async fn start(moods: impl IntoIterator<Item = Mood>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/graphql", listener.local_addr().unwrap());
        let linear =
            Self { url, moods: Arc::new(Mutex::new(moods.into_iter().collect())), ..Self::default() };
        let router = Router::new().route("/graphql", post(answer)).with_state(linear.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        linear
    }

    pub(crate) fn spec(&self, key: &str) -> TicketSpec {
        TicketSpec {
            url: self.url.clone(),
            api_key: Some(key.into()),
            team_id: Some(TEAM.into()),
            proxy: tidemill::outbound::ProxySettings::default(),
        }
    }

    pub(crate) fn issues(&self) -> Vec<Value> {
        self.issues.lock().unwrap().values().cloned().collect()
    }

    pub(crate) fn asked(&self) -> usize {
        *self.asked.lock().unwrap()
    }
}

async fn answer(State(linear): State<Linear>, headers: HeaderMap, Json(body): Json<Value>) -> Response {
    *linear.asked.lock().unwrap() += 1;
    if headers.get("authorization").is_none_or(|key| key != KEY) {
        return refused(
            StatusCode::UNAUTHORIZED,
            "AUTHENTICATION_ERROR",
            "It doesn't look like you are authenticated",
        );
    }
    let mood = linear.moods.lock().unwrap().pop_front();
    match mood {
        Some(Mood::Limited) => {
            let headers = [(HeaderName::from_static("retry-after"), "1")];
            return (headers, refused(StatusCode::BAD_REQUEST, "RATELIMITED", "Rate limit exceeded"))
                .into_response();
        }
        Some(Mood::Broken) => return (StatusCode::BAD_GATEWAY, "<html>bad gateway</html>").into_response(),
        Some(Mood::Closed) => return refused(StatusCode::FORBIDDEN, "FORBIDDEN", "Invalid scope"),
        _ => {}
    }
    let answer = if body["query"].as_str().unwrap().starts_with("mutation") {
        create(&linear, &body["variables"]["input"])
    } else if mood == Some(Mood::Behind) {
        find(&linear, &Value::Null)
    } else {
        find(&linear, &body["variables"]["id"])
    };
    if mood == Some(Mood::LosesTheAnswer) {
        return StatusCode::GATEWAY_TIMEOUT.into_response();
    }
    answer
}

fn create(linear: &Linear, input: &Value) -> Response {
    let invalid = |why: &str| refused(StatusCode::BAD_REQUEST, "INVALID_INPUT", why);
    if input["teamId"] != TEAM {
        return invalid("Argument Validation Error: teamId must be a UUID");
    }
    let id = input["id"].as_str().unwrap_or_default().to_owned();
    if uuid::Uuid::parse_str(&id).is_ok_and(|id| id.get_version_num() != 4) {
        return invalid("id must be a UUID of version 4");
    }
    let mut issues = linear.issues.lock().unwrap();
    if issues.contains_key(&id) {
        return invalid("Entity with this id exists already");
    }
    let identifier = format!("BUG-{}", issues.len() + 1);
    let mut issue = input.clone();
    issue["url"] = format!("https://linear.app/test/issue/{identifier}").into();
    issue["identifier"] = identifier.into();
    issues.insert(id, issue.clone());
    Json(json!({ "data": { "issueCreate": { "success": true, "issue": issue } } })).into_response()
}

fn find(linear: &Linear, id: &Value) -> Response {
    let issues = linear.issues.lock().unwrap();
    match issues.get(id.as_str().unwrap_or_default()) {
        Some(issue) => Json(json!({ "data": { "issue": issue } })).into_response(),
        None => refused(StatusCode::OK, "INPUT_ERROR", "Entity not found: Issue"),
    }
}

fn refused(status: StatusCode, code: &str, message: &str) -> Response {
    let error = json!({ "message": message, "extensions": { "code": code, "userError": true } });
    (status, Json(json!({ "errors": [error] }))).into_response()
}
