//! Waits until containers are healthy, and explains why one of them will not be.

use std::pin::pin;
use std::time::Duration;

use bollard::models::{ContainerState, ContainerStateStatusEnum, HealthStatusEnum};
use bollard::query_parameters::{InspectContainerOptions, LogsOptionsBuilder};
use futures_util::StreamExt;
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::compose::Condition;
use crate::engine_error::failed;
use crate::work::Work;
use tidemill::JobError;

const POLL_EVERY: Duration = Duration::from_millis(200);
/// The number of last lines shown of a failed container.
const LAST_LINES: &str = "10";

/// Waits until all of these services are healthy, in parallel; returns the state of each.
pub(crate) async fn until_all(work: &Work<'_>, all: &[(String, String)]) -> Result<Value, JobError> {
    let mut waits = Vec::with_capacity(all.len());
    for (called, id) in all {
        waits.push(until(work, called, id, Condition::Started));
    }
    let hows = futures_util::future::try_join_all(waits).await?;
    let services = all.iter().map(|(called, _)| called.clone()).zip(hows);
    Ok(Value::Object(services.collect()))
}

/// Waits until the container of `service` fulfils the condition; returns its state.
pub(crate) async fn until(
    work: &Work<'_>,
    service: &str,
    id: &str,
    condition: Condition,
) -> Result<Value, JobError> {
    let doing = format!("looking at {service}");
    let began = Instant::now();
    // The time since which the same process has been running.
    let mut run = (None, began);
    // The number of restarts by the engine before this.
    let mut restarts_before = None;
    let mut reported = 0;
    loop {
        let seen = work.engine.inspect_container(id, None::<InspectContainerOptions>).await;
        let seen = seen.map_err(|error| failed(&doing, &error))?;
        let restarts_now = seen.restart_count.unwrap_or_default();
        let restarts = restarts_now - *restarts_before.get_or_insert(restarts_now);
        let state = seen.state.unwrap_or_default();
        if run.0 != state.started_at {
            run = (state.started_at.clone(), Instant::now());
        }
        if restarts > reported {
            reported = restarts;
            let code = state.exit_code.unwrap_or_default();
            let what =
                format!("{service} ended with exit code {code} and was restarted, {restarts} times so far");
            work.context.log(&what).await;
        }
        let in_time = began.elapsed() < work.settings.health_timeout;
        let (what, class) = match verdict_of(&state, condition, run.1.elapsed(), work.settings.settle) {
            Verdict::Good => return Ok(document(id, &state)),
            Verdict::NotYet if in_time => {
                tokio::time::sleep(POLL_EVERY).await;
                continue;
            }
            Verdict::NotYet => (not_well(work.settings.health_timeout, restarts), "unhealthy"),
            Verdict::Unhealthy => ("is unhealthy".to_owned(), "unhealthy"),
            Verdict::Ended(code) => (format!("ended with exit code {code}"), "exited"),
        };
        return Err(unwell(work, service, id, &what, class).await);
    }
}

/// The error of a container after its timeout.
fn not_well(limit: Duration, restarts: i64) -> String {
    let limit = humantime::format_duration(limit);
    match restarts {
        0 => format!("is not healthy after {limit}"),
        _ => format!("is not healthy after {limit}; it ended and was restarted {restarts} times"),
    }
}

#[derive(Debug, PartialEq, Eq)]
enum Verdict {
    Good,
    NotYet,
    Unhealthy,
    Ended(i64),
}

/// The state of a container whose process was watched for this time; without a health check it is healthy
/// after `settle`.
fn verdict_of(state: &ContainerState, condition: Condition, watched: Duration, settle: Duration) -> Verdict {
    let code = state.exit_code.unwrap_or_default();
    let ended =
        matches!(state.status, Some(ContainerStateStatusEnum::EXITED | ContainerStateStatusEnum::DEAD));
    let health = state.health.as_ref().and_then(|health| health.status);
    match (condition, health) {
        _ if ended && code != 0 => Verdict::Ended(code),
        (Condition::Completed, _) => {
            if ended {
                Verdict::Good
            } else {
                Verdict::NotYet
            }
        }
        (Condition::Healthy, _) if ended => Verdict::Ended(code),
        // A container that finished its work successfully.
        (Condition::Started, _) if ended => Verdict::Good,
        (_, Some(HealthStatusEnum::HEALTHY)) => Verdict::Good,
        (_, Some(HealthStatusEnum::UNHEALTHY)) => Verdict::Unhealthy,
        (_, Some(HealthStatusEnum::STARTING)) => Verdict::NotYet,
        _ if state.running == Some(true) && state.restarting != Some(true) && watched >= settle => {
            Verdict::Good
        }
        _ => Verdict::NotYet,
    }
}

