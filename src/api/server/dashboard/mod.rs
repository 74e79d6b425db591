//! Serves the dashboard at `/` and its files from the binary. Must never serve a file of the
//! machine: only the files under `web/` at build time, and of those only what a browser needs.

pub(crate) mod script;

use axum::Router;
use axum::extract::Path;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE, ETAG, IF_NONE_MATCH};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use rust_embed::{EmbeddedFile, RustEmbed};

use super::base_path::led;

/// The paths for which the server sends the page, which then shows the requested part.
const CLIENT_ROUTES: [&str; 22] = [
    "/",
    "/alerts",
    "/audit",
    "/doctor",
    "/enqueue",
    "/failures",
    "/jobs",
    "/jobs/{id}",
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
];

/// The files of `web/` that a browser needs, without tests and tools; a development build reads them
/// from the checkout at every request.
#[derive(RustEmbed)]
#[folder = "web/"]
#[include = "app.js"]
#[include = "favicon.svg"]
#[include = "index.html"]
#[include = "components/*.js"]
#[include = "lib/*.js"]
#[include = "lib/live/*.js"]
#[include = "pages/*.js"]
#[include = "styles/*.css"]
#[include = "ui/*.js"]
#[include = "vendor/*.js"]
#[include = "vendor/licences.txt"]
struct Files;

/// The page and its files as routes, for a browser that finds them below `base`. Every other address is
/// left to the router that this is merged into.
pub fn router<S>(base: &str) -> Router<S>
where
    S: Clone + Send + Sync + 'static,
{
    let asset = |Path(path): Path<String>, headers: HeaderMap| async move { file(&path, &headers) };
    CLIENT_ROUTES.iter().fold(Router::new().route("/page/{*file}", get(asset)), |router, route| {
        let base = base.to_owned();
        router.route(route, get(move |headers: HeaderMap| async move { index(&base, &headers) }))
    })
}

/// The media type of a file; `None` for a path that leads elsewhere, such as `lib/../test/x.js`.
fn media_type(path: &str) -> Option<&'static str> {
    if path.split('/').any(|part| part.starts_with('.')) || path.contains('\\') {
        return None;
    }
    match path.rsplit_once('.')?.1 {
        "html" => Some("text/html; charset=utf-8"),
        "css" => Some("text/css; charset=utf-8"),
        "js" => Some("text/javascript; charset=utf-8"),
        "svg" => Some("image/svg+xml"),
        "txt" => Some("text/plain; charset=utf-8"),
        _ => None,
    }
}

/// One file, or 304 if the browser has it already. Browsers ask each time, so that they never show the page
/// of an older binary.
fn file(path: &str, headers: &HeaderMap) -> Response {
    let (Some(file), Some(media_type)) = (Files::get(path), media_type(path)) else {
        return StatusCode::NOT_FOUND.into_response();
    };
    let tag = tag(&file, "");
    // Libraries come as small as they are published.
    if !media_type.starts_with("text/javascript") || path.starts_with("vendor/") {
        return answer(&tag, media_type, headers, file.data);
    }
    answer(&tag, media_type, headers, script::compact(&String::from_utf8_lossy(&file.data)))
}

/// The page itself, which names the addresses of its files.
fn index(base: &str, headers: &HeaderMap) -> Response {
    let (Some(file), Some(media_type)) = (Files::get("index.html"), media_type("index.html")) else {
        return StatusCode::NOT_FOUND.into_response();
    };
    let tag = tag(&file, base);
    answer(&tag, media_type, headers, led(&String::from_utf8_lossy(&file.data), base))
}

fn answer(tag: &str, media_type: &'static str, headers: &HeaderMap, content: impl IntoResponse) -> Response {
    let common = [(ETAG, tag), (CACHE_CONTROL, "no-cache")];
    if holds(headers, tag) {
        return (StatusCode::NOT_MODIFIED, common).into_response();
    }
    (common, [(CONTENT_TYPE, media_type)], content).into_response()
}

fn tag(file: &EmbeddedFile, base: &str) -> String {
    let start: [u8; 16] = file.metadata.sha256_hash()[..16].try_into().expect("a SHA-256 hash has 32 bytes");
    format!("\"{:032x}{base}\"", u128::from_be_bytes(start))
}

