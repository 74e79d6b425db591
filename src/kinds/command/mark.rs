//! The variable by which processes of a command are recognised.

/// The variable that identifies a process that left its attempt's process group.
pub(super) const MARK: &str = "TIDEMILL_ENCLOSURE";
