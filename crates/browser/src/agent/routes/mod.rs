//! The routes of browser tasks, in the shapes of existing callers. Each only translates: must add
//! nothing that the rest of the API cannot do.

mod execute;
mod frames;
mod socket;
mod status;
mod target;

use tidemill::{Routes, Scope};
use utoipa_axum::routes;

pub(super) use execute::args_check;
pub(super) use target::Target;

const ENQUEUE: &[Scope] = &[Scope::Enqueue];
/// A caller that enqueues may follow the task.
const FOLLOW: &[Scope] = &[Scope::Read, Scope::Enqueue];

/// All of them.
pub(super) fn routes(target: Target) -> Routes {
    Routes::none()
        .tag("tasks", "Tasks that a model carries out in a browser.")
        .route(ENQUEUE, routes!(execute::execute))
        .route(FOLLOW, routes!(status::show))
        .stream_of_job(FOLLOW, routes!(socket::follow))
        .with(target)
}
