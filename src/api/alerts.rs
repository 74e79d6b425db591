//! Routes of alerts and alert rules. Maintenance evaluates and delivers them; nothing here decides
//! whether a rule fires.

use std::time::Duration;

use axum::extract::State;
use axum::http::StatusCode;
use axum::{Extension, Json};
use serde::Deserialize;
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};

use super::jobs::duration_input::DurationInput;
use super::page_response::Page;
use super::server::auth::caller::Caller;
use super::server::json::Body;
use super::server::json::query::Params;
use super::server::path_params::RuleName;
use super::server::problem::{Case, Problem};
use super::server::validate;
use super::state::ApiState;
use crate::job::alert::{AlertRule, Condition};
use crate::store::alerts::{AlertDocument, AlertRuleDocument};

const LONGEST_WINDOW: Duration = Duration::from_hours(14 * 24);
const SHORTEST_WINDOW: Duration = Duration::from_mins(1);
const LONGEST_HOLD: Duration = Duration::from_hours(24);
const MOST_ITEMS: i32 = 1000;
const TEXT_CHARACTERS: usize = 2000;
const MOST_ADDRESSES: usize = 50;

/// The filter of alerts.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct AlertsQuery {
    /// Only unresolved alerts.
    open: Option<bool>,
    /// Only alerts of this rule.
    rule: Option<String>,
    /// The most items, 1 to 1,000; by default 100.
    #[param(minimum = 1, maximum = 1000)]
    limit: Option<i64>,
}

/// The condition of a rule, its threshold, and where its alerts are delivered.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"condition": "error_rate", "above": 0.1, "over": "1h", "email": ["ops@example.org"]}))]
pub(super) struct RuleRequest {
    /// The measured condition.
    condition: Condition,
    /// The threshold that the value must exceed: a share (`error_rate`), seconds, jobs or bytes;
    /// for `no_worker`, this number of workers or fewer. By default 0.
    #[serde(default)]
    above: f64,
    /// Only jobs of this kind; by default each kind separately.
    kind: Option<String>,
    /// Only this queue; by default all.
    queue: Option<String>,
    /// The fewest attempts in the window for a value to count; by default 1.
    #[schema(minimum = 1)]
    at_least: Option<i64>,
    /// The window of `error_rate` and `average_time`, a minute to 14 days; by default 15 minutes.
    #[schema(value_type = Option<DurationInput>)]
    over: Option<Value>,
    /// How long the value must be above the threshold before the rule fires, and back below it
    /// before the alert is resolved; by default a minute.
    #[schema(value_type = Option<DurationInput>)]
    hold: Option<Value>,
    /// The URL that is called with POST when the rule fires and when it is resolved.
    webhook: Option<String>,
    /// The email addresses that are written to at the same times.
    #[serde(default)]
    email: Vec<String>,
}

impl RuleRequest {
    fn checked(self) -> Result<AlertRule, Problem> {
        let usual = AlertRule::new(self.condition, self.above);
        let over = self.over.map(|over| validate::duration("/over", &over, LONGEST_WINDOW)).transpose()?;
        if over.is_some_and(|over| over < SHORTEST_WINDOW) {
            return Err(Problem::invalid("/over", "The window is shorter than a minute.")
                .remedy("Attempts are counted by the minute: use at least 1m."));
        }
        if self.email.len() > MOST_ADDRESSES {
            return Err(Problem::invalid("/email", "There are more than 50 addresses."));
        }
        let rule = AlertRule {
            kind: self.kind.map(|kind| validate::name("/kind", kind)).transpose()?,
            queue: self.queue.map(|queue| validate::name("/queue", queue)).transpose()?,
            at_least: validate::within("/at_least", self.at_least.unwrap_or(1), 1, 1_000_000_000)?,
            over: over.unwrap_or(usual.over),
            hold: self
                .hold
                .map_or(Ok(usual.hold), |hold| validate::duration("/hold", &hold, LONGEST_HOLD))?,
            webhook: self.webhook.map(|url| validate::text("/webhook", url, TEXT_CHARACTERS)).transpose()?,
            email: self.email,
            ..usual
        };
        match rule.misfit() {
            Some((field, why)) => Err(Problem::invalid(format!("/{field}"), format!("It {why}."))),
            None => Ok(rule),
        }
    }
}