/// Whether the browser named this tag, alone or among others, also as a weak one.
fn holds(headers: &HeaderMap, tag: &str) -> bool {
    let named = headers.get_all(IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok());
    named.flat_map(|value| value.split(',')).any(|each| each.trim().trim_start_matches("W/") == tag)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use axum::body::{Body, to_bytes};
    use axum::http::Request;
    use tower::ServiceExt;
    use url::Url;

    use super::*;

    async fn fetch(path: &str, tag: Option<&str>) -> (StatusCode, HeaderMap, String) {
        let mut request = Request::get(path);
        if let Some(tag) = tag {
            request = request.header(IF_NONE_MATCH, tag);
        }
        let answer = router::<()>("").oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
        let (parts, body) = answer.into_parts();
        let bytes = to_bytes(body, 1 << 20).await.unwrap();
        (parts.status, parts.headers, String::from_utf8(bytes.to_vec()).unwrap())
    }

    #[tokio::test]
    async fn every_client_route_is_the_page() {
        for path in
            ["/", "/enqueue", "/jobs", "/jobs/0198", "/jobs/execution:a%2Fb", "/queues", "/schedules/a%2Fb"]
        {
            let (status, headers, body) = fetch(path, None).await;
            assert_eq!(status, StatusCode::OK, "{path}");
            assert_eq!(headers[CONTENT_TYPE], "text/html; charset=utf-8");
            assert_eq!(headers[CACHE_CONTROL], "no-cache");
            assert!(body.contains("<script type=\"module\" src=\"/page/app.js\">"), "{path}");
        }
    }

    #[tokio::test]
    async fn what_the_browser_has_is_not_sent_again() {
        let (_, headers, _) = fetch("/page/pages/job.js", None).await;
        let tag = headers[ETAG].to_str().unwrap();
        for named in [tag.to_owned(), format!("W/{tag}"), format!("\"other\", {tag}")] {
            let (status, headers, body) = fetch("/page/pages/job.js", Some(&named)).await;
            assert_eq!((status, body.as_str()), (StatusCode::NOT_MODIFIED, ""), "{named}");
            assert_eq!(headers[ETAG], tag);
        }
        assert_eq!(fetch("/page/pages/job.js", Some("\"other\"")).await.0, StatusCode::OK);
    }

    #[tokio::test]
    async fn only_the_page_is_served() {
        for path in [
            "/page/package.json",
            "/page/.npmrc",
            "/page/test/sse-parser.test.js",
            "/page/test%2Fsse-parser.test.js",
            "/page/test/browser/mill.js",
            "/page/vendor/vendor.json",
            "/page/lib/../test/sse-parser.test.js",
            "/page/lib%2F..%2Ftest%2Fsse-parser.test.js",
            "/page/lib%5C..%5Ctest%5Csse-parser.test.js",
            "/page/node_modules/playwright-core/index.js",
            "/page/docs/docs.js",
            "/page/lib",
            "/page/",
            "/page/..%2FCargo.toml",
            "/page/..%2Fbuild.js",
            "/page/no.js",
            "/app.js",
            "/docs",
        ] {
            assert_eq!(fetch(path, None).await.0, StatusCode::NOT_FOUND, "{path}");
        }
    }

    #[tokio::test]
    async fn every_file_is_served_with_its_type() {
        for path in Files::iter() {
            let (status, headers, _) = fetch(&format!("/page/{path}"), None).await;
            assert_eq!(status, StatusCode::OK, "{path}");
            assert_eq!(headers[CONTENT_TYPE], media_type(&path).unwrap());
            assert_eq!(headers[CACHE_CONTROL], "no-cache", "{path}");
        }
    }

    fn source(path: &str) -> String {
        String::from_utf8(Files::get(path).expect(path).data.into_owned()).unwrap()
    }

    /// The modules that a module imports, at once or later, as paths below `web/`.
    fn imports(path: &str) -> Vec<String> {
        let base = Url::parse("http://page/").unwrap().join(path).unwrap();
        let text = source(path);
        let after =
            ["from \"", "import \"", "import(\""].into_iter().flat_map(|word| text.split(word).skip(1));
        let named = after.filter_map(|rest| rest.split('"').next()).filter(|name| name.starts_with('.'));
        named.map(|name| base.join(name).unwrap().path().trim_start_matches('/').to_owned()).collect()
    }

    #[test]
    fn only_the_files_that_the_page_loads_are_embedded() {
        let page = source("index.html");
        let mut open: Vec<String> =
            page.split('"').filter_map(|text| text.strip_prefix("/page/")).map(str::to_owned).collect();
        let mut loaded = BTreeSet::from(["index.html".to_owned()]);
        while let Some(path) = open.pop() {
            let is_module = media_type(&path).is_some_and(|kind| kind.starts_with("text/javascript"));
            if loaded.insert(path.clone()) && is_module {
                open.extend(imports(&path));
            }
        }
        assert_eq!(loaded, Files::iter().map(String::from).collect());
    }

    #[test]
    fn the_page_has_nothing_that_the_content_policy_forbids() {
        let text = source("index.html");
        for inline in
            ["style=", "<style", "<script>", "onclick", "onload", "javascript:", "https://", "http://"]
        {
            assert!(!text.contains(inline), "index.html has {inline}");
        }
    }
}
