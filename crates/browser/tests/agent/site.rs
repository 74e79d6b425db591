//! A small bank: a login, a balance that only those who are logged in see, and pages that try to reach other hosts. Counts
//! what it is asked.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::extract::{Form, Path, Request, State};
use axum::http::HeaderMap;
use axum::http::header::{COOKIE, SET_COOKIE};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{Html, IntoResponse, Redirect, Response};
use axum::routing::get;
use serde::Deserialize;
use tokio::sync::Notify;

/// The cookie of a session that stands already.
pub(crate) const SESSION: &str = "sid-of-a-session-that-stands";
/// The password.
pub(crate) const PASSWORD: &str = "correct horse battery";

type Counts = Arc<Mutex<HashMap<String, usize>>>;

#[derive(Clone)]
pub(crate) struct Site {
    pub(crate) address: SocketAddr,
    counts: Counts,
    /// Notified when `/hang` is asked, which never answers.
    pub(crate) hung: Arc<Notify>,
    /// Notified when the client that asked for it is gone.
    pub(crate) gone: Arc<Notify>,
}

impl Site {
    pub(crate) async fn start() -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let counts = Counts::default();
        let port = address.port();
        let hung = Arc::new(Notify::new());
        let gone = Arc::new(Notify::new());
        let (asked, seen, left) = (Arc::clone(&hung), counts.clone(), Arc::clone(&gone));
        let app = Router::new()
            .route("/shifting", get(move || async move { shifting(&seen) }))
            .route("/hang", get(move || async move { hang(&asked, left).await }))
            .route("/loop", get(looping))
            .route("/search", get(search))
            .route("/found/{what}", get(found))
            .route("/login", get(login).post(log_in))
            .route("/balance", get(balance))
            .route("/leaving", get(move || leaving(port)))
            .route(
                "/redirect",
                get(move || async move { Redirect::temporary(&format!("http://localhost:{port}/stolen")) }),
            )
            .route("/stolen", get(|| async { "stolen" }))
            .layer(from_fn_with_state(counts.clone(), count));
        tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
        Self { address, counts, hung, gone }
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// How often something was asked, such as `GET /balance`.
    pub(crate) fn count(&self, what: &str) -> usize {
        self.counts.lock().unwrap().get(what).copied().unwrap_or_default()
    }
}

async fn count(State(counts): State<Counts>, request: Request, next: Next) -> Response {
    *counts.lock().unwrap().entry(format!("{} {}", request.method(), request.uri().path())).or_default() += 1;
    next.run(request).await
}

async fn login() -> Html<&'static str> {
    Html(
        "<title>Log in</title><form method=post action=/login><label>User <input name=user></label>
        <label>Password <input name=password type=password></label><button>Log in</button></form>",
    )
}

/// Leads to a page whose address says what was looked for.
async fn search() -> Html<&'static str> {
    Html(
        "<title>Search</title><form><label>What <input name=what></label></form><script>
        document.querySelector('form').onsubmit = (event) => {
            event.preventDefault(); location.href = '/found/' + encodeURIComponent(event.target.what.value); };</script>",
    )
}

/// What was looked for where texts are cut: in the title, in a label, in a value and in the text.
async fn found(Path(what): Path<String>) -> Html<String> {
    let what = what.replace('"', "&quot;");
    let (title, label, text) = ("x".repeat(190), "x".repeat(90), "x".repeat(5_985));
    Html(format!(
        "<title>{title} {what}</title><button>{label} {what}</button><input name=again value=\"{label} {what}\">
        <select><option>{what}</option></select><p style='overflow-wrap: anywhere'>{text}</p><p>{what}</p>"
    ))
}

#[derive(Deserialize)]
struct Credentials {
    user: String,
    password: String,
}

async fn log_in(Form(credentials): Form<Credentials>) -> Response {
    if (credentials.user.as_str(), credentials.password.as_str()) != ("ann", PASSWORD) {
        return Html("<title>Log in</title>Wrong user or password").into_response();
    }
    let cookie = format!("sid={SESSION}; Path=/; HttpOnly; SameSite=Lax");
    ([(SET_COOKIE, cookie)], Redirect::to("/balance")).into_response()
}

async fn balance(headers: HeaderMap) -> Response {
    let cookies = headers.get(COOKIE).and_then(|cookies| cookies.to_str().ok()).unwrap_or_default();
    if !cookies.contains(SESSION) {
        return Redirect::to("/login").into_response();
    }
    Html(format!(
        "<title>Balance</title><h1>Hello <span id=who></span></h1><p>Your session is {SESSION}.</p>
        <label>Account <select id=account><option>Checking</option><option>Savings</option></select></label>
        <p id=balance>Balance: 1,234.56 EUR</p><div style='height: 3000px'></div><a href=/leaving target=_blank>More</a>
        <script>
        who.textContent = localStorage.getItem('name') ?? 'stranger';
        account.onchange = () => {{ balance.textContent = account.value === 'Savings' ? 'Balance: 99.00 EUR' : 'Balance: 1,234.56 EUR'; }};
        </script>"
    ))
    .into_response()
}

/// A page that tries to reach another host in every way.
async fn leaving(port: u16) -> Html<String> {
    let other = format!("http://localhost:{port}/stolen");
    Html(format!(
        "<title>Leaving</title><img src='{other}?img'><iframe src='{other}?frame'></iframe>
        <a href='/redirect'>Away</a><script>
        fetch('{other}?fetch', {{mode: 'no-cors'}});
        new WebSocket('ws://localhost:{port}/stolen'); new Worker(URL.createObjectURL(new Blob([`fetch('{other}?worker', {{mode: 'no-cors'}})`])));
        
        </script>"
    ))
}

/// A page that stands still when its button is clicked, and is another one after that.
fn shifting(counts: &Counts) -> Html<&'static str> {
    if counts.lock().unwrap().contains_key("GET /hang") {
        return Html("<title>Later</title><button>Cancel</button>");
    }
    Html(
        "<title>First</title><button>Pay</button><script>document.querySelector('button').onclick = () => {
            const request = new XMLHttpRequest(); request.open('GET', '/hang', false); request.send(); };</script>",
    )
}

/// A page whose script runs for ever once its button is clicked.
async fn looping() -> Html<&'static str> {
    Html(
        "<title>Loop</title><button onclick='setTimeout(() => { for (;;) {} }, 10)'>Go</button><p>Still here</p>",
    )
}

async fn hang(asked: &Notify, gone: Arc<Notify>) {
    struct Asker(Arc<Notify>);
    impl Drop for Asker {
        fn drop(&mut self) {
            self.0.notify_one();
        }
    }
    let _asker = Asker(gone);
    asked.notify_one();
    std::future::pending().await
}
