//! Maps an engine error to the outcome of the job: retry or permanent failure. Every message says
//! which step failed and what to do about it.

use bollard::errors::Error;

use tidemill::JobError;

/// The engine's answer to an unsupported request.
const NOT_SUPPORTED: u16 = 501;
/// Words about a failed network, which may work another time.
const NETWORK: [&str; 11] = [
    "lookup ",
    "no such host",
    " timeout",
    ".timeout",
    "timed out",
    "tls: ",
    "tls handshake",
    "connection refused",
    "connection reset",
    "dial tcp",
    "read tcp",
];

/// The engine's message, with status 404, when its address pools are exhausted.
const NO_ADDRESSES: [&str; 2] = ["address pool among the defaults", "predefined address pools"];

/// The end of an attempt in which the engine failed while `doing` something.
pub(super) fn failed(doing: &str, error: &Error) -> JobError {
    match error {
        Error::DockerResponseServerError { status_code, message } => {
            let remedy = remedy(*status_code, message);
            let detail =
                format!("{doing}: the Docker engine answered {status_code}: {}", sentence(message, remedy));
            // A client error stays the same next time, except for a conflict that ends.
            let refused = (400..500).contains(status_code) && ![408, 409, 425, 429].contains(status_code);
            let passes = NO_ADDRESSES.iter().any(|words| message.contains(words));
            if (refused && !passes) || *status_code == NOT_SUPPORTED || is_permanent(message) {
                JobError::permanent(detail).class("engine_refused")
            } else {
                JobError::retry(detail).class("engine_failed")
            }
        }
        Error::DockerStreamError { error } => {
            let detail = format!("{doing}: {}", sentence(error, remedy(500, error)));
            if is_permanent(error) {
                JobError::permanent(detail).class("engine_refused")
            } else {
                JobError::retry(detail).class("engine_failed")
            }
        }
        other => JobError::retry(format!(
            "{doing}: the Docker engine does not answer: {}. Check that it is running and that hub.engine \
             names it.",
            first_cause(other)
        ))
        .class("engine_unreachable"),
    }
}

/// The innermost cause, such as "Connection refused".
fn first_cause(error: &Error) -> &dyn std::error::Error {
    let mut cause: &dyn std::error::Error = error;
    while let Some(deeper) = cause.source() {
        cause = deeper;
    }
    cause
}

/// The remedy for an engine error, by its words or, if they are unknown, its status.
pub(super) fn remedy(status: u16, message: &str) -> &'static str {
    const BY_WORDS: [(&[&str], &str); 9] = [
        (
            &NO_ADDRESSES,
            "Remove unused networks, such as with docker network prune, or give the engine more \
             default-address-pools.",
        ),
        (&["no matching manifest"], "Use an image that is built for the engine's machine, or build one."),
        (
            &[
                "pull access denied",
                "manifest unknown",
                "manifest for ",
                "unauthorized",
                "denied: ",
                "invalid reference",
                "must be lowercase",
            ],
            "Correct the image's name; one of a private registry needs a login of docker compose on the worker's machine \
             (hub.compose = \"program\"), or must be pulled or loaded into the engine by hand.",
        ),
        (&["no space left"], "Free space on the engine's disk, such as with docker system prune."),
        (
            &["port is already allocated", "address already in use"],
            "Publish another port, or stop the program that uses this one.",
        ),
        (
            &["is already in use by container"],
            "Remove or rename the container that has the name, or give the service another container_name.",
        ),
        (
            &["mount", "bind source path"],
            "Check that the folder exists on the engine's machine, and correct volumes.",
        ),
        (
            &["executable file not found", "no such file or directory", "exec format error", "exec:"],
            "Correct the service's command or entrypoint, or build the program into its image.",
        ),
        (
            &["does not support reading"],
            "Give the service a logging driver that can be read, such as json-file.",
        ),
    ];
    let lower = message.to_lowercase();
    if let Some((_, remedy)) =
        BY_WORDS.iter().find(|(words, _)| words.iter().any(|word| lower.contains(word)))
    {
        return remedy;
    }
    if NETWORK.iter().any(|word| lower.contains(word)) {
        return "Check that the engine's machine can reach that address, then start it again.";
    }
    match status {
        401 | 403 => "Give the worker's account access to the engine that hub.engine names.",
        404 => "The requested object no longer exists; start the project again.",
        409 => {
            "Another program is changing the same objects; check with docker ps --all, then start it again."
        }
        400..500 => "Correct the project's description as this message says, then start it again.",
        _ => "Read the engine's own log, then start it again.",
    }
}

