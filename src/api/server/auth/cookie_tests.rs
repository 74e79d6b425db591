//! The values that are read from cookies, and each refusal of a request that a foreign page could have sent.

use axum::http::HeaderValue;

use super::*;
use crate::api::server::auth::token::tests::sign;

fn rule() -> CookieRule {
    CookieRule {
        name: "tm".into(),
        origins: vec!["https://app.test".into()],
        path: "/api/v1".into(),
        ..CookieRule::default()
    }
}

fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in pairs {
        headers.append(*name, HeaderValue::from_str(value).unwrap());
    }
    headers
}

#[test]
fn only_a_token_is_read_and_only_from_its_cookie() {
    let token = sign(r#"{"key":"a","scopes":["read"],"owner":"ann","expires":7}"#, b"secret");
    let read = |cookies: &[&str]| {
        let pairs: Vec<_> = cookies.iter().map(|cookie| ("cookie", *cookie)).collect();
        rule().token(&headers(&pairs))
    };
    assert_eq!(read(&[&format!("a=b; tm={token}; tmx=1")]).unwrap(), Some(token.clone()));
    assert_eq!(read(&["a=b", &format!("tm={token}")]).unwrap(), Some(token.clone()));
    let key = crate::api::server::auth::api_key::ApiKey::generate();
    for other in ["", "tm", "tm=", "x=y", &format!("other={token}"), &format!("tm={}", key.reveal())] {
        assert_eq!(read(&[other]).unwrap(), None, "{other}");
    }
    assert!(read(&[&format!("tm={token}; tm={token}")]).is_err());
    assert!(read(&["tm=x", &format!("tm={token}")]).is_err());
}

#[test]
fn what_a_foreign_page_could_send_is_refused() {
    let csrf = csrf_of("token");
    let check = |method: Method, pairs: &[(&'static str, &str)]| {
        let pairs = [&[("host", "jobs.test")], pairs].concat();
        rule().check(&method, &headers(&pairs), "token").is_ok()
    };
    let (own, app) = (("origin", "https://jobs.test"), ("origin", "https://app.test"));
    let with = ("x-csrf-token", csrf.as_str());
    for method in [Method::POST, Method::PUT, Method::PATCH, Method::DELETE] {
        assert!(check(method.clone(), &[own, with]) && check(method.clone(), &[app, with]));
        assert!(!check(method.clone(), &[with]), "without an origin");
        assert!(!check(method.clone(), &[own]) && !check(method.clone(), &[app]), "without the value");
        assert!(!check(method.clone(), &[own, with, with]), "with two values");
        let other = csrf_of("other");
        assert!(!check(method.clone(), &[own, ("x-csrf-token", &other)]), "with that of another token");
        for foreign in ["https://evil.test", "null", "https://app.test.evil", "https://jobs.test:81", ""] {
            assert!(!check(method.clone(), &[("origin", foreign), with]), "{foreign}");
        }
    }
    assert!(check(Method::GET, &[]) && check(Method::GET, &[own]) && check(Method::GET, &[app]));
    assert!(!check(Method::GET, &[("origin", "https://evil.test")]));
}

#[test]
fn the_cookie_is_out_of_reach_of_scripts() {
    let set = rule().set("t", 60);
    assert_eq!(set, "tm=t; Path=/api/v1; Max-Age=60; HttpOnly; Secure; SameSite=Lax");
    let host = CookieRule { name: "__Host-tm".into(), same_site: SameSite::None, ..rule() };
    assert_eq!(host.set("", 0), "__Host-tm=; Path=/; Max-Age=0; HttpOnly; Secure; SameSite=None");
}
