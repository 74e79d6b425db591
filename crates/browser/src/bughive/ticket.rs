//! Creates a ticket in Linear. The ticket's id is derived from the job's id, so that repeated
//! attempts create one ticket.

use serde::Deserialize;
use sha2::{Digest, Sha256};
use uuid::{Builder, Uuid};

use super::TICKET;
use super::linear::{Issue, Linear, NewIssue};
use tidemill::extension::outbound::ProxySettings;
use tidemill::{Context, Handler, JobError};

const TITLE_CHARACTERS: usize = 255;

/// The settings of tickets.
#[derive(Clone, PartialEq, Eq)]
pub struct TicketSpec {
    /// Linear's GraphQL address.
    pub url: String,
    /// An API key in the form of the header; without one no ticket can be created.
    pub api_key: Option<String>,
    /// The team for tickets whose args name no team.
    pub team_id: Option<String>,
    /// The proxy through which it is called.
    pub proxy: ProxySettings,
}

impl std::fmt::Debug for TicketSpec {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TicketSpec")
            .field("url", &self.url)
            .field("team_id", &self.team_id)
            .finish_non_exhaustive()
    }
}

/// The handler of `ticket.create`.
#[derive(Debug)]
pub struct Ticket {
    linear: Option<Linear>,
    team_id: Option<String>,
}

/// The args of `ticket.create`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TicketArgs {
    title: String,
    description: Option<String>,
    /// 0 none, 1 urgent, 2 high, 3 normal, 4 low.
    priority: Option<u8>,
    team_id: Option<String>,
    #[serde(default)]
    label_ids: Vec<String>,
    assignee_id: Option<String>,
    project_id: Option<String>,
    /// The session of its crawl, for the log.
    session_id: Option<String>,
}

impl Ticket {
    /// Makes tickets there.
    ///
    /// # Errors
    /// If the key cannot be sent.
    pub fn new(spec: &TicketSpec) -> Result<Self, String> {
        let linear = spec.api_key.as_ref().map(|key| Linear::new(&spec.url, key, &spec.proxy)).transpose()?;
        Ok(Self { linear, team_id: spec.team_id.clone() })
    }
}

impl Handler for Ticket {
    const KIND: &'static str = TICKET;
    type Args = TicketArgs;
    type Output = Issue;

    async fn run(&self, context: Context, args: TicketArgs) -> Result<Issue, JobError> {
        let linear = self.linear.as_ref().ok_or_else(|| {
            JobError::permanent("no API key for Linear is configured; set bughive.linear_api_key")
                .class("authentication")
        })?;
        let bad = |message: &'static str| JobError::permanent(message).class("bad_args");
        let team_id = args.team_id.or_else(|| self.team_id.clone());
        let team_id =
            team_id.ok_or_else(|| bad("team_id is missing; give it, or set bughive.linear_team"))?;
        if args.title.trim().is_empty() {
            return Err(bad("the title is empty"));
        }
        if args.priority.is_some_and(|priority| priority > 4) {
            return Err(bad("priority must be 0 (none), 1 (urgent), 2 (high), 3 (normal) or 4 (low)"));
        }
        let issue = NewIssue {
            id: issue_id(context.job_id()),
            team_id,
            // A crawl may find longer addresses than there is room for.
            title: args.title.trim().chars().take(TITLE_CHARACTERS).collect(),
            description: args.description,
            priority: args.priority,
            label_ids: args.label_ids,
            assignee_id: args.assignee_id,
            project_id: args.project_id,
        };
        let made = linear.create(&issue, context.attempt().attempt > 1).await?;
        tracing::info!(
            session_id = args.session_id, task_id = %context.job_id(), issue = ?made,
            "a ticket exists"
        );
        Ok(made)
    }
}

/// The same for every attempt of a job, and a random-looking one as Linear wants it.
fn issue_id(job_id: Uuid) -> Uuid {
    let hash = Sha256::digest(format!("linear:{job_id}"));
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&hash[..16]);
    Builder::from_random_bytes(bytes).into_uuid()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_job_has_one_issue() {
        let (one, other) = (Uuid::now_v7(), Uuid::now_v7());
        assert_eq!(issue_id(one), issue_id(one));
        assert_ne!(issue_id(one), issue_id(other));
        assert_eq!(issue_id(one).get_version_num(), 4);
    }
}
