//! Finds parts of a Dockerfile that the engine's own builder does not support, or supports only
//! with further options. Only reads.

use crate::compose::Build;

/// The platform arguments that `BuildKit` sets by itself.
const SIDES: [&str; 2] = ["TARGET", "BUILD"];
const PARTS: [&str; 4] = ["PLATFORM", "OS", "ARCH", "VARIANT"];

/// The first instruction of a build's Dockerfile that only `BuildKit` supports.
pub(crate) fn needs_buildkit(build: &Build) -> Option<String> {
    let text = read(build)?;
    let mut comments = text.lines().map(str::trim).take_while(|line| line.starts_with('#'));
    let syntax = comments.find(|line| {
        let directive = line.trim_start_matches('#').split_once('=');
        directive.is_some_and(|(name, _)| name.trim().eq_ignore_ascii_case("syntax"))
    });
    syntax.map(str::to_owned).or_else(|| instructions(&text).iter().find_map(|line| of_buildkit(line)))
}

/// The arguments about platforms that it declares without a value.
pub(crate) fn platform_args(build: &Build) -> Vec<String> {
    let text = read(build).unwrap_or_default();
    let mut words = Vec::new();
    for line in instructions(&text) {
        let mut line = line.split_whitespace();
        if line.next().is_some_and(|instruction| instruction.eq_ignore_ascii_case("arg")) {
            words.extend(line.map(str::to_owned));
        }
    }
    let is_known = |word: &String| {
        let part = SIDES.iter().find_map(|side| word.strip_prefix(side));
        part.is_some_and(|part| PARTS.contains(&part))
    };
    words.retain(is_known);
    words
}

/// The value of such an argument on an engine of this system and processor.
pub(crate) fn platform(name: &str, os: &str, arch: &str) -> String {
    match name {
        _ if name.ends_with("PLATFORM") => format!("{os}/{arch}"),
        _ if name.ends_with("OS") => os.to_owned(),
        _ if name.ends_with("ARCH") => arch.to_owned(),
        _ => String::new(),
    }
}

fn read(build: &Build) -> Option<String> {
    std::fs::read_to_string(build.context.join(&build.dockerfile)).ok()
}

/// Its instructions, each in one line, without comments.
fn instructions(text: &str) -> Vec<String> {
    let (mut whole, mut begun) = (Vec::new(), String::new());
    for line in text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#')) {
        if let Some(part) = line.strip_suffix('\\') {
            begun.extend([part, " "]);
        } else {
            whole.push(std::mem::take(&mut begun) + line);
        }
    }
    whole.push(begun);
    whole
}

/// An instruction with the word that only `BuildKit` supports.
fn of_buildkit(line: &str) -> Option<String> {
    let mut words = line.split_whitespace().peekable();
    words.next_if(|word| word.eq_ignore_ascii_case("onbuild"));
    let instruction = words.next()?.to_ascii_uppercase();
    let known: &[&str] = match instruction.as_str() {
        // It fills in the variables of the platform here as well.
        "FROM" => {
            let word = words.find(|word| word.starts_with("--platform=") && word.contains('$'))?;
            return Some(format!("{instruction} {word}"));
        }
        "RUN" => &[],
        "COPY" => &["--from=", "--chown="],
        "ADD" => &["--chown="],
        _ => return None,
    };
    let mut in_flags = true;
    let word = words.find(|word| {
        in_flags &= word.starts_with("--");
        if in_flags { !known.iter().any(|flag| word.starts_with(flag)) } else { begins_here_document(word) }
    })?;
    Some(format!("{instruction} {word}"))
}

/// Such as `<<EOF`, `<<-'EOF'` or `3<<EOF`.
fn begins_here_document(word: &str) -> bool {
    let number = word.trim_start_matches(|c: char| c.is_ascii_digit());
    let name = number.strip_prefix("<<").map(|name| name.trim_start_matches(['-', '"', '\'']));
    name.is_some_and(|name| name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_'))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    /// A build with this Dockerfile; the folder must live as long.
    fn build_of(text: &str) -> (tempfile::TempDir, Build) {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("Dockerfile"), text).unwrap();
        let build = Build {
            context: folder.path().to_owned(),
            dockerfile: "Dockerfile".into(),
            args: BTreeMap::new(),
            target: None,
            network: None,
            notes: Vec::new(),
        };
        (folder, build)
    }

    #[test]
    fn what_is_for_buildkit_is_known() {
        for (text, expected) in [
            ("FROM a\nRUN --mount=type=cache,target=/x make", "RUN --mount=type=cache,target=/x"),
            ("run --network=none make", "RUN --network=none"),
            ("COPY --from=a --link /a /b", "COPY --link"),
            ("COPY --chmod=755 a /a", "COPY --chmod=755"),
            ("COPY --parents a/b /", "COPY --parents"),
            ("COPY --exclude=*.md . /", "COPY --exclude=*.md"),
            ("ADD --checksum=sha256:1 https://a /a", "ADD --checksum=sha256:1"),
            ("ADD --keep-git-dir=true https://a.git /a", "ADD --keep-git-dir=true"),
            ("RUN <<EOF\nmake\nEOF", "RUN <<EOF"),
            ("RUN python3 <<'EOF'\nprint(1)\nEOF", "RUN <<'EOF'"),
            ("RUN cat <<EOF > /a\n1\nEOF", "RUN <<EOF"),
            ("COPY <<-EOF /a\n1\nEOF", "COPY <<-EOF"),
            (
                "RUN \\\n  # why\n\n  --mount=type=tmpfs,target=/x \\\n  make",
                "RUN --mount=type=tmpfs,target=/x",
            ),
            ("ONBUILD RUN --mount=type=ssh make", "RUN --mount=type=ssh"),
            ("# escape=\\\n# syntax=docker/dockerfile:1\nFROM a", "# syntax=docker/dockerfile:1"),
            ("FROM --platform=$BUILDPLATFORM a", "FROM --platform=$BUILDPLATFORM"),
        ] {
            let (_folder, build) = build_of(text);
            assert_eq!(needs_buildkit(&build).as_deref(), Some(expected), "{text}");
        }
        for text in [
            "RUN make --mount=x",
            "COPY --from=a --chown=b /a /b",
            "RUN cat <<<word && echo $((1<<2)) 1 << 2",
            "FROM --platform=linux/amd64 a",
            "",
            "FROM a\n# RUN --mount=\n# syntax=no",
            "RUN make \\",
        ] {
            let (_folder, build) = build_of(text);
            assert_eq!(needs_buildkit(&build), None, "{text}");
        }
    }

    #[test]
    fn requirements_on_the_platform_are_reported() {
        let (_folder, build) = build_of(
            "ARG BUILDOS\nFROM a\nARG TARGETARCH TARGETPLATFORM\narg \\\n TARGETVARIANT\nARG TARGETOS=x BUILD TARGETS",
        );
        let asked = platform_args(&build);
        assert_eq!(asked, ["BUILDOS", "TARGETARCH", "TARGETPLATFORM", "TARGETVARIANT"]);
        let answer: Vec<_> = asked.iter().map(|name| platform(name, "linux", "arm64")).collect();
        assert_eq!(answer, ["linux", "arm64", "linux/arm64", ""]);
    }
}
