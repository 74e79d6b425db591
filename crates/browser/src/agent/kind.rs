//! Tasks that a model carries out in a browser: the model sees the page, chooses an action, and the
//! action is carried out, step by step. Each step is a checkpoint, so a worker that dies loses only
//! its current step; no secret of the session leaves the browser.

use std::sync::OnceLock;
use std::time::Duration;

use serde_json::json;
use tokio::time::timeout;

use super::args::AgentTask;
use super::chromium::Chromium;
use super::done::Done;
use super::model::{Model, Plan};
use super::page::{Session, Tab};
use super::secret_mask::SecretMask;
use super::spec::{AgentSpec, AgentSpecError};
use super::step::Step;
use super::tools::Action;
use crate::browser::{BrowserProxy, find};
use tidemill::extension::kinds::{Completion, DynHandler, RunFuture, unless_stopped};
use tidemill::{Context, JobError};

/// A handler that runs tasks.
pub struct AgentKind {
    spec: AgentSpec,
    model: Model,
}

impl AgentKind {
    /// Checks `spec` and makes the model's client.
    ///
    /// # Errors
    /// If the key cannot be used, or no client made.
    pub fn new(spec: AgentSpec) -> Result<Self, AgentSpecError> {
        let model = Model::new(&spec)?;
        Ok(Self { spec, model })
    }

    async fn attempt(&self, context: &Context) -> Result<Completion, JobError> {
        let bad = |why: String| {
            JobError::permanent(format!("the args are not a valid task: {why}")).class("bad_args")
        };
        let args = context.args().as_object().cloned().unwrap_or_default();
        let task = AgentTask::read(args).map_err(|error| bad(error.to_string()))?;
        let mut mask = SecretMask::new(&task.session_data.clone().unwrap_or_default());
        let done = self.work(context, &task, &mut mask).await;
        done.map_err(|error| error.reworded(|message| mask.cover(message)))
    }

    async fn work(
        &self,
        context: &Context,
        task: &AgentTask,
        mask: &mut SecretMask,
    ) -> Result<Completion, JobError> {
        let mut past: Vec<Done> = Vec::new();
        while let Some(done) = context.cursor(&format!("step-{}", past.len() + 1)).await? {
            past.push(done);
        }
        let attempt = context.attempt().attempt;
        context.event("task_started", json!({"attempt": attempt, "steps_done": past.len()})).await;
        if let Some(end) = ended(&past) {
            return end;
        }
        let program = find(self.spec.browser.as_deref(), "agent.browser")?;
        let proxy = BrowserProxy::open(self.spec.hosts.clone()).await?;
        let session: Session = match past.last() {
            Some(done) => serde_json::from_value(done.state.clone())?,
            None => Session::of(&task.session_data.clone().unwrap_or_default()),
        };
        mask.learn(&session.cookies);
        let browser = Chromium::start(&program, self.spec.sandbox, &proxy, self.spec.command_timeout).await?;
        let died = browser.died();
        let rounds = async {
            let mut tab = Tab::open(browser, session).await?;
            loop {
                let left = self.time_left(&past)?;
                let round = self.round(context, task, &past, &mut tab, &proxy, mask);
                let done = timeout(left, round).await.map_err(|_| {
                    let seconds = self.spec.max_time.as_secs();
                    over_budget(&format!("within {seconds} s of work (agent.max_time)"))
                })??;
                past.push(done);
                if let Some(end) = ended(&past) {
                    return end;
                }
            }
        };
        tokio::select! {
            // First, because a dead browser has no page to ask.
            biased;
            died = died => Err(died),
            ended = rounds => ended,
        }
    }

    /// Asks for the next action, and carries it out.
    async fn round(
        &self,
        context: &Context,
        task: &AgentTask,
        past: &[Done],
        tab: &mut Tab,
        proxy: &BrowserProxy,
        mask: &mut SecretMask,
    ) -> Result<Done, JobError> {
        let number = past.len() + 1;
        let page = tab.observe(mask).await?;
        // The requested action is carried out unchanged, and stored without secrets.
        let asked = OnceLock::new();
        let ask = async || {
            let (plan, call) = self.model.ask(&task.task_description, past, &page, mask).await?;
            let _ = asked.set(call);
            Ok(plan)
        };
        let plan: Plan = context.step(&format!("plan-{number}"), ask).await?;
        let call = asked.into_inner().unwrap_or_else(|| plan.call());
        context.progress(self.percent(number), &format!("step {number}: {}", plan.tool)).await;
        let step = Step { number, plan: &plan, proxy, hosts: &self.spec.hosts, context };
        // Boxed: it holds every command to the browser.
        let run = Box::pin(step.run(call, tab, &page, mask));
        let done: Done = context.step(&format!("step-{number}"), || run).await?;
        context.log(&done.line()).await;
        if let Some(url) = &done.screenshot {
            context.event("screenshot", json!({"step": number, "url": url, "page": done.url})).await;
        }
        Ok(done)
    }

    /// The progress if the task needs all of its steps.
    fn percent(&self, number: usize) -> f64 {
        let number = u32::try_from(number).unwrap_or(u32::MAX);
        (100.0 * f64::from(number) / f64::from(self.spec.max_steps.max(1))).min(99.0)
    }

    /// How long the task may still be worked on.
    ///
    /// # Errors
    /// If its steps, tokens or time are spent.
    fn time_left(&self, past: &[Done]) -> Result<Duration, JobError> {
        let seconds: f64 = past.iter().map(|done| done.seconds).sum();
        let tokens: u64 = past.iter().map(|done| done.tokens).sum();
        if past.len() >= usize::try_from(self.spec.max_steps).unwrap_or(usize::MAX) {
            return Err(over_budget(&format!("after {} steps (agent.max_steps)", past.len())));
        }
        if tokens >= self.spec.max_tokens {
            return Err(over_budget(&format!("after {tokens} tokens (agent.max_tokens)")));
        }
        // The next step must also end within this time.
        Ok(Duration::try_from_secs_f64(self.spec.max_time.as_secs_f64() - seconds).unwrap_or_default())
    }
}

fn over_budget(spent: &str) -> JobError {
    JobError::permanent(format!("the task was not done {spent}")).class("budget")
}

impl DynHandler for AgentKind {
    fn run(&self, context: Context) -> RunFuture<'_> {
        Box::pin(async move {
            tokio::select! {
                biased;
                ended = self.attempt(&context) => {
                    unless_stopped(&context, ended, |error| error.is_of("browser")).await
                }
                // Dropping the attempt ends its browser.
                reason = context.stopped() => {
                    Err(JobError::retry(format!("the task was interrupted: {reason}")).class("stopped"))
                }
            }
        })
    }
}

/// The outcome of the task, if its last step ended it.
fn ended(past: &[Done]) -> Option<Result<Completion, JobError>> {
    let last = past.last()?;
    let Ok(Action::Finish { success, answer }) = Action::read(&last.tool, &last.arguments) else {
        return None;
    };
    if !success {
        return Some(Err(JobError::permanent(answer).class("not_done")));
    }
    let result = json!({
        "answer": answer,
        "url": last.url,
        "steps": past.len(),
        "tokens": past.iter().map(|done| done.tokens).sum::<u64>(),
        "screenshots": past.iter().filter_map(|done| done.screenshot.as_deref()).collect::<Vec<_>>(),
    });
    Some(Ok(Completion { result: Some(result), ..Completion::default() }))
}
