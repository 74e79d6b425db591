//! The conditions in which a database answers but does not work, by SQLSTATE: a description, and
//! advice for an operator. Must never contain the database's own text, which names tables and
//! values.

/// A state of the database that made a statement fail.
#[derive(Debug, PartialEq, Eq)]
pub struct Trouble {
    /// Its stable name.
    pub name: &'static str,
    /// The description: a sentence.
    pub what: &'static str,
    /// The advice: a sentence.
    pub remedy: &'static str,
    /// True if nothing at all can be stored while it lasts.
    pub stops_writes: bool,
    /// The SQLSTATEs of Postgres: whole codes, or their first characters.
    codes: &'static [&'static str],
}

macro_rules! troubles {
    ($($name:literal $stops:literal [$($code:literal),+] $what:literal $remedy:literal;)*) => {
        /// All known states, the most specific code first.
        pub const TROUBLES: &[Trouble] = &[$(Trouble {
            name: $name, what: $what, remedy: $remedy, stops_writes: $stops, codes: &[$($code),+],
        },)*];
    };
}

troubles! {
    "disk_full" true ["53100"] "The disk of the database is full."
        "Free space on the disk of Postgres, or enlarge it; acknowledged jobs are kept, and requests \
         succeed again without a restart.";
    "read_only" true ["25006"] "The database accepts no writes: it is a standby, or default_transaction_read_only is on."
        "Point database.url to the primary, or switch the read-only mode off; requests succeed again \
         without a restart.";
    "out_of_memory" false ["53200"] "The database is out of memory."
        "Give its machine more memory, or lower work_mem, shared_buffers or max_connections of Postgres; then repeat the request.";
    "too_many_connections" false ["53300"] "The database accepts no more connections."
        "Raise max_connections of Postgres, lower database.max_connections of the processes, or put PgBouncer between them; then repeat the request.";
    "configured_limit" false ["53400"] "A limit configured in Postgres is reached."
        "Raise the limit that the server's log names, such as temp_file_limit; then repeat the request.";
    "starting" false ["57P03"] "The database is starting, or recovering from a crash."
        "Repeat the request after the time in Retry-After.";
    "shutting_down" false ["57P01", "57P02"] "The database is shutting down or restarting."
        "Repeat the request after the time in Retry-After.";
    "cancelled" false ["57014"] "A statement ran longer than database.statement_timeout, or was cancelled by hand."
        "Repeat the request; if it is slow again, look for locks with 'tidemill doctor', or raise database.statement_timeout.";
    "collision" false ["40001", "40P01"] "The database rolled the request back because it conflicted with another one."
        "Repeat the request.";
    "locked" false ["55P03"] "Another open transaction holds a lock that this request needs."
        "Repeat the request after the time in Retry-After; 'tidemill doctor' names open transactions.";
    "not_as_set_up" false ["55000"] "The database refuses this change in its current configuration."
        "Look at the server's log for the reason, such as a publication of a table without replica \
         identity; 'tidemill doctor' checks for that.";
    "no_right" false ["42501"] "The database login of this process lacks a right."
        "Run 'tidemill migrate' as the owner of the schema, and grant the login one of its roles (docs/operations.md, \"Who may do what\"); the server's log names the right.";
    "no_login" false ["28"] "The database refuses the login of this process."
        "Correct the user and password in database.url, or the rules in pg_hba.conf.";
    "no_database" false ["3D000", "57P04"] "The database that database.url names does not exist."
        "Create it, or correct database.url.";
    "schema" false ["42P01", "42883", "42703", "3F000", "42704"] "The tables or functions in the database do not belong to this version."
        "Run 'tidemill migrate', then 'tidemill doctor', which names what is missing.";
    "file_trouble" true ["58"] "The database cannot read or write its files."
        "Check the log of Postgres and its disk first.";
    "damaged" false ["XX001", "XX002"] "The database says that its data is damaged."
        "Stop writing, copy its data folder, and read the log of Postgres; then restore a backup or rebuild \
         the index that the log names.";
}

impl Trouble {
    /// The state of a SQLSTATE, if it is known.
    #[must_use]
    pub fn of_code(code: &str) -> Option<&'static Self> {
        TROUBLES.iter().find(|trouble| trouble.codes.iter().any(|known| code.starts_with(known)))
    }
}

/// The state of the database behind an error of the driver, if it is known.
pub(super) fn of(error: &sqlx::Error) -> Option<&'static Trouble> {
    let sqlx::Error::Database(database) = error else { return None };
    Trouble::of_code(&database.code()?)
}

/// The advice, to be appended to the database's own message in a log or on a terminal.
pub(crate) fn advice(error: &sqlx::Error) -> String {
    of(error).map_or_else(String::new, |trouble| format!(" ({} {})", trouble.what, trouble.remedy))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_trouble_says_what_it_is_and_what_to_do() {
        for trouble in TROUBLES {
            assert!(trouble.what.ends_with('.') && trouble.remedy.ends_with('.'), "{}", trouble.name);
        }
        let name = |code| Trouble::of_code(code).map(|trouble| trouble.name);
        assert_eq!(
            (name("53100"), name("28P01"), name("58030")),
            (Some("disk_full"), Some("no_login"), Some("file_trouble"))
        );
        assert_eq!((name("23505"), name("22TM1"), name("53TM1")), (None, None, None));
    }
}
