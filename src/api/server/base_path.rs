//! The path prefix of the server behind a proxy that gives it a part of a site, such as `/jobs-ui`.
//! Addresses in answers begin with it; request paths can begin with it, because some proxies strip
//! it and others do not. Must never change the meaning of an address after the prefix.

use axum::Router;
use axum::extract::Request;
use axum::http::Uri;
use axum::http::uri::PathAndQuery;
use tower::ServiceExt;

/// `routes`, also below `base`; it is empty, or begins with a slash and ends without one.
pub(crate) fn wrap(routes: Router, base: &str) -> Router {
    if base.is_empty() {
        return routes;
    }
    let base = base.to_owned();
    Router::new().fallback_service(tower::service_fn(move |mut request: Request| {
        if let Some(inner) = below(request.uri(), &base) {
            *request.uri_mut() = inner;
        }
        routes.clone().oneshot(request)
    }))
}

/// An address without the base path; `None` where it does not begin with it.
fn below(uri: &Uri, base: &str) -> Option<Uri> {
    let rest = uri.path().strip_prefix(base)?;
    if !rest.is_empty() && !rest.starts_with('/') {
        return None;
    }
    let query = uri.query().map(|query| format!("?{query}")).unwrap_or_default();
    let path = if rest.is_empty() { "/" } else { rest };
    let mut parts = uri.clone().into_parts();
    parts.path_and_query = Some(PathAndQuery::try_from(format!("{path}{query}")).ok()?);
    Uri::from_parts(parts).ok()
}

/// A page whose addresses begin with the base path.
pub(crate) fn led(page: &str, base: &str) -> String {
    page.replace("=\"/", &format!("=\"{base}/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_base_path_is_taken_away_and_nothing_else() {
        for (asked, inner) in [
            ("/jobs-ui", Some("/")),
            ("/jobs-ui?state=failed", Some("/?state=failed")),
            ("/jobs-ui/", Some("/")),
            ("/jobs-ui/jobs/a%2Fb?x=%20", Some("/jobs/a%2Fb?x=%20")),
            ("/jobs-ui/jobs-ui/x", Some("/jobs-ui/x")),
            ("http://host:1/jobs-ui/x", Some("http://host:1/x")),
            ("/jobs-uix", None),
            ("/JOBS-UI/x", None),
            ("/x/jobs-ui", None),
            ("/", None),
        ] {
            let inner = inner.map(str::to_owned);
            assert_eq!(
                below(&asked.parse().unwrap(), "/jobs-ui").map(|uri| uri.to_string()),
                inner,
                "{asked}"
            );
        }
    }

    #[test]
    fn a_page_leads_below_the_base_path() {
        let page = r#"<a href="/"><script src="/page/app.js"><a href="https://x/">"#;
        assert_eq!(led(page, "/m"), r#"<a href="/m/"><script src="/m/page/app.js"><a href="https://x/">"#);
        assert_eq!(led(page, ""), page);
    }
}
