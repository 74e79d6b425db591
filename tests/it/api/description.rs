//! The description of the API is one valid document: what it refers to is there, names are unique, and every route is
//! described with the key that it needs and with every status that the layers around it can give.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use serde_json::{Value, json};
use tidemill::api::server::auth::access::Access;

use super::contract::Contract;
use super::server::{on_a_server, text};

/// Pages and files, which are no part of the API.
const PAGES: &[&str] = &[
    "/",
    "/enqueue",
    "/jobs",
    "/jobs/{id}",
    "/alerts",
    "/audit",
    "/doctor",
    "/failures",
    "/keys",
    "/kinds",
    "/limits",
    "/operations",
    "/operations/{id}",
    "/overview",
    "/queues",
    "/queues/{queue}",
    "/schedules",
    "/schedules/{schedule}",
    "/settings",
    "/workers",
    "/workflows",
    "/workflows/{id}",
    "/page/{*file}",
    "/docs",
    "/docs/{file}",
    "/api/v1/openapi.json",
];
const METHODS: [&str; 5] = ["get", "post", "put", "patch", "delete"];

/// Runs a check of the description that a server of today answers.
async fn described(check: impl FnOnce(&Value)) {
    described_by(|document, _| check(document)).await;
}

/// The same, with the rules of its routes.
async fn described_by(check: impl FnOnce(&Value, &Access)) {
    on_a_server(|server| async move {
        let served = server.get("/api/v1/openapi.json").await.expect(200);
        assert_eq!(served, Contract::of(&server.state).document);
        check(&served, &server.state.access);
    })
    .await;
}

fn operations(document: &Value) -> Vec<(String, &Value)> {
    let paths = document["paths"].as_object().unwrap().iter();
    let all = paths.flat_map(|(path, item)| {
        METHODS
            .iter()
            .filter_map(move |method| Some((format!("{} {path}", method.to_uppercase()), item.get(method)?)))
    });
    all.collect()
}

/// Every object of a document.
fn walk(value: &Value, visit: &mut impl FnMut(&Value)) {
    visit(value);
    match value {
        Value::Object(members) => members.values().for_each(|inner| walk(inner, visit)),
        Value::Array(items) => items.iter().for_each(|inner| walk(inner, visit)),
        _ => {}
    }
}

#[tokio::test]
async fn what_it_refers_to_is_there_and_what_is_there_is_referred_to() {
    described(|document| {
        let mut found = BTreeSet::new();
        walk(document, &mut |value| {
            if let Some(to) = value.get("$ref").and_then(Value::as_str) {
                let target = document.pointer(to.strip_prefix('#').expect("within the document"));
                assert!(target.is_some(), "{to} is not there");
                found.insert(to.to_owned());
            }
        });
        for part in ["schemas", "responses", "parameters"] {
            for name in document["components"][part].as_object().unwrap().keys() {
                assert!(
                    found.contains(&format!("#/components/{part}/{name}")),
                    "nothing refers to {part}/{name}"
                );
            }
        }
    })
    .await;
}

#[tokio::test]
async fn every_route_is_described_and_every_description_is_of_a_route() {
    described_by(|document, access| {
        let described: BTreeSet<_> = operations(document).into_iter().map(|(route, _)| route).collect();
        let rules = access.rules().filter(|rule| !PAGES.contains(&&*rule.path));
        let routes: BTreeSet<_> = rules.map(|rule| format!("{} {}", rule.method, rule.path)).collect();
        assert_eq!(described, routes);
    })
    .await;
}

#[tokio::test]
async fn every_operation_has_a_name_of_its_own() {
    described(|document| {
        let mut names = BTreeMap::new();
        for (route, operation) in operations(document) {
            let name = text(&operation["operationId"]);
            assert!(name.bytes().all(|byte| byte == b'_' || byte.is_ascii_lowercase()), "{name}");
            assert!(
                name.starts_with(&text(&operation["tags"][0]).replace("remote workers", "worker")),
                "{name}"
            );
            if let Some(other) = names.insert(name.to_owned(), route.clone()) {
                panic!("{route} and {other} are both called {name}");
            }
            assert!(operation["summary"].as_str().is_some_and(|summary| !summary.is_empty()), "{route}");
        }
    })
    .await;
}

#[tokio::test]
async fn every_operation_names_the_key_and_the_statuses_that_can_come() {
    described_by(|document, access| {
        for rule in access.rules().filter(|rule| !PAGES.contains(&&*rule.path)) {
            let operation = &document["paths"][&*rule.path][rule.method.to_lowercase()];
            let scopes: Vec<Value> =
                rule.scopes.iter().map(|scope| json!({ "api_key": [scope.name()] })).collect();
            let route = format!("{} {}", rule.method, rule.path);
            assert_eq!(operation["security"], Value::from(scopes), "{route}");
            let mut needed = vec![400, 421, 500];
            if !rule.scopes.is_empty() {
                needed.extend([401, 403, 429, 503]);
            }
            if operation.get("requestBody").is_some() {
                needed.extend([408, 413, 415, 422]);
            }
            if operation.get("parameters").is_some() {
                needed.push(422);
            }
            if rule.path.contains('{') && rule.method == "GET" {
                needed.push(404);
            }
            for status in needed {
                assert!(
                    operation["responses"].get(status.to_string()).is_some(),
                    "{route} names no {status}"
                );
            }
        }
    })
    .await;
}

