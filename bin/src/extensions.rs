//! The extensions of this build, by its features.

use tidemill_settings::configured::Extensions;

/// The extensions that come with the binary, in the order of the manual.
#[must_use]
pub fn extensions() -> Extensions {
    let extensions = Extensions::none();
    #[cfg(feature = "browser")]
    let extensions =
        extensions.with::<tidemill_browser::agent::Agent>().with::<tidemill_browser::bughive::BugHive>();
    #[cfg(feature = "docker")]
    let extensions = extensions.with::<tidemill_hub::Hub>();
    extensions
}
