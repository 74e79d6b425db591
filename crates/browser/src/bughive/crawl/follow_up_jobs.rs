//! The follow-up jobs of a crawl, if its args ask for them: one job per screenshot to upload it,
//! one job per cause to create a ticket. Each is enqueued once, however often the attempt is
//! repeated.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};
use uuid::Uuid;

use super::args::Plan;
use super::bugs::{Bug, BugKind};
use super::visit::PageReport;
use crate::bughive::{MEDIA, TICKET};
use tidemill::{Context, JobError, NewJob};

/// The most pages named in a ticket.
const PAGES_IN_TICKET: usize = 20;

/// The jobs that follow.
#[derive(Debug, Default)]
pub(super) struct FollowUpJobs {
    pub(super) tickets: Vec<Uuid>,
    pub(super) uploads: Vec<Uuid>,
}

pub(super) async fn spawn(
    context: &Context,
    plan: &Plan,
    reports: &[PageReport],
    bugs: &[Bug],
) -> Result<FollowUpJobs, JobError> {
    let mut follow_ups = FollowUpJobs::default();
    if plan.args.upload {
        for name in reports.iter().filter_map(|report| report.screenshot.as_ref()) {
            let args = json!({
                "job_id": context.job_id(),
                "artifact": name,
                "key": format!("sessions/{}/{name}", plan.session_id),
            });
            let job = follower(MEDIA, plan, args);
            follow_ups.uploads.push(context.spawn(&format!("upload-{name}"), &job).await?);
        }
    }
    if plan.args.create_tickets {
        for ((_, kind, what), bugs) in by_cause(bugs).into_iter().take(plan.args.max_tickets) {
            let job = follower(TICKET, plan, ticket(plan, reports, &bugs));
            follow_ups.tickets.push(context.spawn(&ticket_name(kind, what), &job).await?);
        }
    }
    Ok(follow_ups)
}

fn follower(kind: &str, plan: &Plan, args: Value) -> NewJob {
    let Value::Object(mut args) = args else { unreachable!("args are written as an object") };
    let session_id = || ("session_id".to_owned(), plan.session_id.clone().into());
    args.extend([session_id()]);
    let metadata = Map::from_iter([session_id()]);
    NewJob { metadata: Some(metadata), ..NewJob::new(kind, args) }
}

/// The child name of a ticket: its cause, because another attempt may have found other bugs first.
fn ticket_name(kind: BugKind, what: &str) -> String {
    let hash = Sha256::digest(what);
    hash.iter().take(16).fold(format!("ticket-{}-", kind.name()), |name, byte| format!("{name}{byte:02x}"))
}

/// Bugs with one cause; the most urgent first.
fn by_cause(bugs: &[Bug]) -> BTreeMap<(u8, BugKind, &str), Vec<&Bug>> {
    let mut causes = BTreeMap::<_, Vec<&Bug>>::new();
    for bug in bugs {
        let (kind, what) = bug.cause();
        causes.entry((kind.ticket_priority(), kind, what)).or_default().push(bug);
    }
    causes
}

fn ticket(plan: &Plan, reports: &[PageReport], bugs: &[&Bug]) -> Value {
    let bug = bugs[0];
    let what = bug.resource.as_ref().unwrap_or(&bug.page);
    let pages: Vec<String> = bugs.iter().take(PAGES_IN_TICKET).map(|bug| format!("- {}", bug.page)).collect();
    let more = bugs.len().saturating_sub(PAGES_IN_TICKET);
    let more = if more > 0 { format!("\n- and {more} more") } else { String::new() };
    // An older binary stored the bugs of a page under the redirect that led to it.
    let of_it = |report: &&PageReport| {
        bug.kind.is_of_the_page() && (report.address() == bug.page || report.url == bug.page)
    };
    let picture = reports.iter().filter(of_it).find_map(|report| report.screenshot.as_ref());
    let description = format!(
        "{}\n\nFound on:\n{}{more}\n\nCrawl session: {}{}",
        bug.detail,
        pages.join("\n"),
        plan.session_id,
        picture.map_or_else(String::new, |name| format!("\nScreenshot: {name}")),
    );
    let mut args = json!({
        "title": format!("{}: {what}", bug.kind.name().replace('_', " ")),
        "description": description,
        "priority": bug.kind.ticket_priority(),
    });
    if let Some(team) = &plan.args.team_id {
        args["team_id"] = team.clone().into();
    }
    args
}
