//! Recreates a container whose service has changed: stops it by its own stop settings, and moves
//! its unnamed volumes to the new container, as compose does.

use std::collections::BTreeSet;

use bollard::errors::Error;
use bollard::models::ContainerSummary;
use bollard::query_parameters::StopContainerOptions;

use crate::cancel::Rollback;
use crate::compose::{Mount, Service};
use crate::engine::{Engine, id_of};
use crate::engine_error::{is_missing, is_so_already};

/// The volumes of old containers, the newest first, for the new one in the engine's format: those at places
/// where the service or its image declares an unnamed volume.
pub(crate) fn carried(service: &Service, of_image: &[String], old: &[ContainerSummary]) -> Vec<String> {
    let mut places: BTreeSet<&str> = of_image.iter().map(|place| plain(place)).collect();
    for mount in &service.mounts {
        match mount {
            Mount::Anonymous(place) => places.insert(plain(place)),
            Mount::Bind(bind) => places.remove(plain(bind.split(':').nth(1).unwrap_or_default())),
        };
    }
    for place in service.extras.tmpfs.keys() {
        places.remove(plain(place));
    }
    let mut carried = Vec::new();
    for mount in old.iter().filter_map(|old| old.mounts.as_ref()).flatten() {
        let volume = mount.name.as_ref().filter(|_| mount.typ.as_deref() == Some("volume"));
        if let (Some(volume), Some(place)) = (volume, &mount.destination)
            && places.remove(plain(place))
        {
            carried.push(format!("{volume}:{place}"));
        }
    }
    carried
}

fn plain(place: &str) -> &str {
    place.trim_end_matches('/')
}

/// Stops the old container of a service within its own stop time, and removes it: `new` replaces it.
pub(crate) async fn retire(
    engine: &Engine,
    rollback: &Rollback,
    old: &ContainerSummary,
    new: &str,
) -> Result<(), Error> {
    match engine.stop_container(id_of(old), None::<StopContainerOptions>).await {
        Err(error) if !is_missing(&error) && !is_so_already(&error) => return Err(error),
        _ => {}
    }
    rollback.replace(id_of(old), new).await
}

/// True if the engine uses this name for it.
pub(crate) fn has_name(container: &ContainerSummary, name: &str) -> bool {
    container.names.iter().flatten().any(|known| known.trim_start_matches('/') == name)
}
