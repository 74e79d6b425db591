//! Calls through a proxy.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::routing::post;
use serde_json::json;
use tidemill::job::attempt::Outcome;
use tidemill::kinds::url::UrlSpec;
use tidemill::outbound::ProxySettings;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use url::Url;

use crate::support::{call, completed, failure, serve};

/// A proxy on loopback as companies have them: it finds names that nobody else knows, all at one address, and tells
/// what it was asked.
struct Forward {
    address: SocketAddr,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Forward {
    async fn start(target: SocketAddr) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let asked = Arc::new(Mutex::new(Vec::new()));
        let all = asked.clone();
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(forward(client, target, all.clone()));
            }
        });
        Self { address, asked }
    }

    fn settings(&self, direct: &[&str]) -> ProxySettings {
        let url = Some(format!("http://ann:open@127.0.0.1:{}", self.address.port()));
        let direct = direct.iter().map(|&host| host.to_owned()).collect();
        ProxySettings { url, direct, ..ProxySettings::default() }
    }

    fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }
}

async fn forward(mut client: TcpStream, target: SocketAddr, asked: Arc<Mutex<Vec<String>>>) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let Ok(byte) = client.read_u8().await else { return };
        head.push(byte);
    }
    let head = String::from_utf8(head).unwrap();
    let line = head.lines().next().unwrap().to_owned();
    // `ann:open`.
    let is_known = head.to_lowercase().contains("proxy-authorization: basic yw5uom9wzw4=");
    asked.lock().unwrap().push(format!("{line} {is_known}"));
    let mut server = TcpStream::connect(target).await.unwrap();
    if line.starts_with("CONNECT") {
        client.write_all(b"HTTP/1.1 200 Connection established\r\n\r\n").await.unwrap();
    } else {
        let asked = Url::parse(line.split(' ').nth(1).unwrap()).unwrap();
        let rest = head.split_once("\r\n").unwrap().1;
        let whole = format!("POST {}?{} HTTP/1.1\r\n{rest}", asked.path(), asked.query().unwrap_or_default());
        server.write_all(whole.as_bytes()).await.unwrap();
    }
    let _ = tokio::io::copy_bidirectional(&mut client, &mut server).await;
}

fn through(proxy: ProxySettings, url: &str) -> UrlSpec {
    UrlSpec { proxy, ..UrlSpec::new(Url::parse(url).unwrap()) }
}

#[tokio::test]
async fn a_proxy_is_asked_by_name_and_private_addresses_stay_refused() {
    let address = serve(Router::new().route("/resize", post(async || axum::Json(json!("made"))))).await;
    let proxy = Forward::start(address).await;
    let outcome = call(through(proxy.settings(&[]), "http://only-the-proxy-knows.invalid/resize?a=1")).await;
    assert_eq!(outcome, completed(json!("made")));
    assert_eq!(proxy.asked(), ["POST http://only-the-proxy-knows.invalid/resize?a=1 HTTP/1.1 true"]);

    // The other end speaks no TLS; what matters is what the proxy was asked, and what is said of that.
    let secure = failure(call(through(proxy.settings(&[]), "https://only-the-proxy-knows.invalid/x")).await);
    assert_eq!((secure.class.as_str(), secure.permanent), ("connection", false), "{secure:?}");
    assert_eq!(proxy.asked()[1], "CONNECT only-the-proxy-knows.invalid:443 HTTP/1.1 true");
    assert!(!format!("{secure:?}").contains("open"), "{secure:?}");

    for private in [
        "http://10.1.2.3/",
        "http://127.0.0.1:1/",
        "http://localhost/",
        "https://a.localhost/x",
        "http://[::1]/",
    ] {
        let refused = failure(call(through(proxy.settings(&[]), private)).await);
        assert_eq!(refused.class, "address_refused", "{private}: {refused:?}");
    }
    assert_eq!(proxy.asked().len(), 2, "nothing of it came to the proxy");

    let port = address.port();
    for (direct, host) in
        [("127.0.0.0/8", "127.0.0.1"), ("localhost", "localhost"), ("*.localhost", "localhost")]
    {
        let settings = proxy.settings(&[direct]);
        let direct =
            UrlSpec { allow_private: true, ..through(settings, &format!("http://{host}:{port}/resize")) };
        assert!(matches!(call(direct).await, Outcome::Completed { .. }), "{host}");
        assert_eq!(proxy.asked().len(), 2, "what is named as direct is called directly");
    }
}
