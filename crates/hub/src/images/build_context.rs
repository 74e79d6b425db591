//! The context folder of a build as the stream that the engine reads: without the files that
//! `.dockerignore` names. Must never hold the whole stream in memory.

use std::io::{self, BufWriter, Write};
use std::path::Path;
use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use futures_util::{Stream, stream};
use globset::{GlobBuilder, GlobMatcher};
use tokio::sync::mpsc;

use crate::compose::Build;

/// The bytes sent at once.
const CHUNK_BYTES: usize = 256 * 1024;

/// Packs the context in a separate thread, which ends when the stream is dropped. The error, if any, is
/// returned separately, because the sender of the stream does not report it.
pub(crate) fn packed(
    build: &Build,
) -> (impl Stream<Item = Result<Bytes, io::Error>> + Send + 'static, Arc<OnceLock<io::Error>>) {
    let (chunks, packed) = mpsc::channel(4);
    let build = build.clone();
    let unpacked = Arc::new(OnceLock::new());
    let cause = unpacked.clone();
    tokio::task::spawn_blocking(move || {
        let pipe = Pipe(chunks.clone());
        match pack(&build, pipe) {
            Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
                let _ = cause.set(error);
                let _ = chunks.blocking_send(Err(io::ErrorKind::Other.into()));
            }
            // A reader that has stopped needs no error.
            _ => {}
        }
    });
    let stream =
        stream::unfold(packed, |mut packed| async move { packed.recv().await.map(|chunk| (chunk, packed)) });
    (stream, unpacked)
}

struct Pipe(mpsc::Sender<Result<Bytes, io::Error>>);

impl Write for Pipe {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let sent = self.0.blocking_send(Ok(Bytes::copy_from_slice(bytes)));
        sent.map(|()| bytes.len()).map_err(|_| io::Error::from(io::ErrorKind::BrokenPipe))
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn pack(build: &Build, pipe: impl Write) -> io::Result<()> {
    let ignored = Ignored::read(build)?;
    let mut archive = tar::Builder::new(BufWriter::with_capacity(CHUNK_BYTES, pipe));
    archive.follow_symlinks(false);
    add(&mut archive, &build.context, Path::new(""), &ignored)?;
    archive.into_inner()?.flush()
}

fn add(
    archive: &mut tar::Builder<impl Write>,
    root: &Path,
    below: &Path,
    ignored: &Ignored,
) -> io::Result<()> {
    let at = |path: &Path| {
        let path = root.join(path);
        move |error: io::Error| io::Error::new(error.kind(), format!("{}: {error}", path.display()))
    };
    let entries = std::fs::read_dir(root.join(below)).map_err(at(below))?;
    let mut entries: Vec<_> = entries.collect::<Result<_, _>>().map_err(at(below))?;
    // The same order each time, so that unchanged files do not look changed.
    entries.sort_by_key(std::fs::DirEntry::file_name);
    for entry in entries {
        let path = below.join(entry.file_name());
        let kind = entry.file_type().map_err(at(&path))?;
        let skipped = ignored.skips(&path);
        if kind.is_dir() {
            if !skipped {
                archive.append_dir(&path, entry.path()).map_err(at(&path))?;
            } else if !ignored.may_keep_below {
                continue;
            }
            add(archive, root, &path, ignored)?;
        } else if !skipped && (kind.is_file() || kind.is_symlink()) {
            archive.append_path_with_name(entry.path(), &path).map_err(at(&path))?;
        }
    }
    Ok(())
}

/// The rules of `.dockerignore`.
struct Ignored {
    /// In order: the last matching rule decides. True for a rule that keeps files.
    rules: Vec<(bool, GlobMatcher)>,
    may_keep_below: bool,
    /// Needed by the engine whatever the rules say.
    needed: [std::path::PathBuf; 2],
}

impl Ignored {
    fn read(build: &Build) -> io::Result<Self> {
        let text = match std::fs::read_to_string(build.context.join(".dockerignore")) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
            Err(error) => return Err(io::Error::new(error.kind(), format!(".dockerignore: {error}"))),
        };
        let needed = [build.dockerfile.trim_start_matches("./").into(), ".dockerignore".into()];
        let lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
        let rules: Vec<_> = lines.map(rule).collect::<Result<_, _>>()?;
        let may_keep_below = rules.iter().any(|(keeps, _)| *keeps);
        Ok(Self { rules, may_keep_below, needed })
    }

    /// A path is excluded with any of its parent folders.
    fn skips(&self, path: &Path) -> bool {
        if self.needed.iter().any(|needed| needed == path) {
            return false;
        }
        let fits = |glob: &GlobMatcher| path.ancestors().any(|part| glob.is_match(part));
        self.rules.iter().rev().find(|(_, glob)| fits(glob)).is_some_and(|(keeps, _)| !keeps)
    }
}

fn rule(line: &str) -> io::Result<(bool, GlobMatcher)> {
    let (keeps, pattern) = line.strip_prefix('!').map_or((false, line), |pattern| (true, pattern));
    let pattern = pattern.trim().trim_start_matches("./").trim_matches('/');
    let pattern = if pattern == "." { "**" } else { pattern };
    let glob = GlobBuilder::new(pattern).literal_separator(true).backslash_escape(true).build();
    let wrong = |error| io::Error::new(io::ErrorKind::InvalidInput, format!(".dockerignore: {error}"));
    Ok((keeps, glob.map_err(wrong)?.compile_matcher()))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::fs;

    use futures_util::StreamExt as _;

    use super::*;

    #[test]
    fn the_context_is_packed_without_what_is_ignored() {
        let folder = tempfile::tempdir().unwrap();
        for path in [
            "Dockerfile",
            "a.txt",
            "b.log",
            "keep.log",
            "node_modules/x/y",
            "src/deep/c.log",
            "out/keep/k",
            "out/x",
        ] {
            let path = folder.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "x").unwrap();
        }
        let rules = "# rules\nDockerfile\n**/*.log\n!keep.log\n/node_modules/\nout\n!out/keep\n";
        fs::write(folder.path().join(".dockerignore"), rules).unwrap();
        let mut bytes = Vec::new();
        pack(&build_of(folder.path()), &mut bytes).unwrap();
        let mut archive = tar::Archive::new(&bytes[..]);
        let paths: Vec<_> = archive
            .entries()
            .unwrap()
            .map(|entry| entry.unwrap().path().unwrap().display().to_string())
            .collect();
        let expected =
            [".dockerignore", "Dockerfile", "a.txt", "keep.log", "out/keep", "out/keep/k", "src", "src/deep"];
        assert_eq!(paths.iter().map(|path| path.trim_end_matches('/')).collect::<Vec<_>>(), expected);
    }

    #[tokio::test]
    async fn why_a_context_cannot_be_packed_is_known() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join(".dockerignore"), "a[\n").unwrap();
        let (stream, unpacked) = packed(&build_of(folder.path()));
        let pieces: Vec<_> = stream.collect().await;
        assert!(pieces.last().is_some_and(Result::is_err));
        assert!(unpacked.get().unwrap().to_string().starts_with(".dockerignore: "), "{unpacked:?}");
        let (stream, unpacked) = packed(&build_of(&folder.path().join("none")));
        drop(stream.collect::<Vec<_>>().await);
        assert!(unpacked.get().unwrap().to_string().contains("/none/: "), "{unpacked:?}");
    }

    fn build_of(context: &Path) -> Build {
        Build {
            context: context.to_owned(),
            dockerfile: "Dockerfile".into(),
            args: BTreeMap::new(),
            target: None,
            network: None,
            notes: Vec::new(),
        }
    }
}
