//! Reads the query of a request into a value, as strictly as a body. A name that appears several
//! times fills a list. Must never accept a query that is not UTF-8 or contains NUL.

use std::borrow::Cow;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use serde::de::DeserializeOwned;
use serde_path_to_error::Segment;
use url::form_urlencoded;

use super::parse::shortened;
use crate::api::server::problem::Problem;

/// Parameters that may be empty: clients that cannot send the header `Last-Event-ID` start with an empty
/// value.
const MAY_BE_EMPTY: &str = "lastEventId";

/// The query of a request.
#[derive(Debug, Clone)]
pub struct Params<T>(pub T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequestParts<S> for Params<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        read(parts.uri.query().unwrap_or_default()).map(Self)
    }
}

fn read<T: DeserializeOwned>(query: &str) -> Result<T, Problem> {
    for (name, value) in form_urlencoded::parse(query.as_bytes()) {
        let unreadable = |text: &Cow<str>| text.contains(['\0', char::REPLACEMENT_CHARACTER]);
        if unreadable(&name) || unreadable(&value) {
            let detail = "The query holds NUL or bytes that are not UTF-8.";
            return Err(
                Problem::invalid(shortened(&name), detail).remedy("Send percent-encoded UTF-8 without NUL.")
            );
        }
        if value.is_empty() && name != MAY_BE_EMPTY {
            let detail = format!("The query parameter {} is empty.", shortened(&name));
            return Err(
                Problem::invalid(shortened(&name), detail).remedy("Give it a value, or leave it out.")
            );
        }
    }
    let deserializer = serde_html_form::Deserializer::from_bytes(query.as_bytes());
    serde_path_to_error::deserialize(deserializer).map_err(|error| {
        let name = error.path().iter().find_map(|segment| match segment {
            Segment::Map { key } => Some(key.clone()),
            _ => None,
        });
        unfit(&error.inner().to_string(), &name.unwrap_or_default())
    })
}

fn unfit(message: &str, name: &str) -> Problem {
    let (what, expected) = message.split_once(", expected ").unwrap_or((message, ""));
    let place = if name.is_empty() {
        "The query".to_owned()
    } else {
        format!("The query parameter {}", shortened(name))
    };
    let problem =
        Problem::invalid(shortened(name), format!("{place} is not acceptable: {}.", shortened(what)));
    match expected {
        "" => problem,
        _ => problem.remedy(format!("Use {}.", shortened(expected))),
    }
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, Default, PartialEq, Deserialize)]
    #[serde(deny_unknown_fields, default)]
    struct Filter {
        job: Vec<String>,
        limit: Option<u16>,
    }

    #[test]
    fn a_name_may_come_several_times() {
        let filter: Filter = read("job=a&job=b%20c&limit=3").unwrap();
        assert_eq!(filter, Filter { job: vec!["a".into(), "b c".into()], limit: Some(3) });
        assert_eq!(read::<Filter>("").unwrap(), Filter::default());
    }

    #[test]
    fn a_bad_query_names_the_parameter() {
        let cases =
            [("limit=x", "limit"), ("limit=-1", "limit"), ("limit=70000", "limit"), ("lmit=1", "lmit")];
        let more = [
            ("limit=1&limit=2", "limit"),
            ("job=%00", "job"),
            ("job=%ff", "job"),
            ("limit=", "limit"),
            ("job", "job"),
        ];
        for (query, name) in cases.into_iter().chain(more) {
            let document = read::<Filter>(query).unwrap_err().document();
            assert_eq!(
                (document.status, document.field.as_deref()),
                (422, Some(name)),
                "{query}: {document:?}"
            );
        }
        assert!(read::<Filter>("lmit=1").unwrap_err().document().remedy.contains("`limit`"));
    }
}