/// List alerts
///
/// The alerts of all rules, newest first; kept for 90 days.
#[utoipa::path(get, path = "/api/v1/alerts", tag = "alerts", params(AlertsQuery),
    responses((status = 200, description = "The alerts", body = Page<AlertDocument>)))]
pub(super) async fn list(
    State(state): State<ApiState>,
    Params(query): Params<AlertsQuery>,
) -> Result<Json<Page<AlertDocument>>, Problem> {
    let limit = validate::within("limit", query.limit.unwrap_or(100), 1, MOST_ITEMS)?;
    let rule = query.rule.map(|rule| validate::name("rule", rule)).transpose()?;
    let open = query.open.unwrap_or(false);
    Ok(Page::whole(state.store.alerts(open, rule.as_deref(), i64::from(limit)).await?))
}

/// List alert rules
#[utoipa::path(get, path = "/api/v1/alert-rules", tag = "alerts", operation_id = "list_rules",
    responses((status = 200, description = "The rules, by name", body = Page<AlertRuleDocument>)))]
pub(super) async fn rules(
    State(state): State<ApiState>,
    Extension(caller): Extension<Caller>,
) -> Result<Json<Page<AlertRuleDocument>>, Problem> {
    Ok(Page::whole(state.store.alert_rules(None, caller.is_admin).await?))
}

/// Read an alert rule
#[utoipa::path(get, path = "/api/v1/alert-rules/{rule}", tag = "alerts", operation_id = "show_rule",
    responses(
        (status = 200, description = "The rule", body = AlertRuleDocument),
    ))]
pub(super) async fn show(
    State(state): State<ApiState>,
    Extension(caller): Extension<Caller>,
    RuleName(name): RuleName,
) -> Result<Json<AlertRuleDocument>, Problem> {
    let mut found = state.store.alert_rules(Some(&name), caller.is_admin).await?;
    found.pop().map(Json).ok_or_else(|| unknown(&name))
}

/// Set an alert rule
///
/// Replaces an earlier rule of the same name.
#[utoipa::path(put, path = "/api/v1/alert-rules/{rule}", tag = "alerts", operation_id = "set_rule", request_body = RuleRequest,
    responses((status = 200, description = "The rule", body = AlertRuleDocument)))]
pub(super) async fn set(
    State(state): State<ApiState>,
    caller: Extension<Caller>,
    RuleName(name): RuleName,
    Body(request): Body<RuleRequest>,
) -> Result<Json<AlertRuleDocument>, Problem> {
    state.store.set_alert(&name, &request.checked()?, None).await?;
    show(State(state), caller, RuleName(name)).await
}

/// Delete an alert rule
///
/// Its firing alerts are resolved, and that is delivered to the same addresses.
#[utoipa::path(delete, path = "/api/v1/alert-rules/{rule}", tag = "alerts", operation_id = "delete_rule",
    responses(
        (status = 204, description = "The rule is deleted"),
    ))]
pub(super) async fn drop_rule(
    State(state): State<ApiState>,
    RuleName(name): RuleName,
) -> Result<StatusCode, Problem> {
    if state.store.drop_alert(&name).await? { Ok(StatusCode::NO_CONTENT) } else { Err(unknown(&name)) }
}

/// Test an alert rule
///
/// Sends a notice to its addresses that says that it is a test. GET /alerts shows whether it was
/// delivered.
#[utoipa::path(post, path = "/api/v1/alert-rules/{rule}/test", tag = "alerts", operation_id = "test_rule",
    responses(
        (status = 204, description = "The notice is on its way"),
    ))]
pub(super) async fn test_rule(
    State(state): State<ApiState>,
    RuleName(name): RuleName,
) -> Result<StatusCode, Problem> {
    if state.store.test_alert(&name).await? { Ok(StatusCode::NO_CONTENT) } else { Err(unknown(&name)) }
}

fn unknown(name: &str) -> Problem {
    Problem::new(Case::NotFound, format!("There is no alert rule {name}."))
        .remedy("Check the name; GET /api/v1/alert-rules lists them all.")
}
