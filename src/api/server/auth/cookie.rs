//! A token in a cookie, where the operator allows it, and what keeps foreign pages from using it: the
//! origin, and a value that only a page that may read answers can know. Must never read a key from a
//! cookie.

use axum::http::header::{COOKIE, HOST, ORIGIN};
use axum::http::{HeaderMap, HeaderName, Method};
use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use url::Url;

use super::token::SentToken;
use crate::api::server::problem::{Case, Problem};

/// The header with the value that goes with the cookie.
pub(crate) const CSRF_HEADER: HeaderName = HeaderName::from_static("x-csrf-token");

/// Which cookie is read, and from whose pages.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CookieRule {
    /// The name of the cookie.
    pub name: String,
    /// To which requests of other sites a browser adds it.
    pub same_site: SameSite,
    /// The origins beside the server's own whose pages may use it.
    pub origins: Vec<String>,
    /// The path under which it is sent.
    pub path: String,
}

/// The attribute `SameSite` of a cookie.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd)]
pub enum SameSite {
    /// Only to requests of pages of the same site.
    Strict,
    /// Also when a link of another site is followed.
    #[default]
    Lax,
    /// To every request.
    None,
}

impl CookieRule {
    /// The token of a request's cookie.
    ///
    /// # Errors
    /// 400 if there are two: another part of the site set one of them, and it is unknown which.
    pub(crate) fn token(&self, headers: &HeaderMap) -> Result<Option<String>, Problem> {
        let mut own = self.values(headers);
        let first = own.next();
        if own.next().is_some() {
            let detail = format!("The request has the cookie {} twice.", self.name);
            let remedy = "Delete the cookies of the site; name the cookie __Host-…, so that it cannot be.";
            return Err(Problem::new(Case::BadRequest, detail).remedy(remedy));
        }
        Ok(first.filter(|text| SentToken::parse(text).is_some()).map(str::to_owned))
    }

    /// What the request has in cookies of this name, that of the longest path first.
    pub(crate) fn values<'a>(&'a self, headers: &'a HeaderMap) -> impl Iterator<Item = &'a str> {
        let pairs = headers.get_all(COOKIE).iter().filter_map(|header| header.to_str().ok());
        let pairs = pairs.flat_map(|header| header.split(';')).filter_map(|pair| pair.split_once('='));
        pairs.filter(|(name, _)| name.trim() == self.name).map(|(_, value)| value.trim())
    }

    /// Refuses what a foreign page could have a browser send: a request with a foreign origin, and one that changes
    /// something without an origin or without the value that goes with the cookie.
    ///
    /// # Errors
    /// 403 for such a request.
    pub(crate) fn check(&self, method: &Method, headers: &HeaderMap, token: &str) -> Result<(), Problem> {
        match headers.get(ORIGIN) {
            Some(origin) if !self.allows(origin.to_str().unwrap_or_default(), headers) => {
                let detail = "The cookie came with a request of another origin.";
                return Err(Problem::new(Case::CrossSite, detail));
            }
            None if !method.is_safe() => {
                let detail = "A request with the cookie that changes something has no Origin header.";
                let remedy =
                    "Send the request from a page; a program sends its token as Authorization: Bearer ….";
                return Err(Problem::new(Case::CrossSite, detail).remedy(remedy));
            }
            _ if method.is_safe() => return Ok(()),
            _ => {}
        }
        let mut sent = headers.get_all(CSRF_HEADER).iter();
        let (Some(value), None) = (sent.next(), sent.next()) else { return Err(no_csrf()) };
        let matches: bool = value.as_bytes().ct_eq(csrf_of(token).as_bytes()).into();
        if matches { Ok(()) } else { Err(no_csrf()) }
    }

    fn allows(&self, origin: &str, headers: &HeaderMap) -> bool {
        // A browser says it of its own page even if a proxy changed the host.
        if headers.get("sec-fetch-site").is_some_and(|site| site == "same-origin") {
            return true;
        }
        let host = headers.get(HOST).and_then(|host| host.to_str().ok()).map(str::to_ascii_lowercase);
        let own = Url::parse(origin).ok().map(|url| url.authority().to_ascii_lowercase());
        (own.is_some() && own == host) || self.origins.iter().any(|allowed| allowed == origin)
    }

    /// The header that stores a token for this many seconds; an empty one for none removes it.
    pub(crate) fn set(&self, token: &str, seconds: i64) -> String {
        self.set_for(token, seconds, true)
    }

    /// The same; only a page without HTTPS gets a cookie that is sent without it.
    pub(crate) fn set_for(&self, token: &str, seconds: i64, is_secure: bool) -> String {
        let same_site = match self.same_site {
            SameSite::Strict => "Strict",
            SameSite::Lax => "Lax",
            SameSite::None => "None",
        };
        // A name that begins with __Host- is only stored for the whole of a host.
        let path = if self.name.starts_with("__Host-") { "/" } else { self.path.as_str() };
        let (name, secure) = (&self.name, if is_secure { "Secure; " } else { "" });
        format!("{name}={token}; Path={path}; Max-Age={seconds}; HttpOnly; {secure}SameSite={same_site}")
    }
}

fn no_csrf() -> Problem {
    let detail = "A request with the cookie that changes something needs the header X-CSRF-Token.";
    let remedy = "Read the value from GET /api/v1/tokens/csrf, once for each token (of a session from GET /api/v1/me), and \
        send it with each such request.";
    Problem::new(Case::CrossSite, detail).remedy(remedy)
}

/// The value that belongs to a token. It reveals nothing about the token, and cannot be computed without it.
pub(crate) fn csrf_of(token: &str) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(Sha256::digest(format!("tidemill csrf:{token}")))
}

#[cfg(test)]
#[path = "cookie_tests.rs"]
mod tests;
