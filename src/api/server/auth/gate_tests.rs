//! Authentication with keys and without, by scope and by route.

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use axum::body::Body;
use axum::extract::Request;
use axum::http::StatusCode;
use axum::http::header::AUTHORIZATION;
use axum::middleware::from_fn_with_state;
use axum::routing::{get, post};
use axum::{Extension, Router};
use tower::ServiceExt;

use super::*;
use crate::api::server::auth::entrance::enter;

#[derive(Default)]
struct Shelf {
    keys: Mutex<HashMap<String, StoredKey>>,
    lookups: AtomicUsize,
    broken: AtomicBool,
}

impl Shelf {
    fn add(&self, scopes: &[Scope]) -> ApiKey {
        let key = ApiKey::generate();
        let stored = StoredKey {
            hash: key.hash().to_vec(),
            scopes: scopes.to_vec(),
            name: "test".into(),
            token_key: None,
            expires_at: None,
            ended_sessions: HashSet::default(),
            sessions_ended_until: None,
        };
        self.keys.lock().unwrap().insert(key.id().to_owned(), stored);
        key
    }

    fn answer<T>(&self, value: T) -> Result<T, Problem> {
        self.lookups.fetch_add(1, Ordering::Relaxed);
        if self.broken.load(Ordering::Relaxed) {
            return Err(Problem::unavailable("the database is away", &"test"));
        }
        Ok(value)
    }
}

struct Shared(Arc<Shelf>);

impl KeyLookup for Shared {
    fn lookup<'a>(&'a self, key_id: &'a str) -> Lookup<'a, Option<StoredKey>> {
        let found = self.0.keys.lock().unwrap().get(key_id).cloned();
        Box::pin(async move {
            // As with a database, others come meanwhile.
            tokio::task::yield_now().await;
            self.0.answer(found)
        })
    }

    fn any(&self) -> Lookup<'_, bool> {
        let any = !self.0.keys.lock().unwrap().is_empty();
        Box::pin(async move {
            tokio::task::yield_now().await;
            self.0.answer(any)
        })
    }
}

fn app(shelf: &Arc<Shelf>, open: bool) -> (Router, Arc<Gate>) {
    app_over(Gate::new(Shared(Arc::clone(shelf)), open))
}

fn app_over(keys: Arc<Gate>) -> (Router, Arc<Gate>) {
    let who = |caller: Option<Extension<Caller>>| async move {
        caller.map_or(String::new(), |caller| caller.0.name)
    };
    let router = Router::new()
        .route("/healthz", get(who))
        .route("/api/v1/jobs", get(who).post(who).put(who))
        .route("/api/v1/jobs/{id}", get(who).delete(who))
        .route("/api/v1/worker/claim", post(who))
        .route("/metrics", get(who))
        .route("/forgotten", get(who))
        .layer(from_fn_with_state(Arc::clone(&keys), enter));
    (router, keys)
}

async fn status(app: &Router, method: &str, path: &str, header: Option<&str>) -> StatusCode {
    let mut request = Request::builder().method(method).uri(path);
    if let Some(header) = header {
        request = request.header(AUTHORIZATION, header);
    }
    app.clone().oneshot(request.body(Body::empty()).unwrap()).await.unwrap().status()
}

fn bearer_of(key: &ApiKey) -> String {
    format!("Bearer {}", key.reveal())
}

