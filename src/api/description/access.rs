//! Describes the scopes of each operation, from the table that is enforced. Must never describe a
//! route as open that needs a key.

use axum::http::Method;
use serde_json::{Map, Value, json};

use super::document::components;
use crate::api::server::auth::access::{Access, Verdict};
use crate::api::server::auth::api_key::Scope;

const SCHEME: &str = "api_key";

/// The scopes that a route needs, of which one is enough; none means everybody.
pub(super) fn scopes(access: &Access, method: &str, path: &str) -> &'static [Scope] {
    let method = Method::from_bytes(method.as_bytes()).unwrap_or_default();
    match access.verdict(&method, path) {
        Verdict::Needs(scopes) => scopes,
        // Such a route refuses every caller; the tests find it.
        Verdict::OtherMethods(_) | Verdict::Unlisted => &[Scope::Admin],
    }
}

/// Names the scopes of one operation, for tools and for readers.
pub(super) fn secure(access: &Access, method: &str, path: &str, operation: &mut Map<String, Value>) {
    let scopes = scopes(access, method, path);
    let requirements: Vec<Value> = scopes.iter().map(|scope| json!({ SCHEME: [scope.name()] })).collect();
    operation.insert("security".into(), requirements.into());
    if scopes.is_empty() {
        return;
    }
    let names: Vec<_> = scopes.iter().map(|scope| format!("`{}`", scope.name())).collect();
    let needs = format!("Needs a key with the scope {}.", names.join(" or "));
    let described = operation.get("description").and_then(Value::as_str).unwrap_or_default();
    let description =
        [described, &needs].into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join("\n\n");
    operation.insert("description".into(), description.into());
}

/// Says what a key is and what each scope allows.
pub(super) fn share(document: &mut Value) {
    let scopes = [
        (Scope::Enqueue, "enqueue jobs; read, cancel, retry and change single jobs"),
        (Scope::Read, "read everything"),
        (Scope::Work, "serve as a remote worker"),
        (Scope::Admin, "all of the above, and every action that changes queues or deletes"),
    ];
    let scopes: Vec<_> = scopes.iter().map(|(scope, allows)| format!("- `{scope}`: {allows}")).collect();
    let description = format!(
        "An API key, created with `tidemill keys create`. Needed as soon as a key exists, and always where \
         the server listens on more than loopback. A key has one or more scopes; `admin` is enough \
         everywhere.\n\n{}",
        scopes.join("\n")
    );
    let scheme = json!({
        "type": "http", "scheme": "bearer", "bearerFormat": "tm_<id>_<secret>", "description": description,
    });
    if let Some(schemes) = components(document, "securitySchemes") {
        schemes.insert(SCHEME.into(), scheme);
    }
}
