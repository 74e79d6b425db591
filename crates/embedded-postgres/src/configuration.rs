//! The server's settings: small and cheap when idle. The file is rewritten at every start and is
//! outside the cluster; settings made with `alter system` stay and take precedence, except over
//! durability.

use std::fmt::Write;
use std::fs;
use std::io::ErrorKind;
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};

use super::EmbeddedError;

const HEADER: &str = "\
# Written by tidemill at every start: changes made here are lost.
# Use `alter system set …` in psql instead; it wins over this file.
";

const SETTINGS: &[(&str, &str)] = &[
    ("listen_addresses", "127.0.0.1"),
    ("unix_socket_permissions", "0700"),
    ("max_connections", "100"),
    ("shared_buffers", "128MB"),
    ("max_wal_size", "1GB"),
    ("jit", "off"),
    ("timezone", "UTC"),
    ("log_timezone", "UTC"),
    ("log_line_prefix", "%m [%p] "),
    ("log_min_messages", "warning"),
    // Statements may carry what users keep secret.
    ("log_min_error_statement", "panic"),
    ("log_checkpoints", "off"),
];

/// Writes the settings for one start.
pub(super) fn write(path: &Path, port: u16, socket_dir: &Path) -> Result<(), EmbeddedError> {
    let mut text =
        format!("{HEADER}port = {port}\nunix_socket_directories = {}\n", quoted(&list_item(socket_dir)));
    for (name, value) in SETTINGS {
        writeln!(text, "{name} = {}", quoted(value)).expect("writing to a string cannot fail");
    }
    let unfinished = PathBuf::from(format!("{}.new", path.display()));
    match fs::remove_file(&unfinished) {
        Err(error) if error.kind() != ErrorKind::NotFound => {
            return Err(EmbeddedError::io("replace", &unfinished)(error));
        }
        _ => {}
    }
    readable_by_all(&unfinished, &text)
        .and_then(|()| fs::rename(&unfinished, path))
        .map_err(EmbeddedError::io("write", path))
}

/// Durability is set on the command line, where nothing can override it unnoticed.
pub(super) fn durability(durable: bool) -> [String; 3] {
    let value = if durable { "on" } else { "off" };
    ["fsync", "full_page_writes", "synchronous_commit"].map(|name| format!("{name}={value}"))
}

/// A port that is free now: the last one if it can be had (so that URLs people noted down stay true), else any.
pub(super) fn free_port(path: &Path, prefer_last: bool) -> Result<u16, EmbeddedError> {
    let last = fs::read_to_string(path)
        .ok()
        .and_then(|text| text.lines().find_map(|line| line.strip_prefix("port = ")?.parse().ok()));
    let bind =
        |port: u16| TcpListener::bind((Ipv4Addr::LOCALHOST, port)).and_then(|listener| listener.local_addr());
    last.filter(|_| prefer_last)
        .and_then(|port| bind(port).ok())
        .map_or_else(|| bind(0), Ok)
        .map(|address| address.port())
        .map_err(EmbeddedError::io("find a free loopback port for", path))
}

fn quoted(value: &str) -> String {
    format!("'{}'", value.replace('\\', "\\\\").replace('\'', "''"))
}

/// The setting is a list: in double quotes a comma does not part it.
fn list_item(path: &Path) -> String {
    format!("\"{}\"", path.to_string_lossy().replace('"', "\"\""))
}

fn readable_by_all(path: &Path, text: &str) -> std::io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    fs::write(path, text)?;
    fs::set_permissions(path, fs::Permissions::from_mode(0o644))
}
