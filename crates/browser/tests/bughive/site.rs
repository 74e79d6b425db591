//! A site whose bugs are known: pages that are broken in one way each, and good ones between them. Remembers who asked for
//! what.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::header::{CONTENT_TYPE, LOCATION};
use axum::http::{Method, StatusCode};
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;

/// A picture.
pub(crate) const DOT: &str =
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==";
/// The page that is slow takes so long, and is so if it takes longer than [`SLOW_PAGE_SECONDS`].
const SLOW: Duration = Duration::from_secs(7);
pub(crate) const SLOW_PAGE_SECONDS: f64 = 6.0;

/// Which pages there are.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Plan {
    /// Each bug once.
    Planted,
    /// So many good pages, each of which links to all; the page of that number waits for [`Site::let_go`].
    Chain { pages: usize, held: usize },
}

#[derive(Clone)]
pub(crate) struct Site {
    plan: Plan,
    address: SocketAddr,
    asked: Arc<Mutex<BTreeMap<String, Vec<Method>>>>,
    held: Arc<Semaphore>,
}

impl Site {
    pub(crate) async fn start(plan: Plan) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let site = Self {
            plan,
            address: listener.local_addr().unwrap(),
            asked: Arc::default(),
            held: Arc::new(Semaphore::new(0)),
        };
        let router = site.router();
        tokio::spawn(async move { axum::serve(listener, router).await });
        site
    }

    pub(crate) fn router(&self) -> Router {
        Router::new().fallback(answer).with_state(self.clone())
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// How often a path was asked for with GET.
    pub(crate) fn gets(&self, path: &str) -> usize {
        let asked = self.asked.lock().unwrap();
        asked.get(path).map_or(0, |methods| methods.iter().filter(|method| **method == Method::GET).count())
    }

    /// All paths that were asked for.
    pub(crate) fn paths(&self) -> Vec<String> {
        self.asked.lock().unwrap().keys().cloned().collect()
    }

    /// Lets the page that is held be answered, now and later.
    pub(crate) fn let_go(&self) {
        self.held.add_permits(1_000);
    }

    async fn page(&self, path: &str) -> Response {
        match self.plan {
            Plan::Planted => planted(path).await,
            Plan::Chain { pages, held } => {
                if path == format!("/{held}") {
                    self.held.acquire().await.unwrap().forget();
                }
                let all: String =
                    (1..pages).map(|number| format!("<a href='/{number}'>{number}</a> ")).collect();
                match path.trim_start_matches('/').parse::<usize>() {
                    Ok(number) if number < pages => html(&format!("<title>{number}</title>{all}")),
                    _ if path == "/" => html(&format!("<title>start</title>{all}")),
                    _ => StatusCode::NOT_FOUND.into_response(),
                }
            }
        }
    }
}

async fn answer(State(site): State<Site>, request: Request) -> Response {
    let path = request.uri().path().to_owned();
    site.asked.lock().unwrap().entry(path.clone()).or_default().push(request.method().clone());
    site.page(&path).await
}

pub(crate) fn html(text: &str) -> Response {
    let text = format!("<!doctype html><html lang='en'><meta charset='utf-8'>{text}</html>");
    ([(CONTENT_TYPE, "text/html; charset=utf-8")], text).into_response()
}

fn png() -> Response {
    ([(CONTENT_TYPE, "image/png")], STANDARD.decode(DOT).unwrap()).into_response()
}

async fn planted(path: &str) -> Response {
    match path {
        "/robots.txt" => "User-agent: *\nDisallow: /private\n".into_response(),
        "/" => html(
            "<title>Start</title>
             <a href='/moved'>moved</a> <a href='/links'>links</a> <a href='/image'>image</a> <a href='/not-an-image'>no image</a>
             <a href='/console'>console</a> <a href='/exception'>exception</a> <a href='/rejection'>rejection</a>
             <a href='/untitled'>untitled</a> <a href='/no-alt'>no alt</a> <a href='/slow'>slow</a> <a href='/good'>good</a>
             <a href='/good#part'>the same</a> <a href='/dialog'>dialog</a> <a href='/broken'>broken</a> <a href='/script'>script</a>
             <a href='/data'>data</a> <a href='/file.zip'>file</a> <a href='/private/page'>private</a> <a href='/deep/1'>deep</a>
             <a href='mailto:x@example.com'>mail</a> <a href='http://elsewhere.invalid/'>elsewhere</a>",
        ),
        "/moved" => (StatusCode::FOUND, [(LOCATION, "/landed")]).into_response(),
        "/landed" => html("<title>Landed</title><a href='/landed'>self</a>"),
        "/links" => html("<title>Links</title><a href='/gone'>gone</a> <a href='/landed'>good</a>"),
        "/image" => html("<title>Image</title><img src='/missing.png' alt='missing'>"),
        "/not-an-image" => html("<title>No image</title><img src='/data' alt='data'>"),
        "/console" => html("<title>Console</title><script>console.error('planted', 'error'); console.warn('fine')</script>"),
        "/exception" => html("<title>Exception</title><script>throw new Error('planted exception')</script>"),
        "/rejection" => html("<title>Rejection</title><script>Promise.reject(new Error('planted rejection'))</script>"),
        "/untitled" => html("<p>untitled</p>"),
        "/no-alt" => html("<title>No alt</title><img src='/dot.png'>"),
        "/slow" => {
            tokio::time::sleep(SLOW).await;
            html("<title>Slow</title>")
        }
        "/good" => html(
            "<title>Good</title><img src='/dot.png' alt=''><img src='/dot.png' alt='a dot'><img src='/dot.png' role='presentation'>
             <link rel='icon' href='/dot.png'><script>
             console.log('fine'); Promise.reject(new Error('caught')).catch(() => {});
             try { throw new Error('caught') } catch {} fetch('/data').then((answer) => answer.text());
             </script><a href='javascript:void 0'>nothing</a><a>no link</a><a href='http://[broken'>bad</a>",
        ),
        "/dialog" => html("<title>Dialog</title><script>alert('stop'); confirm('stop'); prompt('stop')</script>"),
        "/broken" => (StatusCode::INTERNAL_SERVER_ERROR, html("<p>untitled, and no matter</p>")).into_response(),
        "/script" => html("<title>Script</title><script src='/missing.js'></script>"),
        "/data" => ([(CONTENT_TYPE, "application/json")], "{\"no\": \"page\"}").into_response(),
        "/file.zip" => ([(CONTENT_TYPE, "application/zip")], vec![80_u8, 75, 5, 6]).into_response(),
        "/private/page" => html("<p>nobody is to see this</p>"),
        "/deep/1" => html("<title>1</title><a href='/deep/2'>2</a>"),
        "/deep/2" => html("<title>2</title><a href='/deep/3'>3</a>"),
        "/deep/3" => html("<title>3</title><a href='/deep/4'>4</a>"),
        "/deep/4" => html("<title>4</title>"),
        "/dot.png" => png(),
        _ => StatusCode::NOT_FOUND.into_response(),
    }
}
