//! The projects: all of them are shown, those of the API are made, changed and deleted. Must never
//! show the value of a variable, nor leave containers behind unless it is asked to.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::{Extension, Json};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use tidemill::extension::documents::StoredDocument;
use tidemill::extension::http::{Body, Case, OwnCase, Page, Params};
use tidemill::{ApiState, Problem};
use utoipa::{IntoParams, ToSchema};

use super::project_name::{ProjectName, unknown};
use crate::catalog::{self, PROJECT, act, document, documents, is_started, shown};
use crate::settings::{read_project, same_name};
use crate::spec::{HubSettings, ProjectSource};

static OF_CONFIG: OwnCase = OwnCase {
    slug: "project-of-config",
    status: 409,
    title: "The project is in the config",
    remedy: "Change it in the config and restart, or use another name.",
};
static NOT_BY_REST: OwnCase = OwnCase {
    slug: "projects-not-by-rest",
    status: 409,
    title: "Projects are made in the config only",
    remedy: "Set hub.projects_by_rest = true for serve and for the workers of the hub, or add the project to the config.",
};
static STARTED: OwnCase = OwnCase {
    slug: "project-started",
    status: 409,
    title: "The project was started and not stopped",
    remedy: "Stop it with POST /api/orchestration/{project_id}/stop, wait for that task, and delete it then; or leave its \
             containers as they are with ?abandon=true.",
};

/// A project: exactly one of `compose` and `services`.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(example = json!({"services": {"web": {"image": "nginx:1", "ports": ["8081:80"]}}, "env": {"TAG": "1.4"}}))]
pub(super) struct ProjectRequest {
    /// The path of its compose file on the machines of the workers; a relative one starts at the folder of their config.
    #[schema(value_type = Option<String>)]
    compose: Option<Value>,
    /// The content of `services` of a compose file.
    #[schema(value_type = Option<Object>)]
    services: Option<Value>,
    /// Variables for `${NAME}` in its description.
    #[schema(value_type = Option<Object>)]
    env: Option<Value>,
    #[serde(flatten)]
    #[schema(ignore)]
    others: Map<String, Value>,
}

/// A project. The values of its variables are hidden.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ProjectDocument {
    /// Its name.
    name: String,
    /// Where it is described: `config` or `rest`.
    source: &'static str,
    /// Its description as it was given; of the config only the path of its compose file.
    #[schema(value_type = Object)]
    project: Value,
    /// Whether it was started and not stopped since; absent for projects of the config.
    #[serde(skip_serializing_if = "Option::is_none")]
    started: Option<bool>,
    /// When it was last changed or started; absent for projects of the config.
    #[serde(skip_serializing_if = "Option::is_none")]
    updated_at: Option<DateTime<Utc>>,
}

/// How a project is deleted.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct DeleteQuery {
    /// Delete it although it was started; its containers stay as they are.
    abandon: Option<bool>,
}

/// List the projects
#[utoipa::path(
    get, path = "/api/v1/hub/projects", tag = "hub", operation_id = "list_projects",
    responses((status = 200, description = "The projects, by name", body = Page<ProjectDocument>))
)]
pub(super) async fn list(
    State(state): State<ApiState>,
    Extension(hub): Extension<Arc<HubSettings>>,
) -> Result<Json<Page<ProjectDocument>>, Problem> {
    let mut projects: Vec<_> = hub.projects.keys().map(|name| of_config(&hub, name)).collect();
    if hub.projects_by_rest {
        let stored = documents(&state.store).list().await?.into_iter();
        projects.extend(
            stored.filter(|one| !hub.projects.contains_key(&one.name)).map(|one| of_api(&state, one)),
        );
    }
    projects.sort_by(|one, other| one.name.cmp(&other.name));
    Ok(Page::whole(projects))
}

/// Read a project
#[utoipa::path(
    get, path = "/api/v1/hub/projects/{project_id}", tag = "hub", operation_id = "show_project",
    responses((status = 200, description = "The project", body = ProjectDocument))
)]
pub(super) async fn show(
    State(state): State<ApiState>,
    Extension(hub): Extension<Arc<HubSettings>>,
    ProjectName(name): ProjectName,
) -> Result<Json<ProjectDocument>, Problem> {
    if hub.projects.contains_key(&name) {
        return Ok(Json(of_config(&hub, &name)));
    }
    let stored = if hub.projects_by_rest { documents(&state.store).get(&name).await? } else { None };
    match stored {
        Some(stored) => Ok(Json(of_api(&state, stored))),
        None => Err(none(&state, &hub, &name).await?),
    }
}