#[tokio::test]
async fn every_scope_opens_its_routes_and_no_other() {
    let shelf = Arc::new(Shelf::default());
    let (app, _) = app(&shelf, true);
    let routes = [
        ("GET", "/api/v1/jobs", "read admin"),
        ("HEAD", "/api/v1/jobs", "read admin"),
        ("POST", "/api/v1/jobs", "enqueue admin"),
        ("GET", "/api/v1/jobs/7", "read enqueue admin"),
        ("DELETE", "/api/v1/jobs/7", "admin"),
        ("POST", "/api/v1/worker/claim", "work admin"),
    ];
    for scope in Scope::ALL {
        let header = bearer_of(&shelf.add(&[*scope]));
        for (method, path, allowed) in routes {
            let expected =
                if allowed.contains(scope.name()) { StatusCode::OK } else { StatusCode::FORBIDDEN };
            assert_eq!(status(&app, method, path, Some(&header)).await, expected, "{scope} {method} {path}");
        }
    }
    for (method, path, _) in routes {
        assert_eq!(status(&app, method, path, None).await, StatusCode::UNAUTHORIZED);
    }
    assert_eq!(status(&app, "GET", "/healthz", None).await, StatusCode::OK);
}

#[tokio::test]
async fn bad_credentials_are_refused_alike() {
    let shelf = Arc::new(Shelf::default());
    let key = shelf.add(&[Scope::Admin]);
    let (app, _) = app(&shelf, true);
    let wrong_secret = format!("Bearer {}{}", &key.reveal()[..16], &ApiKey::generate().reveal()[16..]);
    let unknown = bearer_of(&ApiKey::generate());
    let expired = shelf.add(&[Scope::Admin]);
    shelf.keys.lock().unwrap().get_mut(expired.id()).unwrap().expires_at = Some(Utc::now());
    let expired = bearer_of(&expired);
    for header in
        ["", "Bearer", "Bearer ", "Bearer x", "Basic dG06", key.reveal(), &wrong_secret, &unknown, &expired]
    {
        assert_eq!(
            status(&app, "GET", "/api/v1/jobs", Some(header)).await,
            StatusCode::UNAUTHORIZED,
            "{header}"
        );
    }
    let lower = bearer_of(&key).replace("Bearer", "bearer");
    assert_eq!(status(&app, "GET", "/api/v1/jobs", Some(&lower)).await, StatusCode::OK);
}

