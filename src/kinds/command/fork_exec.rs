//! The two steps without a safe interface: the work of a child between fork and exec, and waiting
//! for its exit status with the kernel's memory statistics. The only `unsafe` code of the command
//! kinds.

#![expect(unsafe_code, reason = "the kernel calls that no safe library offers; each says why it is sound")]

use std::io;
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::os::unix::process::CommandExt;
use std::process::Command;

use nix::errno::Errno;
use nix::sys::prctl;
use nix::sys::resource::setrlimit;
use nix::sys::signal::Signal;
use nix::unistd::{Pid, getpid, getppid, setsid};

use super::limits::Rlimit;

/// The first descriptor that a command must not inherit: 0 to 2 and the channel are its own.
const FIRST_FOREIGN_DESCRIPTOR: libc::c_uint = 4;

/// Makes the child lead a session of its own, die with its parent, live within `limits`, and
/// inherit no other descriptor. To be called after everything else was set on `command`.
pub(super) fn confine(command: &mut Command, limits: Vec<Rlimit>) {
    let worker = getpid();
    // SAFETY: the closure runs in the forked copy of a process with threads, so it must not
    // allocate, lock or unwind. It makes system calls on values made before the fork, and errors
    // are plain numbers.
    unsafe {
        command.pre_exec(move || confine_self(worker, &limits));
    }
}

/// Makes the child enter a cgroup by its `door` before anything else of it runs.
pub(super) fn start_in(command: &mut Command, door: OwnedFd) {
    // SAFETY: as in `confine`: one system call on a descriptor that was opened before the fork.
    unsafe {
        command.pre_exec(move || Ok(nix::unistd::write(&door, b"0").map(|_| ())?));
    }
}

fn confine_self(worker: Pid, limits: &[Rlimit]) -> io::Result<()> {
    setsid()?;
    prctl::set_pdeathsig(Signal::SIGKILL)?;
    // The worker may have died before the kernel knew that we care.
    if getppid() != worker {
        return Err(Errno::ESRCH.into());
    }
    close_foreign_descriptors();
    for limit in limits {
        setrlimit(limit.resource, limit.soft, limit.hard)?;
    }
    Ok(())
}

/// Our descriptors close on exec anyway; this covers those that a library opened without that flag. Kernels
/// before 5.11 do not support the call; that must not prevent a start.
fn close_foreign_descriptors() {
    // SAFETY: only marks descriptors of this process to be closed by exec; touches no memory.
    unsafe {
        libc::syscall(
            libc::SYS_close_range,
            FIRST_FOREIGN_DESCRIPTOR,
            libc::c_uint::MAX,
            libc::CLOSE_RANGE_CLOEXEC,
        );
    }
}

/// Reaps `child`, which has ended or is about to, with what it and its waited-for children used.
pub(super) fn wait_with_usage(child: Pid) -> io::Result<(libc::c_int, libc::rusage)> {
    let mut status = 0;
    let mut usage = MaybeUninit::<libc::rusage>::zeroed();
    loop {
        // SAFETY: both pointers are valid for writes for the whole call.
        let reaped = unsafe { libc::wait4(child.as_raw(), &raw mut status, 0, usage.as_mut_ptr()) };
        if reaped == child.as_raw() {
            // SAFETY: all zeroes is a valid `rusage`, and the kernel has filled it.
            return Ok((status, unsafe { usage.assume_init() }));
        }
        let error = io::Error::last_os_error();
        if error.kind() != io::ErrorKind::Interrupted {
            return Err(error);
        }
    }
}
