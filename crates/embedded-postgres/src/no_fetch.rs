//! Replaces the download of the server's programs in a build without the feature `fetch`: returns
//! an error. Must never use the network.

use std::path::{Path, PathBuf};

/// Refuses.
#[expect(clippy::unused_async, reason = "the same interface as with the feature")]
pub(super) async fn fetch(_: &Path, _: Option<u32>) -> Result<PathBuf, String> {
    Err("this build cannot fetch it: it lacks the feature fetch".to_owned())
}
