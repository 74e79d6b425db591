//! The project that a path names, and the answer where there is none of that name.

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use serde_json::json;
use tidemill::Problem;
use tidemill::extension::http::{Case, OwnCase, only_part, quoted};

static NOT_FOUND: OwnCase = OwnCase {
    slug: "project-not-found",
    status: 404,
    title: "There is no such project",
    remedy: "Use one of the projects in the detail, or add [hub.projects.NAME] to the config.",
};

/// The name of a project in a path; need not be one that there is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ProjectName(pub(super) String);

impl<S: Send + Sync> FromRequestParts<S> for ProjectName {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        only_part(parts, state, "project_id").await.map(Self)
    }
}

/// The problem of a project that there is not.
pub(super) fn unknown(known: &[&str], project: &str) -> Problem {
    let there_are = if known.is_empty() {
        "There are no projects.".into()
    } else {
        format!("The projects are: {}.", known.join(", "))
    };
    let detail = format!("There is no project {}. {there_are}", quoted(project));
    Problem::new(Case::Own(&NOT_FOUND), detail).field("project_id").member("projects", json!(known))
}
