//! Tasks that a model does in a browser: it is shown the page, says what to do, and that is done, step by step. Each step is
//! a checkpoint, so that a worker that dies costs the step that it was in; no secret of the session leaves the browser.

mod chromium;
mod model;
mod observation;
mod page;
mod reading;
mod secret;
mod tools;
mod veil;

use std::fmt;
use std::path::PathBuf;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use self::chromium::Chromium;
use self::model::{Call, Model, Plan};
use self::observation::{Observation, TEXT_CHARACTERS};
use self::page::{Session, Tab};
use self::tools::Action;
use self::veil::Veil;
use crate::job::agent::AgentTask;
pub use crate::kinds::browser::Hosts;
use crate::kinds::browser::{Gate, find};
use crate::worker::context::Context;
use crate::worker::handler::{Completion, DynHandler, JobError, RunFuture};

const OUTCOME_CHARACTERS: usize = TEXT_CHARACTERS;
/// What a line of the log shows of it.
const LINE_CHARACTERS: usize = 200;

/// How tasks are done.
#[derive(Clone, PartialEq)]
pub struct AgentSpec {
    /// The model by its name.
    pub model: String,
    /// Where it is served by the protocol of `OpenAI`'s chat completions, such as `https://api.openai.com/v1`.
    pub base_url: String,
    /// The key for it.
    pub api_key: Option<String>,
    /// No answer of it takes longer.
    pub model_timeout: Duration,
    /// What the browser may reach.
    pub hosts: Hosts,
    /// The most steps of a task.
    pub max_steps: u32,
    /// The most tokens of a task.
    pub max_tokens: u64,
    /// How long a task may be worked on.
    pub max_time: Duration,
    /// The browser's program; searched if `None`.
    pub browser: Option<PathBuf>,
    /// Whether the browser locks its pages in.
    pub sandbox: bool,
}

/// Why an [`AgentSpec`] cannot be served.
#[derive(Debug, thiserror::Error)]
pub enum AgentSpecError {
    /// The key fits in no header.
    #[error("agent.api_key is not allowed in HTTP: check it for line breaks")]
    Key,
    /// The HTTP client cannot be made.
    #[error("no HTTPS client can be made (are the system's CA certificates installed?): {0}")]
    Client(#[source] reqwest::Error),
}

/// A handler that does tasks.
pub struct AgentKind {
    spec: AgentSpec,
    model: Model,
}

/// A step that is done: what is stored of it.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Done {
    /// From 1.
    step: usize,
    thought: Option<String>,
    /// Empty if the model called none.
    tool: String,
    arguments: String,
    /// The element that it was about.
    target: Option<String>,
    ok: bool,
    outcome: String,
    /// Hosts that the page was kept from.
    refused: Vec<String>,
    url: String,
    title: String,
    /// Where the picture is.
    screenshot: Option<String>,
    tokens: u64,
    seconds: f64,
    /// The browser's session behind it, sealed where args are.
    state: Value,
}

impl Done {
    /// The step in a line of the log.
    fn line(&self) -> String {
        let about = self.target.as_deref().unwrap_or(&self.arguments);
        let outcome: String =
            self.outcome.lines().next().unwrap_or_default().chars().take(LINE_CHARACTERS).collect();
        format!("step {}: {} {about}: {outcome}", self.step, self.tool)
    }
}

impl AgentSpec {
    /// Tasks for a model with defaults for everything else.
    #[must_use]
    pub fn new(model: impl Into<String>, base_url: impl Into<String>) -> Self {
        Self {
            model: model.into(),
            base_url: base_url.into(),
            api_key: None,
            model_timeout: Duration::from_mins(2),
            hosts: Hosts::default(),
            max_steps: 30,
            max_tokens: 500_000,
            max_time: Duration::from_mins(15),
            browser: None,
            sandbox: true,
        }
    }
}

