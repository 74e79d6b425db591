//! The status of an attempt: its progress, and that it and the engine are alive. A percentage never
//! decreases, and a sign of life is given only after an answer of the engine.

use std::convert::Infallible;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use chrono::Utc;
use serde_json::{Value, json};
use tokio::time::{Instant, MissedTickBehavior, interval_at};

use super::engine::Engine;
use super::spec::HubSettings;
use tidemill::Context;

/// The state of the task as its callers know it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Building,
    Running,
}

impl Phase {
    fn word(self) -> &'static str {
        match self {
            Self::Building => "BUILDING",
            Self::Running => "RUNNING",
        }
    }
}

#[derive(Debug)]
struct Shown {
    phase: Phase,
    percent: f64,
    step: String,
}

/// The signs of one attempt.
#[derive(Debug)]
pub(super) struct ProgressReports {
    context: Context,
    began: Instant,
    heartbeat: Duration,
    still_building: Duration,
    soft_timeout: Duration,
    hard_timeout: Duration,
    shown: Mutex<Shown>,
}

impl ProgressReports {
    pub(super) fn new(context: &Context, settings: &HubSettings) -> Self {
        Self {
            context: context.clone(),
            began: Instant::now(),
            heartbeat: settings.heartbeat,
            still_building: settings.still_building,
            soft_timeout: settings.soft_timeout,
            hard_timeout: settings.hard_timeout,
            shown: Mutex::new(Shown { phase: Phase::Building, percent: 0.0, step: String::new() }),
        }
    }

    /// It prepares or builds.
    pub(super) async fn building(&self, percent: f64, step: &str) {
        self.show(Phase::Building, percent, step).await;
    }

    /// It acts on containers.
    pub(super) async fn running(&self, percent: f64, step: &str) {
        self.show(Phase::Running, percent, step).await;
    }

    async fn show(&self, phase: Phase, percent: f64, step: &str) {
        let (percent, step) = {
            let mut shown = self.shown();
            shown.phase = phase;
            shown.percent = shown.percent.max(percent);
            step.clone_into(&mut shown.step);
            (shown.percent, self.shown_step(&shown))
        };
        self.context.progress_with(Some(percent), Some(&step), Some(life(phase))).await;
    }

    /// The step as it is shown: a long build says so.
    fn shown_step(&self, shown: &Shown) -> String {
        if self.builds_long(shown) {
            return format!("Still building ({}): {}", lasting(self.began.elapsed()), shown.step);
        }
        shown.step.clone()
    }

    fn builds_long(&self, shown: &Shown) -> bool {
        shown.phase == Phase::Building && self.began.elapsed() >= self.still_building
    }

    /// Gives signs of life until it is dropped.
    pub(super) async fn keep(&self, engine: &Engine) -> Infallible {
        tokio::join!(self.beat(engine), self.report_long_build(), self.warn_once()).0
    }

    async fn beat(&self, engine: &Engine) -> Infallible {
        let mut beats = interval_at(self.began + self.heartbeat, self.heartbeat);
        beats.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            beats.tick().await;
            if engine.lives().await {
                let (phase, step) = {
                    let shown = self.shown();
                    (shown.phase, self.builds_long(&shown).then(|| self.shown_step(&shown)))
                };
                self.context.progress_with(None, step.as_deref(), Some(life(phase))).await;
            } else {
                self.context.log("the Docker engine does not answer").await;
            }
        }
    }

    async fn report_long_build(&self) -> Infallible {
        let mut times = interval_at(self.began + self.still_building, self.still_building);
        loop {
            times.tick().await;
            let step = {
                let shown = self.shown();
                self.builds_long(&shown).then(|| self.shown_step(&shown))
            };
            if let Some(step) = step {
                let seconds = self.began.elapsed().as_secs();
                // No progress event, which would count as a sign of life: the engine's state is not known
                // here.
                self.context.event("still_building", json!({ "seconds": seconds, "step": step })).await;
            }
        }
    }

    async fn warn_once(&self) -> Infallible {
        tokio::time::sleep_until(self.began + self.soft_timeout).await;
        let data = json!({
            "seconds": self.soft_timeout.as_secs(),
            "ends_after_seconds": self.hard_timeout.as_secs(),
        });
        self.context.event("takes_long", data).await;
        std::future::pending().await
    }

    fn shown(&self) -> MutexGuard<'_, Shown> {
        self.shown.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn life(phase: Phase) -> Value {
    json!({ "state": phase.word(), "heartbeat": Utc::now().timestamp() })
}

/// In whole minutes, or seconds while there are none.
fn lasting(passed: Duration) -> String {
    match passed.as_secs() {
        seconds if seconds < 60 => format!("{seconds} s"),
        seconds => format!("{} min", seconds / 60),
    }
}
