//! A site that answers each request as its test says, or hangs up without a word. Remembers what it was asked.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// What a method and path are answered with; nothing to hang up.
type Answer = dyn Fn(&str, &str) -> Option<String> + Send + Sync;

#[derive(Clone)]
pub(crate) struct Wild {
    address: SocketAddr,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Wild {
    pub(crate) async fn start(answer: impl Fn(&str, &str) -> Option<String> + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let site = Self { address: listener.local_addr().unwrap(), asked: Arc::default() };
        let (heard, answer): (_, Arc<Answer>) = (site.clone(), Arc::new(answer));
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(heard.clone().serve(stream, Arc::clone(&answer)));
            }
        });
        site
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// All requests in their order, such as `GET /`, without what a browser asks for by itself.
    pub(crate) fn asked(&self) -> Vec<String> {
        let asked = self.asked.lock().unwrap();
        asked.iter().filter(|line| !line.ends_with("/favicon.ico")).cloned().collect()
    }

    pub(crate) fn count(&self, line: &str) -> usize {
        self.asked().iter().filter(|asked| *asked == line).count()
    }

    async fn serve(self, mut stream: TcpStream, answer: Arc<Answer>) {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            match stream.read_u8().await {
                Ok(byte) => head.push(byte),
                Err(_) => return,
            }
        }
        let head = String::from_utf8(head).unwrap();
        let mut words = head.split_whitespace();
        let (method, path) = (words.next().unwrap(), words.next().unwrap());
        self.asked.lock().unwrap().push(format!("{method} {path}"));
        if let Some(answer) = answer(method, path) {
            // Who asked may be gone.
            let _ = stream.write_all(answer.as_bytes()).await;
        }
    }
}

pub(crate) fn status(status: u16) -> Option<String> {
    Some(format!("HTTP/1.1 {status} Said\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"))
}

pub(crate) fn redirect(to: &str) -> Option<String> {
    Some(format!("HTTP/1.1 302 Found\r\nLocation: {to}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"))
}

pub(crate) fn page(text: &str) -> Option<String> {
    let text = format!("<!doctype html><html lang='en'><meta charset='utf-8'>{text}</html>");
    let kind = "text/html; charset=utf-8";
    let bytes = text.len();
    Some(format!(
        "HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nConnection: close\r\nContent-Length: {bytes}\r\n\r\n{text}"
    ))
}

/// A page with these links.
pub(crate) fn links(links: &[&str]) -> Option<String> {
    let links: String = links.iter().map(|link| format!("<a href='{link}'>{link}</a> ")).collect();
    page(&format!("<title>Links</title>{links}"))
}