/// True if the error with these words is permanent: an invalid Dockerfile, a missing image.
pub(super) fn is_permanent(words: &str) -> bool {
    const PERMANENT: [&str; 15] = [
        "dockerfile parse error",
        "failed to parse dockerfile",
        "unknown instruction",
        "no build stage in current context",
        "copy failed: file not found",
        "add failed: file not found",
        "forbidden path outside the build context",
        "failed to reach build target",
        "failed to read dockerfile",
        "cannot locate specified dockerfile",
        "pull access denied",
        "manifest unknown",
        "manifest for ",
        "invalid reference format",
        "repository name must be lowercase",
    ];
    let words = words.to_lowercase();
    let has = |word: &&str| words.contains(*word);
    // Both missing files of the context and failed downloads start like this.
    let is_missing = words.contains("failed to compute cache key") && words.contains("not found");
    (is_missing || PERMANENT.iter().any(has)) && !NETWORK.iter().any(has)
}

/// Two sentences, the first of which comes from another program.
pub(super) fn sentence(detail: &str, remedy: &str) -> String {
    let detail = detail.trim();
    let end = if detail.ends_with(['.', '!', '?']) { "" } else { "." };
    format!("{detail}{end} {remedy}")
}

/// True if the engine says that there is no such thing.
pub(super) fn is_missing(error: &Error) -> bool {
    matches!(error, Error::DockerResponseServerError { status_code: 404, .. })
}

/// True if the engine says that it cannot do that.
pub(super) fn is_not_supported(error: &Error) -> bool {
    matches!(error, Error::DockerResponseServerError { status_code: NOT_SUPPORTED, .. })
}

/// True if the engine says that it is so already, or is about to be.
pub(super) fn is_so_already(error: &Error) -> bool {
    matches!(error, Error::DockerResponseServerError { status_code: 304 | 409, .. })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_error_says_what_to_do() {
        let answered = |status_code, message: &str| {
            failed("starting web", &Error::DockerResponseServerError { status_code, message: message.into() })
        };
        for (status, message, remedy) in [
            (404, "pull access denied for shop", "Correct the image's name"),
            (500, "Bind for 0.0.0.0:80 failed: port is already allocated", "Publish another port"),
            (500, "write /x: no space left on device", "Free space"),
            (409, "The name \"/web\" is already in use by container \"ab\"", "another container_name"),
            (500, "dial tcp: lookup registry: no such host", "can reach that address"),
            (400, "exec: \"serve\": executable file not found in $PATH", "command or entrypoint"),
            (400, "odd", "Correct the project's description"),
            (404, "no such container", "start the project again"),
            (409, "removal in progress", "docker ps --all"),
            (403, "no", "hub.engine"),
            (
                404,
                "could not find an available, non-overlapping IPv4 address pool among the defaults",
                "prune",
            ),
            (501, "configured logging driver does not support reading", "json-file"),
            (500, "odd", "the engine's own log"),
        ] {
            let detail = answered(status, message).to_string();
            assert!(
                detail
                    .starts_with(&format!("starting web: the Docker engine answered {status}: {message}. ")),
                "{detail}"
            );
            assert!(detail.contains(remedy), "{detail}");
        }
        let stream = failed("pulling a", &Error::DockerStreamError { error: "unexpected EOF".into() });
        assert_eq!(
            stream.to_string(),
            "pulling a: unexpected EOF. Read the engine's own log, then start it again."
        );
    }

    #[test]
    fn what_would_fail_at_any_time_is_known_from_what_may_pass() {
        for words in [
            "Cannot locate specified Dockerfile: Dockerfile",
            "COPY failed: Forbidden path outside the build context: ../x ()",
            "failed to compute cache key: failed to calculate checksum of ref a::b: \"/missing\": not found",
            "no matching manifest for linux/arm64/v8 in the manifest list entries",
            "manifest for shop:1 not found: manifest unknown",
            "invalid reference format",
            "invalid reference format: repository name must be lowercase",
            "repository name must be lowercase",
        ] {
            assert!(is_permanent(words), "{words}");
            let stream = failed("pulling a", &Error::DockerStreamError { error: words.into() });
            assert!(stream.is_permanent(), "{words}");
            let server = Error::DockerResponseServerError { status_code: 500, message: words.into() };
            assert!(failed("building a", &server).is_permanent(), "{words}");
        }
        for words in [
            "failed to compute cache key: failed to copy: read tcp 10.0.0.1:5->10.0.0.2:443: connection timed out",
            "failed to compute cache key: failed to fetch x: 404 not found: dial tcp: lookup registry: no such host",
            "The command '/bin/sh -c make' returned a non-zero code: 2",
        ] {
            assert!(!is_permanent(words), "{words}");
        }
        let full = "all predefined address pools have been fully subnetted".to_owned();
        let full = Error::DockerResponseServerError { status_code: 404, message: full };
        assert!(!failed("making the network shop", &full).is_permanent());
        let unread = Error::DockerResponseServerError { status_code: 501, message: "no".into() };
        assert!(failed("reading", &unread).is_permanent() && is_not_supported(&unread));
    }
}
