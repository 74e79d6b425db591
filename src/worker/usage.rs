//! The resource use of this process, for the worker's row. Unknown if the system does not report
//! it.

use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeValLike;

/// Its resident memory in bytes.
pub(super) fn memory_bytes() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kibibytes: u64 = resident.trim().strip_suffix("kB")?.trim().parse().ok()?;
    kibibytes.checked_mul(1024)
}

/// Processor time since its start, in seconds.
pub(super) fn cpu_seconds() -> Option<f64> {
    let usage = getrusage(UsageWho::RUSAGE_SELF).ok()?;
    let microseconds = (usage.user_time() + usage.system_time()).num_microseconds();
    Some(std::time::Duration::from_micros(u64::try_from(microseconds).ok()?).as_secs_f64())
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_process_uses_something() {
        assert!(super::cpu_seconds().unwrap() > 0.0);
        if cfg!(target_os = "linux") {
            assert!(super::memory_bytes().unwrap() > 100_000);
        }
    }
}