/// A container in the format of results.
pub(crate) fn document(id: &str, state: &ContainerState) -> Value {
    let health = state
        .health
        .as_ref()
        .and_then(|health| health.status)
        .filter(|status| !matches!(status, HealthStatusEnum::NONE | HealthStatusEnum::EMPTY));
    json!({
        "container_id": id,
        "status": state.status.map(|status| status.to_string()),
        "health": health.map(|status| status.to_string()),
        "exit_code": state.exit_code.filter(|_| state.running != Some(true)),
    })
}

/// The error of an unhealthy container, with its last lines.
async fn unwell(work: &Work<'_>, service: &str, id: &str, what: &str, class: &'static str) -> JobError {
    let options = LogsOptionsBuilder::new().stdout(true).stderr(true).tail(LAST_LINES).build();
    let mut output = pin!(work.engine.logs(id, Some(options)));
    let mut words = String::new();
    while let Some(Ok(piece)) = output.next().await {
        words.push_str(&String::from_utf8_lossy(piece.as_ref()));
    }
    let words = words.trim_end();
    let last_lines =
        if words.is_empty() { "It printed nothing".to_owned() } else { format!("Its last lines:\n{words}") };
    let remedy = match class {
        "unhealthy" => {
            "Correct the service or its healthcheck, or give it more time (start_period, hub.health_timeout)"
        }
        _ => "Correct its command, or provide what the command needs",
    };
    let stays = "; the container is kept for inspection. Then start the project again";
    JobError::retry(format!("{service} {what}. {last_lines}\n{remedy}{stays}.")).class(class)
}

#[cfg(test)]
mod tests {
    use bollard::models::Health;

    use super::*;

    fn state(
        status: ContainerStateStatusEnum,
        code: i64,
        health: Option<HealthStatusEnum>,
    ) -> ContainerState {
        ContainerState {
            status: Some(status),
            running: Some(status == ContainerStateStatusEnum::RUNNING),
            exit_code: Some(code),
            health: health.map(|status| Health { status: Some(status), ..Health::default() }),
            ..ContainerState::default()
        }
    }

    #[test]
    fn containers_are_judged() {
        use ContainerStateStatusEnum::{EXITED, RESTARTING, RUNNING};
        let (long, settle) = (Duration::from_secs(5), Duration::from_secs(4));
        let cases = [
            (state(RUNNING, 0, None), Condition::Started, Verdict::Good),
            (state(RUNNING, 0, Some(HealthStatusEnum::STARTING)), Condition::Started, Verdict::NotYet),
            (state(RUNNING, 0, Some(HealthStatusEnum::HEALTHY)), Condition::Healthy, Verdict::Good),
            (state(RUNNING, 0, Some(HealthStatusEnum::UNHEALTHY)), Condition::Healthy, Verdict::Unhealthy),
            (state(RUNNING, 0, None), Condition::Completed, Verdict::NotYet),
            (state(EXITED, 0, None), Condition::Completed, Verdict::Good),
            (state(EXITED, 0, None), Condition::Healthy, Verdict::Ended(0)),
            (state(EXITED, 3, None), Condition::Started, Verdict::Ended(3)),
        ];
        for (state, condition, verdict) in cases {
            assert_eq!(verdict_of(&state, condition, long, settle), verdict, "{state:?} {condition:?}");
        }
        let fresh = state(RUNNING, 0, None);
        assert_eq!(
            verdict_of(&fresh, Condition::Started, Duration::from_secs(3), settle),
            Verdict::NotYet,
            "it may still crash"
        );
        let restarting =
            ContainerState { running: Some(true), restarting: Some(true), ..state(RESTARTING, 3, None) };
        assert_eq!(verdict_of(&restarting, Condition::Started, long, settle), Verdict::NotYet);
        assert_eq!(
            not_well(Duration::from_mins(5), 7),
            "is not healthy after 5m; it ended and was restarted 7 times"
        );
    }
}
