//! The manual of all settings, as stored in `docs/configuration.md`. Must contain no facts of its
//! own about a setting.

use tidemill_settings::reference::reference;

use super::places::places;
use crate::extensions;

const PROLOGUE: &str = "\
# Configuration

<!-- Written from bin/src/config/settings.rs; `make docs` writes it again. -->

Every setting has a default: Tidemill runs without a config file. Settings come from these
sources; later ones take precedence:

1. `tidemill.toml`, `tidemill.yaml` or `tidemill.yml` in the working folder, or the file named with
   `--config`;
2. the variables of `.env` in the working folder, [see below](#env);
3. the environment: `TIDEMILL_`, then the key with two underscores for each dot, as in
   `TIDEMILL_DATABASE__URL` or `TIDEMILL_KINDS__BUILD_CRATE__HARD_TIMEOUT`. A kind's, queue's or
   schedule's name is found whatever its case, and an underscore stands for a hyphen or a dot. A
   list is written `a, b` or as JSON (`[\"a\", \"b\"]`), a table and a command as JSON
   (`[\"python3\",\"job.py\"]`). An empty variable counts as not set;
4. flags.

`tidemill config` lists the effective settings and their sources, with secrets hidden. It does not
list what follows from a setting, such as the queues of `bughive.enabled`.

An unknown key or a bad value stops the start; the error names the source, the full key and the
allowed values. It never shows the value itself, because that may be a secret in the wrong place.
Durations are written with their unit (`200ms`, `30s`, `50m`, `1h30m`, `30d`), sizes too (`64KiB`,
`512MiB`). Relative paths start at the folder of the config file, or without a file at the working
folder. `${VARIABLES}` are filled in only in `.env`.

## `.env`

It may be the file of a whole project: only variables that begin with `TIDEMILL_`, and
`ALLOWED_ORIGINS`, are read; all others are ignored. The format is that of python-dotenv, docker
compose and Node's dotenv:

- `NAME=value`, `export NAME=value` or `NAME: value`. If a name occurs twice, the last value counts.
  A `NAME` alone and a line that is none of these are ignored;
- a value without quotes goes to the end of the line, with blanks and quotes within it
  (`[\"http://localhost:3000\"]`); a `#` after a blank begins a comment;
- in `'single quotes'` and backquotes nothing has a meaning; in `\"double quotes\"` `\\n`, `\\r`, `\\t`,
  `\\\"`, `\\\\` and `\\$` have theirs; both may go over several lines;
- `${NAME}` is filled in without quotes and in double ones, from the environment, else from above in
  the file. `${NAME:-word}` gives the word where the variable is empty or not set, `${NAME:+word}`
  the word where it is neither (else nothing), and `${NAME:?message}` is as `${NAME}`; without the
  colon an empty variable counts as set. A word may hold such references. `$NAME` and a lone `$`
  stay as they are, because passwords contain them. In a variable of Tidemill's, one that is needed
  and set nowhere is an error;
- a byte order mark, CRLF and UTF-16 are fine; what is not UTF-8 matters only in variables of
  Tidemill's.

`ALLOWED_ORIGINS` stands for `api.cors_origins`, which wins: `http://a.example, http://b.example`,
also with `;` or blanks between them, or `[\"http://a.example\", \"http://b.example\"]`. It belongs to
the whole project: an entry that is no `http` or `https` origin, such as `*`, `null` or
`https://*.a.example`, is ignored and named once by its number. In `api.cors_origins` such an entry
is an error. In both a slash at the end, capitals and the scheme's own port make no difference.

Variables that begin with `CELERY_`, `BG_` or `TASK_`, here or in the environment, belong to systems
that Tidemill replaces. Tidemill ignores them; `dev`, `serve`, `worker` and `tidemill config` name
them once.
";

/// The manual as Markdown.
#[must_use]
pub fn manual() -> String {
    reference(PROLOGUE, &places(&extensions()))
}

#[cfg(test)]
mod tests {
    use super::manual;

    #[test]
    fn the_manual_is_up_to_date() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/configuration.md");
        if std::env::var_os("TIDEMILL_BLESS").is_some() {
            std::fs::write(path, manual()).unwrap();
        }
        let written = std::fs::read_to_string(path).unwrap_or_default();
        assert!(written == manual(), "run TIDEMILL_BLESS=1 cargo test -p tidemill-bin --lib config");
    }
}
