//! The shapes of answers that several routes share. Must be built only from answers of the store.

use axum::Json;
use axum::http::header::LOCATION;
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use super::server::idempotency::REPLAYED;

/// A page of a list.
#[derive(Debug, Serialize, ToSchema)]
pub struct Page<T> {
    /// The items of this page.
    pub items: Vec<T>,
    /// The `cursor` of the next page; null on the last page.
    pub next_cursor: Option<String>,
}

impl<T> Page<T> {
    /// All there is.
    pub fn whole(items: Vec<T>) -> Json<Self> {
        Json(Self { items, next_cursor: None })
    }
}

/// An answer that may have been stored under an Idempotency-Key before.
#[derive(Debug)]
pub struct Repeatable {
    /// The status, the same each time.
    pub status: StatusCode,
    /// The body.
    pub body: Value,
    /// True if the body was stored before.
    pub replayed: bool,
}

impl IntoResponse for Repeatable {
    fn into_response(self) -> Response {
        let location = self.body["links"]["self"].as_str().and_then(|path| HeaderValue::from_str(path).ok());
        let mut response = (self.status, Json(self.body)).into_response();
        if let Some(location) = location {
            response.headers_mut().insert(LOCATION, location);
        }
        if self.replayed {
            response.headers_mut().insert(REPLAYED, HeaderValue::from_static("true"));
        }
        response
    }
}