#[tokio::test]
async fn a_key_without_a_secret_for_tokens_has_no_tokens() {
    let shelf = Arc::new(Shelf::default());
    let key = shelf.add(&[Scope::Admin]);
    let claims = format!(r#"{{"key":"{}","scopes":["read"],"owner":"ann","expires":9000000000}}"#, key.id());
    let signed = |secret: &[u8]| format!("Bearer {}", super::super::token::tests::sign(&claims, secret));
    let answer =
        async |token: String| status(&app(&shelf, false).0, "GET", "/api/v1/jobs", Some(&token)).await;
    assert_eq!(answer(signed(&NO_HASH)).await, StatusCode::UNAUTHORIZED);
    shelf.keys.lock().unwrap().get_mut(key.id()).unwrap().token_key = Some(b"secret".to_vec());
    assert_eq!(answer(signed(&NO_HASH)).await, StatusCode::UNAUTHORIZED);
    assert_eq!(answer(signed(b"secret")).await, StatusCode::OK);
}

#[tokio::test]
async fn without_keys_only_loopback_is_open() {
    let shelf = Arc::new(Shelf::default());
    let (open, _) = app(&shelf, true);
    assert_eq!(status(&open, "DELETE", "/api/v1/jobs/7", None).await, StatusCode::OK);
    let (shut, _) = app(&shelf, false);
    assert_eq!(status(&shut, "GET", "/api/v1/jobs", None).await, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn the_first_key_shuts_an_open_server_and_a_revoked_one_ends() {
    let shelf = Arc::new(Shelf::default());
    let (app, keys) = app_over(Arc::new(Gate::believing(Shared(Arc::clone(&shelf)), true, Duration::ZERO)));
    let anonymous = Caller { needed: &[Scope::Read], ..Caller::anonymous() };
    assert_eq!(status(&app, "GET", "/api/v1/jobs", None).await, StatusCode::OK);
    assert!(keys.still_allows(&anonymous).await.unwrap());
    let key = shelf.add(&[Scope::Read]);
    assert_eq!(status(&app, "GET", "/api/v1/jobs", None).await, StatusCode::UNAUTHORIZED);
    assert!(!keys.still_allows(&anonymous).await.unwrap());

    let caller = Caller {
        key_id: Some(key.id().into()),
        is_admin: false,
        needed: &[Scope::Read],
        ..Caller::anonymous()
    };
    assert!(keys.still_allows(&caller).await.unwrap());
    shelf.keys.lock().unwrap().clear();
    assert!(!keys.still_allows(&caller).await.unwrap());
    assert_eq!(status(&app, "GET", "/api/v1/jobs", Some(&bearer_of(&key))).await, StatusCode::UNAUTHORIZED);
    assert_eq!(status(&app, "GET", "/api/v1/jobs", None).await, StatusCode::UNAUTHORIZED, "never open again");
}

#[tokio::test]
async fn the_store_is_asked_once_in_a_while_and_its_failure_shuts() {
    let shelf = Arc::new(Shelf::default());
    let header = bearer_of(&shelf.add(&[Scope::Read]));
    let (first, _) = app(&shelf, true);
    for _ in 0..50 {
        assert_eq!(status(&first, "GET", "/api/v1/jobs", Some(&header)).await, StatusCode::OK);
    }
    assert_eq!(shelf.lookups.load(Ordering::Relaxed), 2);
    shelf.broken.store(true, Ordering::Relaxed);
    let (second, _) = app(&shelf, true);
    assert_eq!(status(&second, "GET", "/api/v1/jobs", Some(&header)).await, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(status(&second, "GET", "/api/v1/jobs", None).await, StatusCode::SERVICE_UNAVAILABLE);
}

#[tokio::test]
async fn while_the_store_is_away_a_key_that_was_good_still_opens_the_metrics_alone() {
    let shelf = Arc::new(Shelf::default());
    let key = shelf.add(&[Scope::Read]);
    let (known, unseen) = (bearer_of(&key), bearer_of(&shelf.add(&[Scope::Read])));
    let wrong_secret = format!("Bearer {}{}", &key.reveal()[..16], &ApiKey::generate().reveal()[16..]);
    let (app, _) = app_over(Arc::new(Gate::believing(Shared(Arc::clone(&shelf)), true, Duration::ZERO)));
    assert_eq!(status(&app, "GET", "/metrics", Some(&known)).await, StatusCode::OK);
    shelf.broken.store(true, Ordering::Relaxed);
    for (path, header, expected) in [
        ("/metrics", Some(&known), StatusCode::OK),
        ("/api/v1/jobs", Some(&known), StatusCode::SERVICE_UNAVAILABLE),
        ("/metrics", Some(&wrong_secret), StatusCode::UNAUTHORIZED),
        ("/metrics", Some(&unseen), StatusCode::SERVICE_UNAVAILABLE),
        ("/metrics", None, StatusCode::UNAUTHORIZED),
    ] {
        assert_eq!(
            status(&app, "GET", path, header.map(String::as_str)).await,
            expected,
            "{path} {header:?}"
        );
    }
    shelf.broken.store(false, Ordering::Relaxed);
    shelf.keys.lock().unwrap().remove(key.id());
    assert_eq!(status(&app, "GET", "/metrics", Some(&known)).await, StatusCode::UNAUTHORIZED, "revoked");
    shelf.broken.store(true, Ordering::Relaxed);
    assert_ne!(status(&app, "GET", "/metrics", Some(&known)).await, StatusCode::OK, "and not believed again");
}

#[tokio::test]
async fn a_key_in_the_query_is_refused_everywhere() {
    let shelf = Arc::new(Shelf::default());
    let (app, _) = app(&shelf, true);
    let key = ApiKey::generate();
    for query in [format!("x={}", key.reveal()), "access_token=1".into(), "api_key=".into()] {
        for path in ["/api/v1/jobs", "/healthz", "/nowhere"] {
            let path = format!("{path}?{query}");
            assert_eq!(status(&app, "GET", &path, None).await, StatusCode::BAD_REQUEST, "{path}");
        }
    }
}

#[tokio::test]
async fn a_route_without_a_rule_answers_nobody() {
    let shelf = Arc::new(Shelf::default());
    let (app, _) = app(&shelf, true);
    assert_eq!(status(&app, "GET", "/forgotten", None).await, StatusCode::INTERNAL_SERVER_ERROR);
    assert_eq!(status(&app, "PUT", "/api/v1/jobs", None).await, StatusCode::METHOD_NOT_ALLOWED);
    assert_eq!(status(&app, "TRACE", "/api/v1/jobs", None).await, StatusCode::METHOD_NOT_ALLOWED);
}

#[tokio::test]
async fn an_id_that_no_key_has_is_remembered() {
    let shelf = Arc::new(Shelf::default());
    let good = bearer_of(&shelf.add(&[Scope::Read]));
    let (app, _) = app(&shelf, false);
    let unknown = bearer_of(&ApiKey::generate());
    for _ in 0..50 {
        assert_eq!(status(&app, "GET", "/api/v1/jobs", Some(&unknown)).await, StatusCode::UNAUTHORIZED);
    }
    assert_eq!(shelf.lookups.load(Ordering::Relaxed), 1, "the store is asked once for all of them");
    assert_eq!(status(&app, "GET", "/api/v1/jobs", Some(&good)).await, StatusCode::OK);
}

#[tokio::test]
async fn no_refusal_is_answered_sooner_than_another() {
    let shelf = Arc::new(Shelf::default());
    let key = shelf.add(&[Scope::Read]);
    let slowest = Duration::from_millis(500);
    let (app, _) = app_over(Gate::guarded(
        Shared(Arc::clone(&shelf)),
        false,
        GateRules { slowest, ..GateRules::default() },
    ));
    let good = bearer_of(&key);
    assert_eq!(status(&app, "GET", "/api/v1/jobs", Some(&good)).await, StatusCode::OK);
    let wrong_secret = format!("Bearer {}{}", &key.reveal()[..16], &ApiKey::generate().reveal()[16..]);
    let unknown = bearer_of(&ApiKey::generate());
    for header in [&wrong_secret, &unknown, &unknown, &wrong_secret, "Bearer x"] {
        let began = Instant::now();
        assert_eq!(status(&app, "GET", "/api/v1/jobs", Some(header)).await, StatusCode::UNAUTHORIZED);
        assert!(began.elapsed() >= Duration::from_millis(50), "{header}: {:?}", began.elapsed());
    }
}

#[tokio::test]
async fn a_thousand_who_ask_at_once_cost_the_store_two_lookups_at_most() {
    let shelf = Arc::new(Shelf::default());
    let open = Gate::believing(Shared(Arc::clone(&shelf)), true, Duration::ZERO);
    let stream = Caller::anonymous();
    let answers = futures_util::future::join_all((0..1_000).map(|_| open.still_allows(&stream))).await;
    assert!(answers.into_iter().all(|answer| answer.unwrap()));
    assert!(shelf.lookups.swap(0, Ordering::Relaxed) <= 2, "whether there are keys");

    let key = shelf.add(&[Scope::Read]);
    let gate = Gate::believing(Shared(Arc::clone(&shelf)), false, Duration::ZERO);
    let stored = gate.stored(key.id(), false).await.unwrap().unwrap();
    let stream = Caller::of_key(key.id(), &[Scope::Read], stored);
    shelf.lookups.store(0, Ordering::Relaxed);
    for broken in [false, true] {
        shelf.broken.store(broken, Ordering::Relaxed);
        let answers = futures_util::future::join_all((0..1_000).map(|_| gate.still_allows(&stream))).await;
        assert!(answers.into_iter().all(|answer| answer.is_err() == broken));
        assert!(shelf.lookups.swap(0, Ordering::Relaxed) <= 2, "what a key may do; broken: {broken}");
    }
}
