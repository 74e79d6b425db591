//! The body of POST /workflows: reads it strictly, each job as in POST /jobs. Must never judge the
//! graph: the database does that when it stores the graph.

use serde::Deserialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;

use crate::api::jobs::after_request::{AfterInput, checked_arg, parts};
use crate::api::jobs::args_rules::ArgsRules;
use crate::api::jobs::create_request::JobRequest;
use crate::api::jobs::duration_input::DurationInput;
use crate::api::server::json::part;
use crate::api::server::problem::Problem;
use crate::api::server::validate;
use crate::job::after::RunIf;
use crate::job::limits::PART_NAME_CHARACTERS;
use crate::job::workflow::{Member, Node, Then, Workflow};

/// One level more than the database accepts, so that the database refuses it.
const DEEPEST: usize = 10;

/// A workflow to enqueue: exactly one of `jobs`, `group` and `chain`.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({
    "name": "import",
    "jobs": [
        {"name": "login", "kind": "login"},
        {"name": "pages", "group": [{"kind": "fetch-page", "args": {"n": 1}}, {"kind": "fetch-page", "args": {"n": 2}}], "after": ["login"]},
        {"name": "report", "kind": "write-report", "after": [{"job": "pages", "as": "pages"}]}
    ]
}))]
pub(crate) struct WorkflowRequest {
    /// The name of the workflow, for people.
    #[schema(min_length = 1, max_length = 200)]
    name: Option<String>,
    /// `continue` (the default): jobs that do not depend on a failed job continue; `cancel`: all
    /// other jobs are cancelled.
    on_failure: Option<OnFailure>,
    /// Jobs that wait for one another by name. Each is a job in the format of POST /jobs, with
    /// `name`, `after` (names, or `{job, as}`) and `run_if`; instead of a `kind` it may have
    /// `jobs`, `group` or `chain` itself.
    #[schema(value_type = Option<Vec<Object>>)]
    jobs: Option<Vec<Map<String, Value>>>,
    /// Jobs that run in parallel.
    #[schema(value_type = Option<Vec<Object>>)]
    group: Option<Vec<Map<String, Value>>>,
    /// Jobs that run one after the other.
    #[schema(value_type = Option<Vec<Object>>)]
    chain: Option<Vec<Map<String, Value>>>,
    /// In a chain: the arg under which each job gets the result of the previous one.
    #[serde(rename = "as")]
    pass_as: Option<String>,
    /// After a group: a job that gets the array of results, as the arg `results` or the arg named
    /// by its `as`.
    #[schema(value_type = Option<Object>)]
    then: Option<Map<String, Value>>,
    /// Your own name for it.
    #[schema(min_length = 1, max_length = 255)]
    execution_id: Option<String>,
    /// Tags to find the workflow by.
    #[schema(max_items = 20)]
    tags: Option<Vec<String>>,
    /// Your own data.
    #[schema(value_type = Option<Object>)]
    metadata: Option<Map<String, Value>>,
    /// How long the finished workflow is kept.
    #[schema(value_type = Option<DurationInput>)]
    retain: Option<Value>,
    /// The user for whom it runs; all of its jobs have this owner.
    #[schema(min_length = 1, max_length = 255)]
    owner: Option<String>,
}

/// The effect of a failed job on the others.
#[derive(Debug, Clone, Copy, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
enum OnFailure {
    /// Jobs that do not depend on it continue.
    Continue,
    /// They are cancelled.
    Cancel,
}

impl WorkflowRequest {
    /// The workflow, with every job of it checked.
    ///
    /// # Errors
    /// 422 with the first invalid field, and the errors of the rules for the args.
    pub(crate) fn checked(self, rules: &ArgsRules) -> Result<Workflow, Problem> {
        self.read(rules, 0)
    }

