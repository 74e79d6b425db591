//! The description names the enforced access rules; the page needs nothing that the policy forbids.

use axum::body::{Body, to_bytes};
use axum::http::Request;
use serde_json::Value;
use tower::ServiceExt;
use utoipa::OpenApi as _;

use super::*;
use crate::api::jobs::create_request::JobRequest;
use crate::api::server::problem::ProblemDocument;

/// Enqueues a job.
#[utoipa::path(post, path = "/api/v1/jobs", tag = "jobs", request_body = JobRequest,
    responses((status = 202, description = "Taken in."), (status = 422, body = ProblemDocument)))]
#[expect(dead_code, reason = "only its description is used")]
fn create() {}

#[utoipa::path(get, path = "/healthz", tag = "health", responses((status = 200, description = "Alive.")))]
#[expect(dead_code, reason = "only its description is used")]
fn healthz() {}

#[derive(utoipa::OpenApi)]
#[openapi(paths(create, healthz))]
struct Described;

async fn read(path: &str) -> (u16, String, Vec<u8>) {
    let app = routes(&Described::openapi(), "", &Access::default()).unwrap();
    let answer = app.oneshot(Request::get(path).body(Body::empty()).unwrap()).await.unwrap();
    let media_type = answer.headers()[CONTENT_TYPE].to_str().unwrap().to_owned();
    (answer.status().as_u16(), media_type, to_bytes(answer.into_body(), usize::MAX).await.unwrap().to_vec())
}

#[tokio::test]
async fn the_description_names_the_scopes_of_each_route() {
    let (status, media_type, body) = read("/api/v1/openapi.json").await;
    assert_eq!((status, media_type.as_str()), (200, "application/json"));
    let api: Value = serde_json::from_slice(&body).unwrap();
    assert!(api["openapi"].as_str().unwrap().starts_with("3.1"));
    assert_eq!(api["paths"]["/api/v1/jobs"]["post"]["security"][0]["api_key"][0], "enqueue");
    assert_eq!(api["paths"]["/healthz"]["get"]["security"], serde_json::json!([]));
    assert_eq!(api["components"]["securitySchemes"]["api_key"]["scheme"], "bearer");
    let job = &api["components"]["schemas"]["JobRequest"];
    assert_eq!(job["required"], serde_json::json!(["kind"]));
    assert_eq!(job["additionalProperties"], false);
}

#[tokio::test]
async fn the_page_is_whole_and_fits_the_policy() {
    for (path, expected) in
        [("/docs", "text/html"), ("/docs/docs.css", "text/css"), ("/docs/docs.js", "text/javascript")]
    {
        let (status, media_type, body) = read(path).await;
        assert!(status == 200 && media_type.starts_with(expected) && body.len() > 500, "{path} {media_type}");
        let text = String::from_utf8(body).unwrap();
        for banned in ["style=", "onclick=", "innerHTML", "eval(", "https://", "http://"] {
            assert!(!text.contains(banned), "{path} has {banned}");
        }
    }
    assert!(
        !PAGE.contains("<style")
            && PAGE.matches("<script").count() == PAGE.matches("<script type=\"module\" src=").count()
    );
    assert_eq!(read("/docs/..%2fsecret").await.0, 404);
}
