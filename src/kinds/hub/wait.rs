//! Waits until containers are as they should be, and says what is wrong with one that will not be.

use std::pin::pin;
use std::time::Duration;

use bollard::models::{ContainerState, ContainerStateStatusEnum, HealthStatusEnum};
use bollard::query_parameters::{InspectContainerOptions, LogsOptionsBuilder};
use futures_util::StreamExt;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::Work;
use super::compose::Condition;
use super::fault::failed;
use crate::worker::handler::JobError;

const LOOK_EVERY: Duration = Duration::from_millis(200);
/// A container without a health check counts as up when it has run so long.
const SETTLED_AFTER: Duration = Duration::from_secs(1);
/// So many of its last lines are told of a container that failed.
const LAST_LINES: &str = "10";

/// Waits until the container of `service` fulfils the condition; answers how it is.
pub(super) async fn until(
    work: &Work<'_>,
    service: &str,
    id: &str,
    condition: Condition,
) -> Result<Value, JobError> {
    let doing = format!("looking at {service}");
    let began = Instant::now();
    // Since when it is the same process that runs.
    let mut run = (None, began);
    loop {
        let seen = work.engine.inspect_container(id, None::<InspectContainerOptions>).await;
        let state = seen.map_err(|error| failed(&doing, &error))?.state.unwrap_or_default();
        if run.0 != state.started_at {
            run = (state.started_at.clone(), Instant::now());
        }
        match judge(&state, condition, run.1.elapsed()) {
            Verdict::Good => return Ok(document(id, &state)),
            Verdict::NotYet if began.elapsed() < work.settings.health_timeout => {}
            Verdict::NotYet => {
                let limit = humantime::format_duration(work.settings.health_timeout);
                return Err(
                    unwell(work, service, id, &format!("is not well after {limit}"), "unhealthy").await
                );
            }
            Verdict::Unhealthy => return Err(unwell(work, service, id, "is unhealthy", "unhealthy").await),
            Verdict::Ended(code) => {
                return Err(
                    unwell(work, service, id, &format!("ended with exit code {code}"), "exited").await
                );
            }
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

#[derive(Debug, PartialEq, Eq)]
enum Verdict {
    Good,
    NotYet,
    Unhealthy,
    Ended(i64),
}

fn judge(state: &ContainerState, condition: Condition, watched: Duration) -> Verdict {
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
        // One that did its work and ended well.
        (Condition::Started, _) if ended => Verdict::Good,
        (_, Some(HealthStatusEnum::HEALTHY)) => Verdict::Good,
        (_, Some(HealthStatusEnum::UNHEALTHY)) => Verdict::Unhealthy,
        (_, Some(HealthStatusEnum::STARTING)) => Verdict::NotYet,
        _ if state.running == Some(true) && state.restarting != Some(true) && watched >= SETTLED_AFTER => {
            Verdict::Good
        }
        _ => Verdict::NotYet,
    }
}

/// A container as results show it.
pub(super) fn document(id: &str, state: &ContainerState) -> Value {
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

/// The error of a container that is not well, with its last words.
async fn unwell(work: &Work<'_>, service: &str, id: &str, what: &str, class: &'static str) -> JobError {
    let options = LogsOptionsBuilder::new().stdout(true).stderr(true).tail(LAST_LINES).build();
    let mut said = pin!(work.engine.logs(id, Some(options)));
    let mut words = String::new();
    while let Some(Ok(piece)) = said.next().await {
        words.push_str(&String::from_utf8_lossy(piece.as_ref()));
    }
    let words = words.trim_end();
    let told =
        if words.is_empty() { "It said nothing".to_owned() } else { format!("Its last lines:\n{words}") };
    JobError::retry(format!("{service} {what}. {told}")).class(class)
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
        use ContainerStateStatusEnum::{EXITED, RUNNING};
        let long = Duration::from_secs(5);
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
            assert_eq!(judge(&state, condition, long), verdict, "{state:?} {condition:?}");
        }
        assert_eq!(judge(&state(RUNNING, 0, None), Condition::Started, Duration::ZERO), Verdict::NotYet);
    }
}