    fn read(self, rules: &ArgsRules, depth: usize) -> Result<Workflow, Problem> {
        let forms = [("jobs", self.jobs), ("group", self.group), ("chain", self.chain)];
        let mut given = forms.into_iter().filter_map(|(form, nodes)| Some((form, nodes?)));
        let (Some((form, nodes)), None) = (given.next(), given.next()) else {
            let problem = Problem::invalid("", "The workflow needs exactly one of jobs, group and chain.");
            return Err(problem.remedy("Send one of them with an array of jobs."));
        };
        if depth > DEEPEST {
            return Err(
                Problem::invalid("", "The workflow is nested too deeply.").remedy("Use fewer levels.")
            );
        }
        let passes_on = self.pass_as.is_some();
        let mut fields = Map::new();
        if let Some(arg) = checked_arg("", self.pass_as)? {
            fields.insert("as".into(), arg.into());
        }
        let then = self.then.map(|then| read_then(then, rules)).transpose()?;
        if let Some(OnFailure::Cancel) = self.on_failure {
            fields.insert("on_failure".into(), "cancel".into());
        }
        // The options of a job, with the same checks.
        let job =
            JobRequest::of_workflow(self.execution_id, self.tags, self.metadata, self.retain, self.owner);
        let job = job.read()?.to_spec();
        fields.extend(job.into_iter().filter(|(name, _)| !matches!(name.as_str(), "kind" | "args")));
        let name = self.name.unwrap_or_else(|| "workflow".to_owned());
        Ok(Workflow {
            name: validate::text("/name", name, PART_NAME_CHARACTERS)?,
            form,
            members: nodes
                .into_iter()
                .enumerate()
                .map(|(index, node)| {
                    // The first of a chain gets nothing.
                    read_member(node, rules, depth, passes_on && index > 0)
                        .map_err(|problem| problem.under(&format!("/{form}/{index}")))
                })
                .collect::<Result<_, _>>()?,
            then,
            fields,
        })
    }
}

fn read_member(
    mut node: Map<String, Value>,
    rules: &ArgsRules,
    depth: usize,
    is_passed_on: bool,
) -> Result<Member, Problem> {
    let after: Vec<AfterInput> =
        part(node.remove("after").unwrap_or_else(|| Value::Array(Vec::new())), "/after")?;
    let run_if: Option<RunIf> = node.remove("run_if").map(|run_if| part(run_if, "/run_if")).transpose()?;
    let name: Option<String> = match node.get("name") {
        None => None,
        Some(name) => Some(validate::text("/name", part(name.clone(), "/name")?, PART_NAME_CHARACTERS)?),
    };
    let mut edges = Vec::with_capacity(after.len());
    for (index, input) in after.into_iter().enumerate() {
        let (job, arg) = parts(input);
        edges.push(match checked_arg(&format!("/after/{index}"), arg)? {
            None => serde_json::json!({ "job": job }),
            Some(arg) => serde_json::json!({ "job": job, "as": arg }),
        });
    }
    let node = if node.contains_key("kind") {
        node.remove("name");
        let job = part::<JobRequest>(Value::Object(node), "")?.read()?;
        let gets_more = is_passed_on || edges.iter().any(|edge| edge.get("as").is_some());
        rules.check(&job, gets_more)?;
        Node::Job(Box::new(job))
    } else {
        let nested: WorkflowRequest = part(Value::Object(node), "")?;
        Node::Nested(Box::new(nested.read(rules, depth + 1)?))
    };
    Ok(Member { name, node, after: edges, run_if })
}

/// The job after a group.
fn read_then(mut then: Map<String, Value>, rules: &ArgsRules) -> Result<Then, Problem> {
    let arg = then.remove("as").map(|arg| part::<String>(arg, "/then/as")).transpose()?;
    let arg = checked_arg("/then", arg)?;
    let job = part::<JobRequest>(Value::Object(then), "/then")?.read();
    let job = job.and_then(|job| rules.check(&job, true).map(|()| job));
    Ok(Then { job: Box::new(job.map_err(|problem| problem.under("/then"))?), arg })
}
