//! Overwrites secrets in the two blocks of memory that the kernel shows as /proc/PID/cmdline and
//! /proc/PID/environ. The only code that writes there; must never change a length, or anything but
//! the secrets.

#![expect(
    unsafe_code,
    reason = "no safe library reaches the blocks that the kernel gave this process at its start"
)]

use std::ops::Range;
use std::slice;
use std::sync::Mutex;

/// The index of the first field of /proc/self/stat that locates the blocks, counted after the command's
/// name.
const ARGUMENTS: usize = 45;
const VARIABLES: usize = 47;

/// One writer at a time.
static WRITER: Mutex<()> = Mutex::new(());

/// Hides passwords in the URLs of the command line.
pub(super) fn passwords_of_arguments() {
    within(ARGUMENTS, |argument| {
        for range in passwords(argument) {
            argument[range].fill(b'*');
        }
    });
}

/// Empties the variables whose names match.
pub(super) fn variables(is_meant: impl Fn(&[u8]) -> bool) {
    within(VARIABLES, |variable| {
        if let Some(equals) = variable.iter().position(|byte| *byte == b'=')
            && is_meant(&variable[..equals])
        {
            variable[equals + 1..].fill(0);
        }
    });
}

/// Passes on each text of a block.
fn within(field: usize, act: impl Fn(&mut [u8])) {
    let _writer = WRITER.lock();
    let Some(block) = block(field) else { return };
    // SAFETY: the kernel says that these addresses hold this process's own arguments or variables, which stay mapped
    // and writable as long as it lives. Code that parsed them has copies; no reference into them exists,
    // and a reader in C sees the old or the new bytes of a text that keeps its end.
    let block = unsafe { slice::from_raw_parts_mut(block.start as *mut u8, block.len()) };
    for text in block.split_mut(|byte| *byte == 0) {
        act(text);
    }
}

fn block(field: usize) -> Option<Range<usize>> {
    let stat = std::fs::read_to_string("/proc/self/stat").ok()?;
    // The command's name may contain spaces and parentheses.
    let mut fields = stat.rsplit_once(')')?.1.split_ascii_whitespace().skip(field);
    let mut address = || fields.next()?.parse::<usize>().ok().filter(|address| *address != 0);
    let block = address()?..address()?;
    (block.start < block.end).then_some(block)
}

/// The positions of passwords in a URL: after the user name, and as a parameter.
fn passwords(argument: &[u8]) -> Vec<Range<usize>> {
    let find = |from: usize, what: &[u8]| {
        argument[from..].windows(what.len()).position(|found| found == what).map(|at| from + at)
    };
    let Some(authority) = find(0, b"://").map(|at| at + 3) else { return Vec::new() };
    let end = argument[authority..].iter().position(|byte| b"/?#".contains(byte));
    let end = end.map_or(argument.len(), |at| authority + at);
    let mut found = Vec::new();
    if let Some(at) = argument[authority..end].iter().rposition(|byte| *byte == b'@')
        && let Some(colon) = argument[authority..authority + at].iter().position(|byte| *byte == b':')
    {
        found.push(authority + colon + 1..authority + at);
    }
    let mut from = end;
    while let Some(at) = find(from, b"password=") {
        let begin = at + b"password=".len();
        let length = argument[begin..].iter().position(|byte| b"&#".contains(byte));
        from = length.map_or(argument.len(), |length| begin + length);
        found.push(begin..from);
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hidden(argument: &str) -> String {
        let mut bytes = argument.as_bytes().to_vec();
        for range in passwords(&bytes.clone()) {
            bytes[range].fill(b'*');
        }
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn of_a_url_only_the_passwords_go() {
        for (argument, left) in [
            ("postgres://me:pass@host/db", "postgres://me:****@host/db"),
            (
                "--database-url=postgres://me:p@s@host:5432/db?x=1",
                "--database-url=postgres://me:***@host:5432/db?x=1",
            ),
            (
                "postgres://h/db?password=abc&user=x&sslpassword=de",
                "postgres://h/db?password=***&user=x&sslpassword=**",
            ),
            ("postgres://me@host/db:x@y", "postgres://me@host/db:x@y"),
            ("postgres://host", "postgres://host"),
            ("--listen", "--listen"),
            ("name:word@host", "name:word@host"),
        ] {
            assert_eq!(hidden(argument), left);
        }
    }

    #[test]
    fn the_blocks_are_where_the_kernel_says() {
        // Read, not written: other tests run in this process.
        let arguments = block(ARGUMENTS).unwrap();
        let variables = block(VARIABLES).unwrap();
        assert_eq!(arguments.len(), std::fs::read("/proc/self/cmdline").unwrap().len());
        assert_eq!(variables.len(), std::fs::read("/proc/self/environ").unwrap().len());
    }
}
