//! The routes that an extension adds to the API, each with the scopes that open it. A route cannot
//! be added without them, so that none is open by an omission.

use utoipa::openapi::path::PathItem;
use utoipa_axum::router::{OpenApiRouter, UtoipaMethodRouter};

use super::server::auth::access::{Rule, TokenRule};
use super::server::auth::api_key::Scope;
use super::server::auth::token::TokenScope;
use super::state::ApiState;

/// The routes of extensions, and the rules that open them.
///
/// # Examples
///
/// ```
/// use axum::Json;
/// use tidemill::{Routes, Scope};
///
/// /// Say hello
/// #[utoipa::path(get, path = "/greeting", responses((status = 200, description = "A greeting")))]
/// async fn greeting() -> Json<&'static str> {
///     Json("Hello")
/// }
///
/// let routes = Routes::none()
///     .tag("greetings", "Who greets whom.")
///     .route(&[Scope::Read], utoipa_axum::routes!(greeting));
/// ```
#[derive(Clone, Default)]
pub struct Routes {
    /// Those that answer within `request_timeout`.
    pub(super) quick: OpenApiRouter<ApiState>,
    /// Those that stream, or wait within bounds of their own.
    pub(super) lasting: OpenApiRouter<ApiState>,
    rules: Vec<Rule>,
}

impl Routes {
    /// No routes.
    #[must_use]
    pub fn none() -> Self {
        Self::default()
    }

    /// Adds what `utoipa_axum::routes!` makes of a handler, for callers with one of these scopes (`admin` is always
    /// enough). It answers within `request_timeout`.
    #[must_use]
    pub fn route(mut self, scopes: &'static [Scope], route: UtoipaMethodRouter<ApiState>) -> Self {
        self.rules.extend(rules_of(scopes, &route));
        self.quick = self.quick.routes(route);
        self
    }

    /// Adds a route that streams or waits: it is bounded by the number of streams, and not in time.
    #[must_use]
    pub fn stream(mut self, scopes: &'static [Scope], route: UtoipaMethodRouter<ApiState>) -> Self {
        self.rules.extend(rules_of(scopes, &route));
        self.lasting = self.lasting.routes(route);
        self
    }

    /// Adds a route that streams one job, which its path names as `{id}` or `{execution_id}`: as [`Routes::stream`], and open
    /// to tokens with the scope `read` that reach the job, and to their tickets.
    #[must_use]
    pub fn stream_of_job(mut self, scopes: &'static [Scope], route: UtoipaMethodRouter<ApiState>) -> Self {
        let rules = rules_of(scopes, &route).into_iter();
        let token = TokenRule::OfJob(TokenScope::Read);
        self.rules.extend(rules.map(|rule| Rule { token, tickets: true, ..rule }));
        self.lasting = self.lasting.routes(route);
        self
    }

    /// Describes a tag that routes carry in the description of the API.
    #[must_use]
    pub fn tag(mut self, name: &str, description: &str) -> Self {
        let tag = utoipa::openapi::tag::TagBuilder::new().name(name).description(Some(description)).build();
        self.quick.get_openapi_mut().tags.get_or_insert_default().push(tag);
        self
    }

    /// Gives every handler that was added so far a value, as `axum::Extension<T>`.
    #[must_use]
    pub fn with<T: Clone + Send + Sync + 'static>(mut self, value: T) -> Self {
        self.quick = self.quick.layer(axum::Extension(value.clone()));
        self.lasting = self.lasting.layer(axum::Extension(value));
        self
    }

    /// These routes and those of another extension.
    #[must_use]
    pub fn and(mut self, other: Self) -> Self {
        self.quick = self.quick.merge(other.quick);
        self.lasting = self.lasting.merge(other.lasting);
        self.rules.extend(other.rules);
        self
    }

    /// The rules of all of them.
    #[must_use]
    pub fn rules(&self) -> &[Rule] {
        &self.rules
    }
}

impl std::fmt::Debug for Routes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Routes").field("rules", &self.rules).finish_non_exhaustive()
    }
}

/// A rule for each method of a route.
fn rules_of(scopes: &'static [Scope], (_, paths, _): &UtoipaMethodRouter<ApiState>) -> Vec<Rule> {
    let methods = |item: &PathItem| {
        let described = [
            ("GET", item.get.is_some()),
            ("POST", item.post.is_some()),
            ("PUT", item.put.is_some()),
            ("PATCH", item.patch.is_some()),
            ("DELETE", item.delete.is_some()),
        ];
        described.into_iter().filter(|(_, is_there)| *is_there).map(|(method, _)| method).collect::<Vec<_>>()
    };
    let of_path = |(path, item): (&String, &PathItem)| {
        let path = path.clone();
        methods(item).into_iter().map(move |method| Rule {
            method,
            path: path.clone().into(),
            scopes,
            token: TokenRule::Refused,
            tickets: false,
        })
    };
    paths.paths.iter().flat_map(of_path).collect()
}
