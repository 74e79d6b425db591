//! The id of a worker: readable, and never the same twice.

use uuid::Uuid;

/// Name, process id and a random part: readable, and never the same twice.
pub(super) fn worker_id(name: &str) -> String {
    let random = Uuid::new_v4().simple().to_string();
    let name = if name.is_empty() { host_name() } else { name.to_owned() };
    format!("{name}:{}:{}", std::process::id(), &random[..6])
}

/// The machine's name.
pub(super) fn host_name() -> String {
    gethostname::gethostname().to_string_lossy().into_owned()
}
