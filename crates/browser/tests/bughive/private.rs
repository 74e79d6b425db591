//! Addresses that are not public are not called unless the config allows it: not as the first page, not by what a page
//! loads. And mixed content, which needs a site over https.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::routing::get;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::service::TowerToHyperService;
use rustls::ServerConfig;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use serde_json::json;
use tidemill_browser::bughive::BrowserSpec;
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use crate::mill::{Kit, Mill, crawl, ended, failure, for_good, message};
use crate::site::{Plan, Site, html};
use crate::support::Db;

/// Serves pages over https, with a certificate that nobody trusts.
async fn over_https(router: Router) -> SocketAddr {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let made = rcgen::generate_simple_self_signed(vec!["127.0.0.1".into(), "localhost".into()]).unwrap();
    let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(made.signing_key.serialize_der()));
    let config = ServerConfig::builder().with_no_client_auth();
    let config = config.with_single_cert(vec![made.cert.der().clone()], key).unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let (acceptor, router) = (acceptor.clone(), router.clone());
            tokio::spawn(async move {
                // Who does not trust the certificate hangs up.
                let Ok(stream) = acceptor.accept(stream).await else { return };
                let service = TowerToHyperService::new(router);
                let server = hyper_util::server::conn::auto::Builder::new(TokioExecutor::new());
                let _ = server.serve_connection(TokioIo::new(stream), service).await;
            });
        }
    });
    address
}

fn kit(change: impl FnOnce(&mut BrowserSpec)) -> Kit {
    let mut kit = Kit::default();
    change(&mut kit.browser);
    kit
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn private_addresses_are_not_crawled() {
    let db = Db::new().await;
    let site = Site::start(Plan::Planted).await;
    let mill = Mill::start(&db.store, &kit(|browser| browser.allow_private = false));
    let by_name = site.url("/").replace("127.0.0.1", "localhost");
    for base in [site.url("/"), by_name, "http://[::1]/".into(), "http://169.254.169.254/".into()] {
        let job = ended(&db, db.enqueue(crawl(json!({ "base_url": base }))).await).await;
        assert_eq!(failure(&job), for_good("address_refused"), "{base}");
        assert!(message(&job).contains("bughive.allow_private"), "{}", message(&job));
    }
    assert_eq!(site.paths(), Vec::<String>::new(), "nothing was called");
    mill.stop().await;
}

/// The kinds and resources of all bugs of a crawl that trusts any certificate.
async fn over_any_certificate(base: &str, page_timeout: Duration) -> BTreeSet<(String, String)> {
    let db = Db::new().await;
    let mill = Mill::start(
        &db.store,
        &kit(|browser| {
            browser.ignore_certificate_errors = true;
            browser.page_timeout = page_timeout;
        }),
    );
    let job = ended(&db, db.enqueue(crawl(json!({ "base_url": base, "slow_page_seconds": 60 }))).await).await;
    mill.stop().await;
    let result = job.result.unwrap_or_else(|| panic!("{:?}", job.error));
    let text = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_owned();
    let bugs = result["bugs"].as_array().unwrap();
    let found: BTreeSet<_> = bugs.iter().map(|bug| (text(&bug["kind"]), text(&bug["resource"]))).collect();
    assert_eq!(found.len(), bugs.len(), "no bug is reported twice: {bugs:#?}");
    found
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn mixed_content_is_found_wherever_a_page_names_it() {
    // The browser leaves an address as it is, where it asks for a name over https instead.
    let there = "http://192.0.2.2";
    let page = format!(
        "<title>Mixed</title><link rel='stylesheet' href='{there}/link.css'>
         <style>@import url({there}/import.css); @font-face {{ font-family: F; src: url({there}/font.woff) }}
         p {{ font-family: F; background: url({there}/background.png) }}</style><p>text</p>
         <img alt='' src='{there}/image.png'><img alt='' src='/dot.png' srcset='{there}/set.png 1x'>
         <picture><source srcset='{there}/source.png'><img alt='' src='/dot.png'></picture>
         <video poster='{there}/poster.png'></video><input type='image' alt='' src='{there}/input.png'>
         <script>fetch('{there}/fetch').catch(() => 0)</script>"
    );
    let router = Router::new().route("/", get(async move || html(&page)));
    let base = format!("https://{}/", over_https(router).await);
    let all = "link.css import.css font.woff background.png image.png set.png source.png poster.png input.png fetch";
    let expected =
        all.split(' ').map(|name| ("mixed_content".to_owned(), format!("{there}/{name}"))).collect();
    assert_eq!(over_any_certificate(&base, Duration::from_secs(30)).await, expected);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_frame_that_is_blocked_as_mixed_content_is_reported_and_delays_nothing() {
    let there = "http://192.0.2.2/frame";
    let page = format!(
        "<title>Frame</title><script>onload = () => console.error('planted')</script><iframe src='{there}'></iframe>"
    );
    let router = Router::new().route("/", get(async move || html(&page)));
    let base = format!("https://{}/", over_https(router).await);
    let found = over_any_certificate(&base, Duration::from_secs(10)).await;
    let expected =
        [("console_error".to_owned(), String::new()), ("mixed_content".to_owned(), there.to_owned())];
    assert_eq!(found, BTreeSet::from(expected));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn mixed_content_is_found_on_a_page_over_https() {
    let db = Db::new().await;
    let page =
        "<title>Mixed</title><script src='http://planted.invalid/x.js'></script><img src='/dot' alt=''>";
    let router = Router::new().route("/", get(async move || html(page))).route(
        "/dot",
        get(|| async {
            (
                [("content-type", "image/svg+xml")],
                "<svg xmlns='http://www.w3.org/2000/svg' width='1' height='1'/>",
            )
        }),
    );
    let base = format!("https://{}/", over_https(router).await);

    let mill = Mill::start(&db.store, &kit(|browser| browser.ignore_certificate_errors = true));
    let job = ended(&db, db.enqueue(crawl(json!({ "base_url": base, "slow_page_seconds": 60 }))).await).await;
    let result = job.result.unwrap_or_else(|| panic!("{:?}", job.error));
    let bugs: BTreeSet<_> =
        result["bugs"].as_array().unwrap().iter().map(|bug| bug["kind"].as_str().unwrap()).collect();
    assert_eq!(bugs, BTreeSet::from(["mixed_content"]), "{result:#}");
    mill.stop().await;

    let mill = Mill::start(&db.store, &kit(|browser| browser.page_timeout = Duration::from_secs(20)));
    let job = ended(&db, db.enqueue(crawl(json!({ "base_url": base }))).await).await;
    assert_eq!(failure(&job), ("unreachable".to_owned(), false, 4), "{}", message(&job));
    mill.stop().await;
}
