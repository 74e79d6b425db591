//! A file that a command stores with its job: opened below the command's working directory, and sent to the
//! object storage. Must never open a file outside that directory.

use std::fs::File;
use std::os::fd::OwnedFd;
use std::path::{Component, Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::{OFlag, open, openat};
use nix::sys::stat::Mode;
use serde::Deserialize;

use crate::job::file_name;
use crate::worker::context::Context;
use crate::worker::handler::JobError;

/// The file, as its command names it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct KeptFile {
    /// Its place below the working directory.
    path: String,
    /// Its name within the job; by default the last part of `path`.
    name: Option<String>,
    /// Its content type; by default the one that the ending of its name stands for.
    content_type: Option<String>,
}

/// Why a file was not kept.
pub(super) enum Unkept {
    /// No other attempt would keep it: it is said in the job's log.
    Refused(String),
    /// Another attempt may keep it, so that this one fails.
    Failed(JobError),
}

impl KeptFile {
    /// Keeps the file of a command that runs in `folder`.
    pub(super) async fn keep(self, context: &Context, folder: &Path) -> Result<(), Unkept> {
        let last = self.path.rsplit('/').next().unwrap_or_default();
        let name = self.name.as_deref().unwrap_or(last);
        if let Some(why) = file_name::refusal(name) {
            return Err(Unkept::Refused(format!("{why}, or give it such a name by \"name\"")));
        }
        let content_type = self.content_type.as_deref().unwrap_or_else(|| file_name::content_type_of(name));
        if !file_name::is_content_type(content_type) {
            let why =
                format!("{content_type:?} is not a content type; write one such as \"application/pdf\"");
            return Err(Unkept::Refused(why));
        }
        let (path, folder) = (self.path.clone(), folder.to_owned());
        let opened = tokio::task::spawn_blocking(move || open_below(&folder, &path)).await;
        let file = opened.unwrap_or_else(|error| Err(error.to_string())).map_err(Unkept::Refused)?;
        match context.keep_file(name, content_type, file.into()).await {
            Ok(_) => Ok(()),
            Err(error) if error.is_permanent() => Err(Unkept::Refused(error.to_string())),
            Err(error) => Err(Unkept::Failed(error)),
        }
    }
}

/// Opens a regular file below `folder`; no part of `path` may be a link.
fn open_below(folder: &Path, path: &str) -> Result<File, String> {
    let at = folder.display();
    let refused = |error: &dyn std::fmt::Display| format!("{path:?} cannot be opened in {at}: {error}");
    let mut parts = Vec::new();
    for part in Path::new(path).components() {
        match part {
            Component::Normal(part) => parts.push(PathBuf::from(part)),
            Component::CurDir => {}
            _ => {
                return Err(format!(
                    "the path {path:?} leads out of the command's working directory {at}; give a path that begins \
                     there, without \"..\""
                ));
            }
        }
    }
    let Some(last) = parts.pop() else { return Err(format!("{path:?} names no file; give its path")) };
    let in_folder = OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
    let step = |error: Errno| match error {
        Errno::ELOOP | Errno::ENOTDIR | Errno::EMLINK => {
            format!("{path:?} leads over a symbolic link or a file in {at}; give the path of the file itself")
        }
        Errno::ENOENT => format!(
            "there is no file {path:?} in {at}; write it before the line, and leave it until the command has ended"
        ),
        other => refused(&other),
    };
    let mut place: OwnedFd = open(folder, in_folder, Mode::empty()).map_err(|error| refused(&error))?;
    for part in &parts {
        place = openat(&place, part, in_folder | OFlag::O_NOFOLLOW, Mode::empty()).map_err(step)?;
    }
    // A pipe without a writer would hold the worker up.
    let to_read =
        OFlag::O_RDONLY | OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK | OFlag::O_NOCTTY | OFlag::O_CLOEXEC;
    let file = File::from(openat(&place, &last, to_read, Mode::empty()).map_err(step)?);
    let found = file.metadata().map_err(|error| refused(&error))?;
    if !found.is_file() {
        return Err(format!("{path:?} is not a regular file; give the path of one"));
    }
    Ok(file)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::io::Read as _;
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn only_a_regular_file_below_the_folder_is_opened() {
        let outside = tempfile::tempdir().unwrap();
        fs::write(outside.path().join("secret"), "s").unwrap();
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        fs::create_dir(at("out")).unwrap();
        fs::write(at("out/report.txt"), "all well").unwrap();
        symlink(outside.path(), at("away")).unwrap();
        symlink(outside.path().join("secret"), at("link")).unwrap();
        symlink(at("out/report.txt"), at("inner")).unwrap();
        nix::unistd::mkfifo(&at("pipe"), Mode::S_IRUSR | Mode::S_IWUSR).unwrap();

        for path in ["out/report.txt", "./out/./report.txt", "out//report.txt"] {
            let mut text = String::new();
            open_below(folder.path(), path).unwrap().read_to_string(&mut text).unwrap();
            assert_eq!(text, "all well", "{path}");
        }
        let absolute = at("out/report.txt");
        for (path, why) in [
            ("../secret", "leads out of"),
            ("out/../../secret", "leads out of"),
            (absolute.to_str().unwrap(), "leads out of"),
            ("away/secret", "symbolic link"),
            ("link", "symbolic link"),
            ("inner", "symbolic link"),
            ("out/report.txt/x", "symbolic link or a file"),
            ("none", "there is no file"),
            ("none/x", "there is no file"),
            ("out", "not a regular file"),
            ("pipe", "not a regular file"),
            ("", "names no file"),
            (".", "names no file"),
        ] {
            let refused = open_below(folder.path(), path).unwrap_err();
            assert!(refused.contains(why), "{path}: {refused}");
        }
    }
}
