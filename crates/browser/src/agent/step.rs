//! One step of a task: carries out the requested action and stores the outcome. Must never store
//! text that the redactor has not covered, except the session, which is encrypted.

use std::time::Instant;

use super::done::Done;
use super::model::{Call, Plan};
use super::observation::{Observation, TEXT_CHARACTERS};
use super::page::Tab;
use super::secret_mask::SecretMask;
use super::tools::Action;
use crate::browser::{AllowedHosts, BrowserProxy};
use tidemill::{Context, JobError};

const OUTCOME_CHARACTERS: usize = TEXT_CHARACTERS;

/// A step before it is carried out.
pub(super) struct Step<'a> {
    pub(super) number: usize,
    pub(super) plan: &'a Plan,
    pub(super) proxy: &'a BrowserProxy,
    pub(super) hosts: &'a AllowedHosts,
    pub(super) context: &'a Context,
}

impl Step<'_> {
    /// Carries it out and reads the result.
    pub(super) async fn run(
        &self,
        call: Call,
        tab: &mut Tab,
        before: &Observation,
        mask: &mut SecretMask,
    ) -> Result<Done, JobError> {
        let began = Instant::now();
        let performed = match call {
            Ok(action) => match self.moved(&action, before) {
                Some(moved) => Err(moved),
                None if action == Action::Screenshot {} && !self.context.can_keep() => {
                    Err("no pictures are kept: no object storage is configured".to_owned())
                }
                None => action.perform(tab, self.hosts, mask).await?,
            },
            Err(unreadable) => Err(unreadable),
        };
        let page = tab.observe(mask).await?;
        let picture = if self.context.can_keep() { tab.screenshot().await? } else { None };
        let mut notes = Vec::new();
        if tab.was_stopped() {
            notes.push("The page did not answer in time, so its script was stopped.".to_owned());
        }
        if picture.is_none() && self.context.can_keep() {
            notes.push("No picture of it could be taken in time.".to_owned());
        }
        let (ok, outcome) =
            performed.map_or_else(|error| (false, format!("error: {error}")), |outcome| (true, outcome));
        let refused: Vec<String> = self.proxy.refusals().iter().map(|refusal| mask.cover(refusal)).collect();
        if !refused.is_empty() {
            notes.push(format!("Refused: {}", refused.join("; ")));
        }
        let outcome: String = mask.cover(&outcome).chars().take(OUTCOME_CHARACTERS).collect();
        let outcome = std::iter::once(outcome).chain(notes).collect::<Vec<_>>().join("\n");
        Ok(Done {
            step: self.number,
            thought: self.plan.thought.clone(),
            tool: self.plan.tool.clone(),
            arguments: self.plan.arguments.clone(),
            target: self.plan.target.clone(),
            ok,
            outcome,
            refused,
            url: without_query(&page.url),
            title: page.title,
            screenshot: self.keep(picture).await?,
            tokens: self.plan.tokens,
            seconds: self.plan.seconds + began.elapsed().as_secs_f64(),
            state: self.context.sealed(serde_json::to_value(&tab.session)?)?,
        })
    }

    /// Why the element is not the chosen one, if it is not: after a crash the page may differ.
    fn moved(&self, action: &Action, page: &Observation) -> Option<String> {
        let now = action.element().map(|element| page.target(element))?;
        (now != self.plan.target).then(|| "the page has changed; read its elements again".to_owned())
    }

    async fn keep(&self, picture: Option<Vec<u8>>) -> Result<Option<String>, JobError> {
        let Some(picture) = picture else { return Ok(None) };
        Ok(Some(self.context.keep(&format!("step-{:03}.jpg", self.number), "image/jpeg", picture).await?))
    }
}

/// An address in displayable form, without the part after the path, which is often a token.
fn without_query(url: &str) -> String {
    url.split(['?', '#']).next().unwrap_or_default().to_owned()
}