#[tokio::test]
async fn every_refusal_is_a_problem() {
    described(|document| {
        for (route, operation) in operations(document) {
            for (status, answer) in operation["responses"].as_object().unwrap() {
                let to = answer["$ref"].as_str().and_then(|to| document.pointer(to.strip_prefix('#')?));
                let answer = to.unwrap_or(answer);
                assert!(
                    answer["description"].as_str().is_some_and(|says| !says.is_empty()),
                    "{route} {status}"
                );
                if status.starts_with(['4', '5']) {
                    let schema = &answer["content"]["application/problem+json"]["schema"]["$ref"];
                    assert_eq!(schema, "#/components/schemas/Problem", "{route} {status}");
                }
            }
        }
    })
    .await;
}

#[tokio::test]
async fn bodies_and_parameters_are_never_null_and_bare_objects_are_open() {
    described(|document| {
        for (route, operation) in operations(document) {
            for parameter in operation["parameters"].as_array().into_iter().flatten() {
                assert!(!may_be_null(&parameter["schema"]), "{route}: {parameter}");
            }
            for content in operation["requestBody"]["content"].as_object().into_iter().flatten() {
                assert!(!may_be_null(&content.1["schema"]), "{route}: {}", content.1);
            }
        }
        let job = &document["components"]["schemas"]["JobRequest"]["properties"];
        assert_eq!(
            (&job["args"]["additionalProperties"], &job["metadata"]["additionalProperties"]),
            (&json!(true), &json!(true))
        );
        let result = &document["components"]["schemas"]["CompleteRequest"]["properties"]["result"];
        assert!(result.get("type").is_none(), "a result is any JSON: {result}");
        walk(&document["components"]["schemas"], &mut |schema| {
            let is_bare = schema.get("type").is_some_and(|kind| kind == "object")
                && ["properties", "additionalProperties", "allOf", "oneOf", "anyOf"]
                    .iter()
                    .all(|word| schema.get(word).is_none());
            assert!(!is_bare, "{schema}");
        });
    })
    .await;
}

fn may_be_null(schema: &Value) -> bool {
    let mut types = schema["type"].as_array().into_iter().flatten().chain(schema.get("type"));
    let mut choices =
        ["oneOf", "anyOf"].iter().flat_map(|word| schema[*word].as_array().into_iter().flatten());
    types.any(|kind| kind == "null") || choices.any(may_be_null)
}

#[tokio::test]
async fn a_stream_is_the_only_answer_of_its_operation() {
    described(|document| {
        let mut streams = 0;
        for (route, operation) in operations(document) {
            for (status, answer) in operation["responses"].as_object().unwrap() {
                let content = answer["content"].as_object();
                if let Some(content) = content.filter(|content| content.contains_key("text/event-stream")) {
                    assert!(status == "200" && content.len() == 1, "{route} {status}");
                    streams += 1;
                }
            }
        }
        assert_eq!(streams, 2);
    })
    .await;
}

/// Two types of one name would overwrite one another in the description, without a word.
#[test]
fn no_two_schemas_share_a_name() {
    let mut names: BTreeMap<String, String> = BTreeMap::new();
    let mut folders = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("src")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
            if entry.is_dir() {
                folders.push(entry);
                continue;
            }
            let file = entry.display().to_string();
            for name in schemas_of(&fs::read_to_string(&entry).unwrap()) {
                if let Some(other) = names.insert(name.clone(), file.clone()) {
                    panic!(
                        "{name} is a schema of {file} and of {other}; give one another name by #[schema(as = …)]"
                    );
                }
            }
        }
    }
    assert!(names.contains_key("JobDocument") && names.contains_key("Duration"), "{names:?}");
}

/// The names of the types of a source file that derive a schema.
fn schemas_of(source: &str) -> Vec<String> {
    let mut found = Vec::new();
    for part in source.split("#[derive(").skip(1) {
        let (derived, rest) = part.split_once(")]").unwrap_or_default();
        if !derived.contains("ToSchema") {
            continue;
        }
        let head: String = rest.lines().take_while(|line| !line.ends_with(['{', ';'])).collect();
        let line =
            rest.lines().find(|line| line.contains("struct ") || line.contains("enum ")).unwrap_or_default();
        let own = line.split_once("struct ").or_else(|| line.split_once("enum ")).unwrap_or_default().1;
        let renamed = head.split("schema(as = ").nth(1);
        let name =
            renamed.unwrap_or(own).split(|letter: char| !letter.is_alphanumeric()).next().unwrap_or_default();
        found.push(name.to_owned());
    }
    found
}

#[tokio::test]
async fn the_stream_of_a_job_has_an_address_of_its_own() {
    on_a_server(|server| async move {
        let job = server.enqueue(json!({"kind": "a"})).await;
        let path = format!("/api/v1/jobs/{}", text(&job["id"]));
        server.act(&format!("{path}/cancel")).await.expect(200);
        let stream = server.get(&format!("{path}/events/stream")).await;
        assert_eq!(stream.headers["content-type"], "text/event-stream; charset=utf-8");
        let frames = stream.expect(200);
        assert!(
            text(&frames).contains("event: snapshot") && text(&frames).contains("event: cancelled"),
            "{frames}"
        );
        server.get("/api/v1/jobs/execution:nobody/events/stream").await.problem(404, "job-not-found");
        server.get(&format!("{path}/events/stream?limit=3")).await.problem(422, "invalid-request");
    })
    .await;
}

#[tokio::test]
async fn no_text_has_examples_in_rust() {
    described(|document| {
        assert!(document["components"]["schemas"]["JobDocument"]["description"] == "One job.");
        walk(document, &mut |value| {
            let text = value["description"].as_str().unwrap_or_default();
            assert!(!text.contains("# Examples") && !text.contains("```"), "{text}");
        });
    })
    .await;
}
