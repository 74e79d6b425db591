//! How a crawl treats a site, as the site sees it: how much time lies between two calls, what robots.txt says or fails to
//! say, and which other sites are called.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use axum::Router;
use axum::extract::{Request, State};
use axum::http::{Method, StatusCode};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};
use tidemill::NewJob;
use tidemill::job::document::JobDocument;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;

use crate::mill::{Kit, Mill, TIMEOUT, crawl, ended, failure, for_good, session};
use crate::site::html;
use crate::support::{Db, wait_at_most};

/// A site of one page with the given links; everything else is there as well, and empty.
#[derive(Clone)]
struct Ruled {
    address: SocketAddr,
    /// What robots.txt is answered with.
    robots: (u16, &'static str),
    links: Arc<Vec<String>>,
    calls: Arc<Mutex<Vec<(Method, String, Instant)>>>,
    /// How often robots.txt may be read.
    permits: Arc<Semaphore>,
}

impl Ruled {
    async fn start(robots: (u16, &'static str), links: &[String]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let site = Self {
            address: listener.local_addr().unwrap(),
            robots,
            links: Arc::new(links.to_vec()),
            calls: Arc::default(),
            permits: Arc::new(Semaphore::new(1_000)),
        };
        let router = Router::new().fallback(answer).with_state(site.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        site
    }

    fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// The calls of pages and links in their order.
    fn calls(&self) -> Vec<(Method, String, Instant)> {
        let apart = ["/robots.txt", "/favicon.ico"];
        let calls = self.calls.lock().unwrap();
        calls.iter().filter(|(_, path, _)| !apart.contains(&path.as_str())).cloned().collect()
    }

    fn paths(&self) -> Vec<String> {
        self.calls().into_iter().map(|(method, path, _)| format!("{method} {path}")).collect()
    }
}

async fn answer(State(site): State<Ruled>, request: Request) -> Response {
    let path = request.uri().path().to_owned();
    site.calls.lock().unwrap().push((request.method().clone(), path.clone(), Instant::now()));
    match path.as_str() {
        "/robots.txt" => {
            site.permits.acquire().await.unwrap().forget();
            (StatusCode::from_u16(site.robots.0).unwrap(), site.robots.1).into_response()
        }
        "/gone" => StatusCode::NOT_FOUND.into_response(),
        "/" => {
            let links: String =
                site.links.iter().map(|link| format!("<a href='{link}'>{link}</a> ")).collect();
            html(&format!("<title>start</title>{links}"))
        }
        _ => html(&format!("<title>{path}</title>")),
    }
}

const ALLOWED: (u16, &str) = (200, "User-agent: *\nDisallow: /private\n");

fn kit(page_delay: Duration) -> Kit {
    let mut kit = Kit::default();
    kit.browser.page_delay = page_delay;
    kit
}

async fn crawled(db: &Db, args: Value) -> Value {
    let job = ended(db, db.enqueue(crawl(args)).await).await;
    job.result.unwrap_or_else(|| panic!("{:?}", job.error))
}

/// The least time between two calls, and between two that no browser makes.
fn gaps(site: &Ruled) -> (Duration, Duration) {
    let calls = site.calls();
    let heads = calls.iter().filter(|(method, ..)| *method == Method::HEAD).count();
    assert_eq!((calls.len(), heads), (6, 4), "two pages are opened, the other links asked for: {calls:?}");
    let gap = |pair: &[(Method, String, Instant)]| pair[1].2 - pair[0].2;
    let all = calls.windows(2).map(gap).min().unwrap();
    (all, calls[2..].windows(2).map(gap).min().unwrap())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn between_two_calls_lies_the_longest_of_the_three_delays() {
    let db = Db::new().await;
    let links: Vec<_> = (1..=5).map(|number| format!("/{number}")).collect();
    let slow = Duration::from_secs(1);
    // The worker's own, that of the job, and that of the site; the others are shorter.
    for (own, requested, robots) in [
        (slow, 0.1, ALLOWED),
        (Duration::ZERO, 1.0, ALLOWED),
        (Duration::from_millis(100), 0.1, (200, "User-agent: planted\nCrawl-delay: 1\n")),
    ] {
        let site = Ruled::start(robots, &links).await;
        let mill = Mill::start(&db.store, &kit(own));
        let args = json!({ "base_url": site.url("/"), "max_pages": 2, "delay_seconds": requested });
        crawled(&db, args).await;
        mill.stop().await;
        let (any, bare) = gaps(&site);
        // A page is asked for a moment after its time, by a browser that has others to do as well.
        assert!(any > slow / 2, "{any:?} for {own:?}, {requested}, {robots:?}");
        assert!(bare > slow.mul_f64(0.9), "{bare:?} for {own:?}, {requested}, {robots:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_site_whose_rules_cannot_be_read_is_tried_again_and_not_crawled() {
    let db = Db::new().await;
    let mill = Mill::start(&db.store, &Kit::default());
    let tried = async |base_url: String| -> JobDocument {
        let job = NewJob { max_attempts: Some(2), ..crawl(json!({ "base_url": base_url })) };
        ended(&db, db.enqueue(job).await).await
    };
    for robots in [(503, "away"), (429, "too many"), (500, "User-agent: *\nAllow: /\n")] {
        let site = Ruled::start(robots, &[]).await;
        let job = tried(site.url("/")).await;
        assert_eq!(failure(&job), ("unreachable".to_owned(), false, 2), "{robots:?}");
        assert_eq!(site.paths(), Vec::<String>::new(), "nothing but its rules was asked for");
    }
    // Nobody listens there.
    let nobody = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = nobody.local_addr().unwrap();
    drop(nobody);
    assert_eq!(failure(&tried(format!("http://{address}/")).await), ("unreachable".to_owned(), false, 2));
    // What is forbidden to us stays so; what is only forbidden to others, or said nowhere, is not.
    let closed = Ruled::start((200, "User-agent: planted\nDisallow: /\n"), &[]).await;
    assert_eq!(failure(&tried(closed.url("/")).await), for_good("robots"));
    assert_eq!(closed.paths(), Vec::<String>::new());
    for robots in [(404, ""), (200, "User-agent: other\nDisallow: /\n")] {
        let open = Ruled::start(robots, &[]).await;
        assert_eq!(
            crawled(&db, json!({ "base_url": open.url("/") })).await["pages_crawled"],
            1,
            "{robots:?}"
        );
    }
    mill.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn other_sites_are_called_only_where_the_job_says_so() {
    let db = Db::new().await;
    let mill = Mill::start(&db.store, &Kit::default());
    let sites = async || {
        let other = Ruled::start(ALLOWED, &[]).await;
        let links = ["/page", "/gone", "/private"].map(|path| other.url(path));
        (Ruled::start(ALLOWED, &links).await, other)
    };
    let (home, other) = sites().await;
    let result = crawled(&db, json!({ "base_url": home.url("/") })).await;
    assert_eq!((&result["pages_crawled"], &result["bugs_found"]), (&json!(1), &json!(0)));
    assert!(other.calls.lock().unwrap().is_empty(), "not even its robots.txt is read");

    let (home, other) = sites().await;
    let result = crawled(&db, json!({ "base_url": home.url("/"), "check_external": true })).await;
    assert_eq!(other.paths(), ["HEAD /page", "HEAD /gone", "GET /gone"], "and not what it forbids");
    assert_eq!(result["pages_crawled"], 1);
    let bug = &result["bugs"][0];
    assert_eq!((&bug["kind"], &bug["resource"]), (&json!("broken_link"), &json!(other.url("/gone"))));

    let (home, other) = sites().await;
    let result = crawled(&db, json!({ "base_url": home.url("/"), "same_site": false })).await;
    assert_eq!(other.paths(), ["GET /page", "GET /gone"]);
    assert_eq!(result["pages_crawled"], 3);
    mill.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_is_starting_before_its_first_page() {
    let db = Db::new().await;
    let site = Ruled::start(ALLOWED, &[]).await;
    let all = site.permits.forget_permits(usize::MAX);
    let mill = Mill::start(&db.store, &Kit::default());
    let id = db.enqueue(crawl(json!({ "session_id": "young", "base_url": site.url("/") }))).await;
    wait_at_most(TIMEOUT, "its rules are read", || async {
        (!site.calls.lock().unwrap().is_empty()).then_some(())
    })
    .await;
    let seen = session(&db, "young").await;
    assert_eq!((seen.status, seen.pages_crawled, seen.task_id), ("starting", 0, id));
    site.permits.add_permits(all);
    ended(&db, id).await;
    assert_eq!(session(&db, "young").await.status, "completed");
    mill.stop().await;
}
