//! The rules for args when a job is enqueued: a size limit, and checks that kinds have registered.
//! Must never know a kind itself.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use serde_json::{Map, Value};

use crate::api::server::problem::{Case, Problem};
use crate::api::server::validate;
use crate::job::new::NewJob;

/// The args of a job that is to be enqueued.
#[derive(Debug, Clone, Copy)]
pub struct GivenArgs<'a> {
    /// The args as they were sent.
    pub args: &'a Map<String, Value>,
    /// False if the job gets more of them from jobs that it waits for: then none can be missed.
    pub is_whole: bool,
}

/// Whether a job with these args can be accepted; fields of the problem are below `/args`.
pub type ArgsCheck = Arc<dyn Fn(GivenArgs<'_>) -> Result<(), Problem> + Send + Sync>;

/// The rules of all kinds; without any set, args of every size are accepted.
#[derive(Clone)]
pub struct ArgsRules {
    most_bytes: usize,
    of_kinds: HashMap<String, ArgsCheck>,
}

impl ArgsRules {
    /// Only the size limit for args, in bytes of JSON, for every kind.
    #[must_use]
    pub fn new(most_bytes: usize) -> Self {
        Self { most_bytes, of_kinds: HashMap::new() }
    }

    /// The same checks, with another size limit.
    #[must_use]
    pub fn of_at_most(self, most_bytes: usize) -> Self {
        Self { most_bytes, ..self }
    }

    /// Has the args of a kind checked before a job of it is stored, by whichever route.
    #[must_use]
    pub fn with(
        mut self,
        kind: impl Into<String>,
        check: impl Fn(GivenArgs<'_>) -> Result<(), Problem> + Send + Sync + 'static,
    ) -> Self {
        self.of_kinds.insert(kind.into(), Arc::new(check));
        self
    }

    /// Refuses a job whose args break a rule; `gets_more` if it gets results of others as args.
    ///
    /// # Errors
    /// 413 for too large ones, and what the kind's check says.
    pub fn check(&self, job: &NewJob, gets_more: bool) -> Result<(), Problem> {
        let bytes = validate::json_bytes(&job.args);
        if bytes > self.most_bytes {
            let detail = format!("The args are {bytes} bytes of JSON; the limit is {}.", self.most_bytes);
            let problem = Problem::new(Case::TooLarge, detail).field("/args");
            return Err(problem.member("limit_bytes", self.most_bytes));
        }
        let given = GivenArgs { args: &job.args, is_whole: !gets_more };
        self.of_kinds.get(&job.kind).map_or(Ok(()), |check| check(given))
    }
}

impl Default for ArgsRules {
    fn default() -> Self {
        Self::new(usize::MAX)
    }
}

impl fmt::Debug for ArgsRules {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ArgsRules")
            .field("most_bytes", &self.most_bytes)
            .field("kinds", &self.of_kinds.keys())
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_kind_has_its_own_check_and_all_have_the_size() {
        let rules = ArgsRules::new(20).with("k", |given| match given.args.get("n") {
            None if given.is_whole => Err(Problem::invalid("/args/n", "It is missing.")),
            _ => Ok(()),
        });
        let check = |kind: &str, args: Value, gets_more: bool| {
            let job = NewJob::new(kind, args.as_object().unwrap().clone());
            rules.check(&job, gets_more).map_err(|problem| problem.case().slug())
        };
        assert_eq!(check("k", json!({}), false), Err("invalid-request"));
        assert_eq!(check("k", json!({}), true), Ok(()));
        assert_eq!(check("k", json!({"n": 1}), false), Ok(()));
        assert_eq!(check("other", json!({}), false), Ok(()));
        assert_eq!(check("other", json!({"long": "x".repeat(20)}), false), Err("too-large"));
    }
}
