//! A workflow before it is enqueued: jobs that wait for one another by name. Only describes; the
//! database checks the graph and stores it completely or not at all.

use std::convert::Infallible;

use serde_json::{Map, Value, json};

use super::after::RunIf;
use super::new::NewJob;

/// A graph of jobs, a group that runs in parallel, or a chain.
///
/// # Examples
///
/// ```
/// use tidemill::{NewJob, RunIf, Workflow};
///
/// let job = |kind: &str| NewJob::new(kind, Default::default());
/// let pages = Workflow::group("pages", (1..=3).map(|_| job("fetch-page")));
/// let import = Workflow::new("import")
///     .job("login", job("login"))
///     .nested("pages", pages)
///     .after("login")
///     .job("report", job("write-report"))
///     .after_as("pages", "pages")
///     .job("tidy", job("remove-files"))
///     .after("report")
///     .run_if(RunIf::AllFinished);
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Workflow {
    pub(crate) name: String,
    pub(crate) form: &'static str,
    pub(crate) members: Vec<Member>,
    pub(crate) then: Option<Then>,
    pub(crate) fields: Map<String, Value>,
}

/// One job of a workflow.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Member {
    pub(crate) name: Option<String>,
    pub(crate) node: Node,
    pub(crate) after: Vec<Value>,
    pub(crate) run_if: Option<RunIf>,
}

/// The job after a group.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Then {
    pub(crate) job: Box<NewJob>,
    /// The arg that receives the results.
    pub(crate) arg: Option<String>,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Node {
    Job(Box<NewJob>),
    Nested(Box<Workflow>),
}

impl Workflow {
    /// A graph without jobs yet.
    #[must_use]
    pub fn new(name: impl Into<String>) -> Self {
        Self::of(name, "jobs", [])
    }

    /// Jobs that run in parallel; its result is an array of their results, in order.
    #[must_use]
    pub fn group(name: impl Into<String>, jobs: impl IntoIterator<Item = NewJob>) -> Self {
        Self::of(name, "group", jobs)
    }

    /// Jobs that run one after the other; its result is that of the last job.
    #[must_use]
    pub fn chain(name: impl Into<String>, jobs: impl IntoIterator<Item = NewJob>) -> Self {
        Self::of(name, "chain", jobs)
    }

    fn of(name: impl Into<String>, form: &'static str, jobs: impl IntoIterator<Item = NewJob>) -> Self {
        let member =
            |job| Member { name: None, node: Node::Job(Box::new(job)), after: Vec::new(), run_if: None };
        let members = jobs.into_iter().map(member).collect();
        Self { name: name.into(), form, members, then: None, fields: Map::new() }
    }

    /// Adds a job.
    #[must_use]
    pub fn job(self, name: impl Into<String>, job: NewJob) -> Self {
        self.member(name.into(), Node::Job(Box::new(job)))
    }

    /// Adds a workflow as if it were a job.
    #[must_use]
    pub fn nested(self, name: impl Into<String>, workflow: Workflow) -> Self {
        self.member(name.into(), Node::Nested(Box::new(workflow)))
    }

    fn member(mut self, name: String, node: Node) -> Self {
        self.members.push(Member { name: Some(name), node, after: Vec::new(), run_if: None });
        self
    }

    /// The last added job waits for this one.
    #[must_use]
    pub fn after(self, name: impl Into<String>) -> Self {
        self.edge(json!({ "job": name.into() }))
    }

    /// The last added job waits for this one, and gets its result as an arg.
    #[must_use]
    pub fn after_as(self, name: impl Into<String>, arg: impl Into<String>) -> Self {
        self.edge(json!({ "job": name.into(), "as": arg.into() }))
    }

    fn edge(mut self, edge: Value) -> Self {
        if let Some(last) = self.members.last_mut() {
            last.after.push(edge);
        }
        self
    }

    /// Which outcomes let the last added job run.
    #[must_use]
    pub fn run_if(mut self, run_if: RunIf) -> Self {
        if let Some(last) = self.members.last_mut() {
            last.run_if = Some(run_if);
        }
        self
    }

    /// In a chain, each job gets the result of the previous one as this arg.
    #[must_use]
    pub fn passing(mut self, arg: impl Into<String>) -> Self {
        self.fields.insert("as".into(), arg.into().into());
        self
    }

    /// After a group: a job that gets the results as the arg `results`.
    #[must_use]
    pub fn then(mut self, job: &NewJob) -> Self {
        self.then = Some(Then { job: Box::new(job.clone()), arg: None });
        self
    }

    /// If one of its jobs fails, all others are cancelled, not only those that wait for it.
    #[must_use]
    pub fn cancel_on_failure(mut self) -> Self {
        self.fields.insert("on_failure".into(), "cancel".into());
        self
    }

    /// Your own name for it, as for a job.
    #[must_use]
    pub fn execution_id(mut self, name: impl Into<String>) -> Self {
        self.fields.insert("execution_id".into(), name.into().into());
        self
    }

    /// The user for whom it runs; all of its jobs get this owner.
    #[must_use]
    pub fn owner(mut self, owner: impl Into<String>) -> Self {
        self.fields.insert("owner".into(), owner.into().into());
        self
    }

    /// In the format of the SQL function `create_workflow`.
    #[must_use]
    pub fn spec(&self) -> Value {
        let Ok(spec) = self.spec_of(&mut |job| Ok::<_, Infallible>(job.to_spec()));
        spec
    }

    /// As [`Workflow::spec`], with each job written by `write`.
    pub(crate) fn spec_of<E>(&self, write: Write<'_, E>) -> Result<Value, E> {
        let mut spec = self.fields.clone();
        spec.insert("name".into(), self.name.clone().into());
        if let Some(then) = &self.then {
            let mut job = write(&then.job)?;
            if let Some(arg) = &then.arg {
                job.insert("as".into(), arg.clone().into());
            }
            spec.insert("then".into(), Value::Object(job));
        }
        let members = self.members.iter().map(|member| member.spec(write)).collect::<Result<_, E>>()?;
        spec.insert(self.form.into(), members);
        Ok(Value::Object(spec))
    }
}

/// How one job of a workflow is written.
type Write<'w, E> = &'w mut dyn FnMut(&NewJob) -> Result<Map<String, Value>, E>;

impl Member {
    fn spec<E>(&self, write: Write<'_, E>) -> Result<Value, E> {
        let mut spec = match &self.node {
            Node::Job(job) => write(job)?,
            Node::Nested(workflow) => match workflow.spec_of(write)? {
                Value::Object(spec) => spec,
                _ => Map::new(),
            },
        };
        if let Some(name) = &self.name {
            spec.insert("name".into(), name.clone().into());
        }
        if !self.after.is_empty() {
            spec.insert("after".into(), self.after.clone().into());
        }
        if let Some(run_if) = self.run_if {
            spec.insert("run_if".into(), run_if.word().into());
        }
        Ok(Value::Object(spec))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_workflow_is_written_as_sql_takes_it() {
        let job = |kind: &str| NewJob::new(kind, Map::new());
        let workflow = Workflow::new("import")
            .job("a", job("x"))
            .nested("g", Workflow::group("g", [job("y")]))
            .after_as("a", "page")
            .run_if(RunIf::AllFinished);
        let expected = json!({
            "name": "import",
            "jobs": [
                { "name": "a", "kind": "x", "args": {} },
                {
                    "name": "g", "group": [{ "kind": "y", "args": {} }],
                    "after": [{ "job": "a", "as": "page" }], "run_if": "all_finished"
                },
            ]
        });
        assert_eq!(workflow.spec(), expected);
    }
}
