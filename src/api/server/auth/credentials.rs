//! The credentials in a request: a key or token in a header, a ticket in the URL, a token or a session in a
//! cookie. Must never decide whether they are valid.

use axum::extract::Request;
use axum::http::header::{AUTHORIZATION, SEC_WEBSOCKET_PROTOCOL};
use axum::http::uri::PathAndQuery;
use axum::http::{HeaderMap, HeaderValue, Uri};
use url::form_urlencoded;

use super::api_key::ApiKey;
use super::cookie::CookieRule;
use super::ticket;
use super::token::SentToken;
use crate::api::server::problem::{Case, Problem};

/// The subprotocol of our WebSockets for browsers; a browser offers its API key next to it, because it
/// cannot send a header.
pub const SUBPROTOCOL: &str = "tidemill.v1";

/// What a request shows. Only the first that is there counts, in this order.
#[derive(PartialEq, Eq)]
pub(super) enum Offered {
    /// The text after `Bearer`; `None` if the header says something else.
    Header(Option<String>),
    /// A ticket.
    Ticket(String),
    /// The token of a cookie.
    Cookie(String),
    /// A session of the dashboard, from its own cookie.
    Session(String),
    /// Nothing at all.
    Nothing,
}

impl Offered {
    /// Of a request, and of the ticket that was taken from its address.
    ///
    /// # Errors
    /// 400 if the cookie is there twice.
    pub(super) fn of(
        headers: &HeaderMap,
        ticket: Option<String>,
        cookie: Option<&CookieRule>,
        session: Option<&CookieRule>,
    ) -> Result<Self, Problem> {
        if let Some(header) = headers.get(AUTHORIZATION) {
            return Ok(Self::Header(bearer_text(header).map(str::to_owned)));
        }
        if let Some(key) = offered_key(headers) {
            return Ok(Self::Header(Some(key)));
        }
        if let Some(ticket) = ticket {
            return Ok(Self::Ticket(ticket));
        }
        let token = cookie.map(|cookie| cookie.token(headers)).transpose()?.flatten();
        if let Some(token) = token {
            return Ok(Self::Cookie(token));
        }
        let session = session.and_then(|rule| rule.values(headers).find(|value| !value.is_empty()));
        Ok(session.map_or(Self::Nothing, |text| Self::Session(text.to_owned())))
    }
}

/// The token that a request comes with, in its header or its cookie.
pub(crate) fn token_of(headers: &HeaderMap, cookie: &CookieRule) -> Result<Option<String>, Problem> {
    Ok(match Offered::of(headers, None, Some(cookie), None)? {
        Offered::Header(text) => text.filter(|text| SentToken::parse(text).is_some()),
        Offered::Cookie(token) => Some(token),
        Offered::Ticket(_) | Offered::Session(_) | Offered::Nothing => None,
    })
}

fn bearer_text(header: &HeaderValue) -> Option<&str> {
    let (scheme, text) = header.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| text.trim())
}

/// The key that a WebSocket offers next to our subprotocol.
fn offered_key(headers: &HeaderMap) -> Option<String> {
    let offers = headers.get_all(SEC_WEBSOCKET_PROTOCOL).iter().filter_map(|offer| offer.to_str().ok());
    let mut offers = offers.flat_map(|offer| offer.split(',')).map(str::trim);
    offers.find(|offer| ApiKey::parse(offer).is_some()).map(str::to_owned)
}

/// Addresses end up in logs, histories and referrers; a key in an address is compromised.
pub(super) fn refuse_key_in_query(query: &str) -> Result<(), Problem> {
    for (name, value) in form_urlencoded::parse(query.as_bytes()) {
        if ApiKey::parse(&value).is_some()
            || SentToken::parse(&value).is_some()
            || matches!(&*name, "access_token" | "api_key" | "apikey")
        {
            let detail = "The query contains an API key; logs and browser histories keep it.";
            let remedy = "Revoke that key, create a new one, and send it as 'Authorization: Bearer …'.";
            return Err(Problem::new(Case::BadRequest, detail).field(name).remedy(remedy));
        }
    }
    Ok(())
}

/// Takes the ticket out of a request's address, so that nothing behind this repeats it.
pub(super) fn take_ticket(request: &mut Request) -> Option<String> {
    let query = request.uri().query()?;
    let is_ticket = |pair: &&str| pair.split('=').next() == Some(ticket::PARAMETER);
    let found = query.split('&').find(is_ticket)?;
    let (_, ticket) = form_urlencoded::parse(found.as_bytes()).next()?;
    let ticket = ticket.into_owned();
    let rest: Vec<&str> = query.split('&').filter(|pair| !is_ticket(pair)).collect();
    let path = request.uri().path();
    let address = if rest.is_empty() { path.to_owned() } else { format!("{path}?{}", rest.join("&")) };
    let mut parts = request.uri().clone().into_parts();
    parts.path_and_query = Some(PathAndQuery::try_from(address).ok()?);
    *request.uri_mut() = Uri::from_parts(parts).ok()?;
    Some(ticket)
}

#[cfg(test)]
mod tests {
    use axum::body::Body;

    use super::*;

    #[test]
    fn the_ticket_leaves_the_address_and_everything_else_stays() {
        for (uri, ticket, rest) in [
            ("/a?ticket=tms_x.y", Some("tms_x.y"), "/a"),
            ("/a?job=1&ticket=t&job=2", Some("t"), "/a?job=1&job=2"),
            ("/a?job=%20x&ticket=a%2Eb&ticket=c", Some("a.b"), "/a?job=%20x"),
            ("http://h:1/a?ticket=", Some(""), "http://h:1/a"),
            ("/a?tickets=1&x=ticket", None, "/a?tickets=1&x=ticket"),
            ("/a", None, "/a"),
        ] {
            let mut request = Request::builder().uri(uri).body(Body::empty()).unwrap();
            assert_eq!(take_ticket(&mut request).as_deref(), ticket, "{uri}");
            assert_eq!(request.uri().to_string(), rest);
        }
    }
}
