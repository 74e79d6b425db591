//! Every route × every kind of caller × an own and another's job: what the table of access says is what the
//! server answers. A route that is missing from the table, or from the description, fails elsewhere.

use reqwest::Method;
use serde_json::{Value, json};
use tidemill::api::server::auth::access::{Rule, TokenRule};
use tidemill::api::server::auth::api_key::{ApiKey, Scope};
use tidemill::api::server::auth::token::TokenScope;

use crate::api::server::{Server, on_a_server, text, until};

const ALL: &[&str] = &["read", "cancel", "retry", "signal"];

/// Who calls.
struct Principal {
    name: &'static str,
    bearer: String,
    /// What the token may do and which of the two objects it reaches; `None` if it is refused everywhere.
    rights: Option<(Vec<&'static str>, [bool; 2])>,
}

/// The jobs that two owners have: a plain one and a workflow.
struct Objects {
    jobs: [Value; 2],
    workflows: [Value; 2],
}

async fn mint(server: &Server, key: &ApiKey, body: Value) -> String {
    let request = server.request(Method::POST, "/api/v1/tokens").bearer_auth(key.reveal());
    let answer = server.send(request.json(&body)).await.expect(201);
    text(&answer["token"]).to_owned()
}

/// The status and the detail of an answer; a stream is not read.
async fn knock(server: &Server, rule: &Rule, id: &str, bearer: Option<&str>) -> (u16, String) {
    let path = rule.path.replace("{id}", id).replace("{queue}", "lane").replace("{worker}", "nobody");
    let path = path
        .replace("{schedule}", "nobody")
        .replace("{execution_id}", &format!("task-{id}"))
        .replace("{file}", "x");
    let path =
        path.replace("{name}", "x").replace("{limit}", "x").replace("{kind}", "x").replace("{rule}", "x");
    let method = Method::from_bytes(rule.method.as_bytes()).unwrap();
    let mut request = server.request(method.clone(), &path);
    if method != Method::GET {
        request = request.json(&json!({}));
    }
    if let Some(bearer) = bearer {
        request = request.bearer_auth(bearer);
    }
    let response = request.send().await.unwrap();
    let status = response.status().as_u16();
    let content = response.headers().get("content-type").map(|content| content.to_str().unwrap().to_owned());
    let is_problem = content.is_some_and(|content| content.starts_with("application/problem+json"));
    let body = if is_problem { response.json::<Value>().await.unwrap() } else { Value::Null };
    (status, body["detail"].as_str().unwrap_or_default().to_owned())
}

/// Whether the answer is what the table says for this token and object.
fn is_as_declared(rule: &Rule, principal: &Principal, own: usize, id: &str, answer: &(u16, String)) -> bool {
    let (status, detail) = answer;
    let unknown = match rule.path.contains("{execution_id}") {
        true => format!("No job has the execution id \"task-{id}\"."),
        false => format!("No job has the id {id}."),
    };
    let Some((scopes, reached)) = &principal.rights else {
        return (*status == 401) != rule.scopes.is_empty();
    };
    let has = |scope: TokenScope| scopes.contains(&scope.name());
    match rule.token {
        _ if rule.scopes.is_empty() => ![401, 403].contains(status),
        TokenRule::OfJob(scope) | TokenRule::Within(scope) if !has(scope) => *status == 403,
        TokenRule::OfJob(_) if !reached[own] => (*status, detail) == (404, &unknown),
        TokenRule::OfJob(_) | TokenRule::Within(_) => {
            ![401, 403, 405, 500].contains(status) && *detail != unknown
        }
        TokenRule::Refused => *status == 403,
    }
}

/// Whether a ticket of ann's is let in: refused with 403 where it opens nothing.
async fn with_ticket(server: &Server, rule: &Rule, key: &ApiKey, id: &Value) -> bool {
    let ann = mint(server, key, json!({"scopes": ["read"], "owner": "ann"})).await;
    let ticket = server.request(Method::POST, "/api/v1/tokens/ticket").bearer_auth(ann);
    let ticket = server.send(ticket).await.expect(201)["ticket"].clone();
    let path = Rule { path: format!("{}?ticket={}", rule.path, text(&ticket)).into(), ..rule.clone() };
    let (status, _) = knock(server, &path, text(id), None).await;
    assert!([401, 500].iter().all(|bad| *bad != status), "{status} {}", rule.path);
    status != 403
}

/// What the table says of tickets: streams, and what is open to everybody.
fn expected_of_ticket(rule: &Rule) -> bool {
    rule.tickets || rule.scopes.is_empty()
}

async fn objects(server: &Server) -> Objects {
    let job = async |owner: &str, kind: &str| {
        let id = server.enqueue(json!({"kind": kind, "owner": owner})).await["id"].clone();
        let id_text = text(&id);
        server
            .sql(&format!(
                "insert into task_ids (execution_id, job_id) values ('task-{id_text}', '{id_text}')"
            ))
            .await;
        id
    };
    let workflow = async |owner: &str| {
        let spec = json!({"owner": owner, "jobs": [{"kind": "k"}]});
        server.post("/api/v1/workflows", spec).await.expect(202)["id"].clone()
    };
    Objects {
        jobs: [job("ann", "k").await, job("bob", "other").await],
        workflows: [workflow("ann").await, workflow("bob").await],
    }
}

/// Tokens for a pair of objects, of which the first is ann's and of the kind `kind`.
async fn principals(server: &Server, keys: [&ApiKey; 2], pair: &[Value; 2], kind: &str) -> Vec<Principal> {
    let [key, revoked] = keys;
    let enqueue = ["read", "enqueue", "cancel", "retry", "signal"];
    let some = [
        ("this job", json!({"scopes": ALL, "job": pair[0]}), ALL.to_vec(), [true, false]),
        ("another job", json!({"scopes": ALL, "job": pair[1]}), ALL.to_vec(), [false, true]),
        ("ann", json!({"scopes": enqueue, "owner": "ann"}), enqueue.to_vec(), [true, false]),
        ("bob", json!({"scopes": enqueue, "owner": "bob"}), enqueue.to_vec(), [false, true]),
        ("ann reads", json!({"scopes": ["read"], "owner": "ann"}), vec!["read"], [true, false]),
        ("ann cancels", json!({"scopes": ["cancel"], "owner": "ann"}), vec!["cancel"], [true, false]),
        (
            "ann's of another kind",
            json!({"scopes": ALL, "owner": "ann", "kinds": ["z"]}),
            ALL.to_vec(),
            [false; 2],
        ),
    ];
    let mut all = Vec::new();
    for (name, body, scopes, reached) in some {
        all.push(Principal { name, bearer: mint(server, key, body).await, rights: Some((scopes, reached)) });
    }
    if kind == "k" {
        let bearer = mint(server, key, json!({"scopes": ALL, "kinds": ["k", "l"]})).await;
        all.push(Principal { name: "kind k", bearer, rights: Some((ALL.to_vec(), [true, false])) });
    }
    let expired = mint(server, key, json!({"scopes": ALL, "owner": "ann", "expires_in": "1s"})).await;
    let dead = mint(server, revoked, json!({"scopes": ALL, "owner": "ann"})).await;
    let (payload, _) = dead.split_once('.').unwrap();
    let forged = format!("{payload}.{}", all[0].bearer.split_once('.').unwrap().1);
    for (name, bearer) in [("expired", expired), ("of a revoked key", dead), ("forged", forged)] {
        all.push(Principal { name, bearer, rights: None });
    }
    all
}

#[tokio::test]
async fn every_route_answers_every_caller_as_the_table_says() {
    on_a_server(|server| async move {
        let objects = objects(&server).await;
        let key = server.make_key("backend", &[Scope::Enqueue]).await;
        let revoked = server.make_key("old", &[Scope::Admin]).await;
        until("the end of openness", || async { server.get("/api/v1/queues").await.status == 401 }).await;
        let of_jobs = principals(&server, [&key, &revoked], &objects.jobs, "k").await;
        let of_workflows =
            principals(&server, [&key, &revoked], &objects.workflows, "tidemill.workflow").await;
        server.store.revoke_api_key(revoked.id()).await.unwrap();
        let path = format!("/api/v1/jobs/{}", text(&objects.jobs[0]));
        for principal in of_jobs.iter().chain(&of_workflows).filter(|principal| principal.rights.is_none()) {
            until("the end of a token", || async {
                let request = server.request(Method::GET, &path).bearer_auth(&principal.bearer);
                server.send(request).await.status == 401
            })
            .await;
        }
        let mut answers = 0;
        for rule in server.state.access.rules() {
            let is_workflow = rule.path.contains("/workflows/{id}");
            let (pair, principals) = match is_workflow {
                true => (&objects.workflows, &of_workflows),
                false => (&objects.jobs, &of_jobs),
            };
            for principal in principals {
                for (own, id) in pair.iter().enumerate() {
                    let answer = knock(&server, rule, text(id), Some(&principal.bearer)).await;
                    assert!(
                        is_as_declared(rule, principal, own, text(id), &answer),
                        "{} {} by {} on object {own}: {answer:?}",
                        rule.method,
                        rule.path,
                        principal.name
                    );
                    answers += 1;
                }
            }
            assert_eq!(
                with_ticket(&server, rule, &key, &pair[0]).await,
                expected_of_ticket(rule),
                "{} {}",
                rule.method,
                rule.path
            );
            let nobody = knock(&server, rule, text(&pair[0]), None).await.0;
            assert_eq!(nobody == 401, !rule.scopes.is_empty(), "{} {}: {nobody}", rule.method, rule.path);
        }
        assert!(answers > 1_000, "{answers}");
    })
    .await;
}