impl fmt::Debug for AgentSpec {
    /// Shows no key.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AgentSpec")
            .field("model", &self.model)
            .field("base_url", &self.base_url)
            .field("hosts", &self.hosts)
            .field("max_steps", &self.max_steps)
            .field("max_tokens", &self.max_tokens)
            .field("max_time", &self.max_time)
            .finish_non_exhaustive()
    }
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
        let bad = |why: String| JobError::permanent(format!("the args are no task: {why}")).class("bad_args");
        let args = context.args().as_object().cloned().unwrap_or_default();
        let task = AgentTask::read(args).map_err(|error| bad(error.to_string()))?;
        let mut veil = Veil::new(&task.session_data.clone().unwrap_or_default());
        let done = self.work(context, &task, &mut veil).await;
        done.map_err(|error| error.reworded(|message| veil.cover(message)))
    }

    async fn work(
        &self,
        context: &Context,
        task: &AgentTask,
        veil: &mut Veil,
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
        let gate = Gate::open(self.spec.hosts.clone()).await?;
        let session: Session = match past.last() {
            Some(done) => serde_json::from_value(done.state.clone())?,
            None => Session::of(&task.session_data.clone().unwrap_or_default()),
        };
        veil.learn(&session.cookies);
        let browser = Chromium::start(&program, self.spec.sandbox, &gate).await?;
        let mut tab = Tab::open(browser, session).await?;
        loop {
            self.check_budget(&past)?;
            let number = past.len() + 1;
            let page = tab.observe(veil).await?;
            // What was asked for is done as it is, and stored without secrets.
            let asked = OnceLock::new();
            let ask = async || {
                let (plan, call) = self.model.ask(&task.task_description, &past, &page, veil).await?;
                let _ = asked.set(call);
                Ok(plan)
            };
            let plan: Plan = context.step(&format!("plan-{number}"), ask).await?;
            let call = asked.into_inner().unwrap_or_else(|| plan.call());
            context.progress(self.percent(number), &format!("step {number}: {}", plan.tool)).await;
            let step = Step { number, plan: &plan, gate: &gate, hosts: &self.spec.hosts, context };
            let run = step.run(call, &mut tab, &page, veil);
            let done: Done = context.step(&format!("step-{number}"), || run).await?;
            context.log(&done.line()).await;
            if let Some(url) = &done.screenshot {
                context.event("screenshot", json!({"step": number, "url": url, "page": done.url})).await;
            }
            past.push(done);
            if let Some(end) = ended(&past) {
                return end;
            }
        }
    }

    /// How far it is if it needs all of its steps.
    fn percent(&self, number: usize) -> f64 {
        let number = u32::try_from(number).unwrap_or(u32::MAX);
        (100.0 * f64::from(number) / f64::from(self.spec.max_steps.max(1))).min(99.0)
    }

    fn check_budget(&self, past: &[Done]) -> Result<(), JobError> {
        let seconds: f64 = past.iter().map(|done| done.seconds).sum();
        let tokens: u64 = past.iter().map(|done| done.tokens).sum();
        let spent = if past.len() >= usize::try_from(self.spec.max_steps).unwrap_or(usize::MAX) {
            format!("after {} steps (agent.max_steps)", past.len())
        } else if tokens >= self.spec.max_tokens {
            format!("after {tokens} tokens (agent.max_tokens)")
        } else if seconds >= self.spec.max_time.as_secs_f64() {
            format!("after {seconds:.0} s of work (agent.max_time)")
        } else {
            return Ok(());
        };
        Err(JobError::permanent(format!("the task was not done {spent}")).class("budget"))
    }
}

impl DynHandler for AgentKind {
    fn run(&self, context: Context) -> RunFuture<'_> {
        Box::pin(async move {
            tokio::select! {
                biased;
                ended = self.attempt(&context) => ended,
                // Dropping the attempt ends its browser.
                reason = context.stopped() => {
                    Err(JobError::retry(format!("the task was interrupted: {reason}")).class("stopped"))
                }
            }
        })
    }
}

/// A step that is about to be done.
struct Step<'a> {
    number: usize,
    plan: &'a Plan,
    gate: &'a Gate,
    hosts: &'a Hosts,
    context: &'a Context,
}

impl Step<'_> {
    async fn run(
        &self,
        call: Call,
        tab: &mut Tab,
        before: &Observation,
        veil: &mut Veil,
    ) -> Result<Done, JobError> {
        let began = Instant::now();
        let told = match call {
            Ok(action) => match self.moved(&action, before) {
                Some(moved) => Err(moved),
                None => action.perform(tab, self.hosts, veil).await?,
            },
            Err(unreadable) => Err(unreadable),
        };
        let page = tab.observe(veil).await?;
        let screenshot = self.keep_screenshot(tab).await?;
        let (ok, outcome) =
            told.map_or_else(|error| (false, format!("error: {error}")), |outcome| (true, outcome));
        let refused: Vec<String> = self.gate.refusals().iter().map(|refusal| veil.cover(refusal)).collect();
        let outcome =
            if refused.is_empty() { outcome } else { format!("{outcome}\nRefused: {}", refused.join("; ")) };
        Ok(Done {
            step: self.number,
            thought: self.plan.thought.clone(),
            tool: self.plan.tool.clone(),
            arguments: self.plan.arguments.clone(),
            target: self.plan.target.clone(),
            ok,
            outcome: veil.cover(&outcome).chars().take(OUTCOME_CHARACTERS).collect(),
            refused,
            url: without_query(&page.url),
            title: page.title,
            screenshot,
            tokens: self.plan.tokens,
            seconds: self.plan.seconds + began.elapsed().as_secs_f64(),
            state: self.context.sealed(serde_json::to_value(&tab.session)?)?,
        })
    }

    /// Why the element is not the one that was chosen, if it is not: after a crash the page may be another.
    fn moved(&self, action: &Action, page: &Observation) -> Option<String> {
        let now = action.element().map(|element| page.target(element))?;
        (now != self.plan.target).then(|| "the page has changed; look at its elements again".to_owned())
    }

    async fn keep_screenshot(&self, tab: &Tab) -> Result<Option<String>, JobError> {
        if !self.context.can_keep() {
            return Ok(None);
        }
        let picture = tab.screenshot().await?;
        Ok(Some(self.context.keep(&format!("step-{:03}.jpg", self.number), "image/jpeg", picture).await?))
    }
}

/// How the task ended, if its last step was its end.
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

/// An address as it may be seen: what stands behind the path is as often a token as not.
fn without_query(url: &str) -> String {
    url.split(['?', '#']).next().unwrap_or_default().to_owned()
}
