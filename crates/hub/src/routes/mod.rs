//! The hub's routes, in the shapes that existing callers of such a hub use. Each only translates:
//! must add nothing that the rest of the API cannot do.

mod project_name;
mod projects;
mod stuck;
mod task_status;
mod verbs;

use std::sync::Arc;

use tidemill::{Routes, Scope};
use utoipa_axum::routes;

use crate::spec::HubSettings;

const ENQUEUE: &[Scope] = &[Scope::Enqueue];
/// A caller that enqueues may follow the task.
const FOLLOW: &[Scope] = &[Scope::Read, Scope::Enqueue];
const READ: &[Scope] = &[Scope::Read];
const ADMIN: &[Scope] = &[Scope::Admin];

/// All of them; each gets the settings.
pub(crate) fn routes(settings: Arc<HubSettings>) -> Routes {
    Routes::none()
        .tag(
            "hub",
            "Projects of containers, with the routes and shapes that existing callers of the hub use.",
        )
        .route(ENQUEUE, routes!(verbs::start))
        .route(ENQUEUE, routes!(verbs::stop))
        .route(ENQUEUE, routes!(verbs::restart))
        .route(ENQUEUE, routes!(verbs::logs))
        .route(FOLLOW, routes!(task_status::status))
        .route(FOLLOW, routes!(task_status::status_too))
        .route(READ, routes!(projects::list))
        .route(READ, routes!(projects::show))
        .route(ADMIN, routes!(projects::set))
        .route(ADMIN, routes!(projects::delete))
        .route(ADMIN, routes!(stuck::list))
        .route(ADMIN, routes!(stuck::cancel))
        .route(ADMIN, routes!(stuck::restart))
        .with(settings)
}
