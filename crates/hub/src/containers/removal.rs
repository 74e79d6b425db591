//! The removal of a container.

use bollard::errors::Error;
use bollard::query_parameters::RemoveContainerOptionsBuilder;

use crate::engine::Engine;
use crate::engine_error::is_missing;

/// Removes a container. Its volumes stay.
pub(crate) async fn take_away(engine: &Engine, id: &str) -> Result<(), Error> {
    let options = RemoveContainerOptionsBuilder::new().force(true).build();
    match engine.remove_container(id, Some(options)).await {
        Err(error) if !is_missing(&error) => Err(error),
        _ => Ok(()),
    }
}