/// Make or change a project
///
/// It is checked by the rules of `[hub.projects.NAME]`. Tasks that begin from then on use it; its running containers stay
/// as they are until it is started again. A project of the config cannot be changed.
#[utoipa::path(
    put, path = "/api/v1/hub/projects/{project_id}", tag = "hub", operation_id = "set_project",
    request_body = ProjectRequest,
    responses(
        (status = 200, description = "The project, which was there before", body = ProjectDocument),
        (status = 201, description = "The project, which is new", body = ProjectDocument),
        (status = 409, description = "The project is in the config, or projects are made in the config only"),
    )
)]
pub(super) async fn set(
    State(state): State<ApiState>,
    Extension(hub): Extension<Arc<HubSettings>>,
    ProjectName(name): ProjectName,
    Body(request): Body<ProjectRequest>,
) -> Result<(StatusCode, Json<ProjectDocument>), Problem> {
    may_change(&hub, &name)?;
    let project = request.given();
    let section = read_project(&name, &project).map_err(|problems| {
        let first = &problems[0];
        let field = match first.key.strip_prefix(&format!("{name}.")) {
            Some(key) => format!("/{}", key.replace('.', "/")),
            None if first.message.starts_with("is not a name") => "project_id".to_owned(),
            None => "/services".to_owned(),
        };
        Problem::invalid(field, format!("hub.projects.{}: {}", first.key, first.message))
    })?;
    if section.services.is_some() {
        let others = catalog::all(&hub, &state.store).await?;
        let described = others
            .iter()
            .filter(|(id, spec)| **id != name && matches!(spec.source, ProjectSource::Services(..)));
        if let Some(message) = same_name(&name, described.map(|(id, _)| id.as_str())) {
            return Err(Problem::invalid("project_id", format!("hub.projects.{name}: {message}")));
        }
    }
    let documents = documents(&state.store);
    loop {
        let before = documents.get(&name).await?;
        let (verb, version, was_started) = match &before {
            Some(stored) => ("change", stored.version, is_started(stored)),
            None => ("make", 0, false),
        };
        let was = before.as_ref().map(|stored| hidden(&state, &stored.document[PROJECT]));
        let record = act(verb, &name, was, Some(hidden(&state, &project)));
        let written = documents.put(&name, &document(&project, was_started), version, Some(&record)).await?;
        if written.is_none() {
            // Another writer changed it meanwhile, or a task began.
            continue;
        }
        let Some(stored) = documents.get(&name).await? else { continue };
        let status = if before.is_some() { StatusCode::OK } else { StatusCode::CREATED };
        return Ok((status, Json(of_api(&state, stored))));
    }
}

/// Delete a project
///
/// Refused while it is started: stop it first. Tasks of it that have not begun fail.
#[utoipa::path(
    delete, path = "/api/v1/hub/projects/{project_id}", tag = "hub", operation_id = "delete_project",
    params(DeleteQuery),
    responses(
        (status = 204, description = "The project is deleted"),
        (status = 409, description = "The project is started, or in the config"),
    )
)]
pub(super) async fn delete(
    State(state): State<ApiState>,
    Extension(hub): Extension<Arc<HubSettings>>,
    ProjectName(name): ProjectName,
    Params(query): Params<DeleteQuery>,
) -> Result<StatusCode, Problem> {
    may_change(&hub, &name)?;
    let documents = documents(&state.store);
    loop {
        let Some(stored) = documents.get(&name).await? else { return Err(none(&state, &hub, &name).await?) };
        if is_started(&stored) && query.abandon != Some(true) {
            let detail = format!("The project {name} was started and not stopped since.");
            return Err(Problem::new(Case::Own(&STARTED), detail).field("project_id"));
        }
        let record = act("drop", &name, Some(hidden(&state, &stored.document[PROJECT])), None);
        if documents.delete(&name, stored.version, Some(&record)).await? {
            return Ok(StatusCode::NO_CONTENT);
        }
    }
}

impl ProjectRequest {
    /// The project as it was given, without what is null.
    fn given(self) -> Value {
        let named = [("compose", self.compose), ("services", self.services), ("env", self.env)];
        let named = named.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?)));
        named.chain(self.others).collect::<Map<_, _>>().into()
    }
}

fn may_change(hub: &HubSettings, name: &str) -> Result<(), Problem> {
    if hub.projects.contains_key(name) {
        let detail = format!("The project {name} is in the config as [hub.projects.{name}].");
        return Err(Problem::new(Case::Own(&OF_CONFIG), detail).field("project_id"));
    }
    if !hub.projects_by_rest {
        let detail = "The setting hub.projects_by_rest is false.";
        return Err(Problem::new(Case::Own(&NOT_BY_REST), detail));
    }
    Ok(())
}

async fn none(state: &ApiState, hub: &HubSettings, name: &str) -> Result<Problem, Problem> {
    let projects = catalog::all(hub, &state.store).await?;
    Ok(unknown(&projects.keys().map(String::as_str).collect::<Vec<_>>(), name))
}

fn of_config(hub: &HubSettings, name: &str) -> ProjectDocument {
    let project = match &hub.projects[name].source {
        ProjectSource::File(path) => serde_json::json!({ "compose": path.display().to_string() }),
        ProjectSource::Services(..) => serde_json::json!({}),
    };
    ProjectDocument { name: name.to_owned(), source: "config", project, started: None, updated_at: None }
}

fn of_api(state: &ApiState, stored: StoredDocument) -> ProjectDocument {
    ProjectDocument {
        project: hidden(state, &stored.document[PROJECT]),
        started: Some(is_started(&stored)),
        name: stored.name,
        source: "rest",
        updated_at: Some(stored.updated_at),
    }
}

fn hidden(state: &ApiState, project: &Value) -> Value {
    let mut project = shown(project);
    state.store.vault().show(&mut project);
    project
}
