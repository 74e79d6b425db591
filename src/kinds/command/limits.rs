//! The resource limits of a command, converted from the config to `setrlimit`. Must never raise a
//! limit of the worker itself.

use std::time::Duration;

use nix::sys::resource::{RLIM_INFINITY, Resource, getrlimit, rlim_t};

/// Limits of each process of a command; `None` leaves the worker's own.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ProcessLimits {
    /// Address space (`RLIMIT_AS`): mapped memory, which is larger than resident memory.
    pub memory_bytes: Option<u64>,
    /// CPU time, rounded up to seconds: SIGXCPU, and SIGKILL a second later.
    pub cpu: Option<Duration>,
    /// Open file descriptors.
    pub open_files: Option<u64>,
    /// Largest file that it may write: SIGXFSZ.
    pub file_size_bytes: Option<u64>,
    /// Processes and threads of the *user* that the command runs as, all together; the kernel
    /// does not hold root to it.
    pub processes: Option<u64>,
}

/// One call of `setrlimit`.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rlimit {
    pub(super) resource: Resource,
    pub(super) soft: rlim_t,
    pub(super) hard: rlim_t,
}

impl ProcessLimits {
    /// The calls to make in the child. Fails only where the kernel does not know a resource.
    pub(super) fn rlimits(&self) -> nix::Result<Vec<Rlimit>> {
        let cpu_seconds = self.cpu.map(|cpu| cpu.as_secs() + u64::from(cpu.subsec_nanos() > 0));
        let wanted = [
            (Resource::RLIMIT_AS, self.memory_bytes, 0),
            (Resource::RLIMIT_CPU, cpu_seconds.map(|seconds| seconds.max(1)), 1),
            (Resource::RLIMIT_NOFILE, self.open_files, 0),
            (Resource::RLIMIT_FSIZE, self.file_size_bytes, 0),
            (Resource::RLIMIT_NPROC, self.processes, 0),
        ];
        let set = wanted.into_iter().filter_map(|(resource, soft, grace)| Some((resource, soft?, grace)));
        set.map(|(resource, soft, grace)| within_ours(resource, soft, soft.saturating_add(grace))).collect()
    }
}

/// Only root may raise a hard limit, so it is never raised.
fn within_ours(resource: Resource, soft: u64, hard: u64) -> nix::Result<Rlimit> {
    let (_, ours) = getrlimit(resource)?;
    let hard = if ours == RLIM_INFINITY { hard } else { hard.min(ours) };
    Ok(Rlimit { resource, soft: soft.min(hard), hard })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cpu_time_is_rounded_up_and_has_a_second_to_react() {
        let limits = ProcessLimits { cpu: Some(Duration::from_millis(1200)), ..ProcessLimits::default() };
        let rlimits = limits.rlimits().unwrap();
        assert_eq!(rlimits.len(), 1);
        assert_eq!((rlimits[0].soft, rlimits[0].hard), (2, 3));
    }

    #[test]
    fn no_limit_is_raised() {
        let (_, ours) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
        let limits = ProcessLimits { open_files: Some(u64::MAX - 1), ..ProcessLimits::default() };
        assert_eq!(limits.rlimits().unwrap()[0].hard, ours.min(u64::MAX - 1));
    }
}
