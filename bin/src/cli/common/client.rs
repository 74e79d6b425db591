//! The HTTP client of a running server: finds the server, sends the key, and turns problem
//! documents into errors. Contains no routes; each command names its own.

use std::error::Error;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use reqwest::header::{ACCEPT, AUTHORIZATION, HeaderMap, HeaderValue, RETRY_AFTER};
use reqwest::{Method, RequestBuilder, Response};
use serde_json::Value;
use url::Url;

use super::error::{CliError, Refusal};

/// Written by `tidemill dev` while it runs.
const URLS: &str = "urls.json";
const DEFAULT_URL: &str = "http://127.0.0.1:8080";
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
const ANSWER_TIMEOUT: Duration = Duration::from_mins(1);
/// A stream has a comment every 15 seconds: three missed comments mean that the connection is dead.
const SILENCE_TIMEOUT: Duration = Duration::from_secs(45);

/// The options of commands that call a server.
#[derive(Debug, Args)]
pub(crate) struct ServerArgs {
    /// The server's URL [default: the one in .tidemill/urls.json, else port 8080 of this machine]
    #[arg(long, env = "TIDEMILL_URL", hide_env_values = true, value_name = "URL")]
    url: Option<String>,
    /// The API key; prefer the environment, because other users can see a command line
    #[arg(long, env = "TIDEMILL_KEY", hide_env_values = true, value_name = "KEY")]
    key: Option<String>,
    /// The data folder of `tidemill dev`, with its urls.json
    #[arg(long, value_name = "DIR", default_value = ".tidemill")]
    data_dir: PathBuf,
    /// Print the JSON of the API unchanged
    #[arg(long)]
    pub(crate) json: bool,
}

/// A client of one server.
pub(crate) struct Client {
    http: reqwest::Client,
    base: Url,
    found_by: String,
}

/// A server's answer: the original text and the parsed value.
pub(crate) struct Answer {
    pub(crate) text: String,
    pub(crate) json: Value,
}

impl Client {
    pub(crate) fn new(args: &ServerArgs) -> Result<Self, CliError> {
        let (url, found_by) = find(args)?;
        let base: Url = url
            .parse()
            .ok()
            .filter(|url: &Url| matches!(url.scheme(), "http" | "https") && url.has_host())
            .ok_or_else(|| {
                CliError::Usage(format!(
                    "the server's address ({found_by}) is not an http:// or https:// URL"
                ))
            })?;
        let mut headers = HeaderMap::new();
        if let Some(key) = args.key.as_deref().filter(|key| !key.is_empty()) {
            let mut value = HeaderValue::try_from(format!("Bearer {key}")).map_err(|_| {
                CliError::Usage("the key has characters that are not allowed in a key".into())
            })?;
            value.set_sensitive(true);
            headers.insert(AUTHORIZATION, value);
        }
        // Another part of the process may have installed one already.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let mut builder = reqwest::Client::builder()
            .user_agent(concat!("tidemill/", env!("CARGO_PKG_VERSION")))
            .default_headers(headers)
            .redirect(reqwest::redirect::Policy::none())
            .connect_timeout(CONNECT_TIMEOUT)
            .read_timeout(SILENCE_TIMEOUT);
        if is_loopback(&base) {
            builder = builder.no_proxy();
        }
        let http = builder.build().map_err(|error| CliError::Failed(deepest(&error)))?;
        Ok(Self { http, base, found_by })
    }

    /// A request to `/api/v1` followed by the segments of `path`, which are escaped.
    pub(crate) fn request(&self, method: Method, path: &[&str]) -> RequestBuilder {
        let mut url = self.base.clone();
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().extend(["api", "v1"]).extend(path);
        }
        self.http.request(method, url)
    }

    pub(crate) async fn get(&self, path: &[&str], query: &[(&str, String)]) -> Result<Answer, CliError> {
        self.ask(self.query(path, query)?).await
    }

    /// Reads an answer that need not be JSON, unchanged.
    pub(crate) async fn text(&self, path: &[&str], query: &[(&str, String)]) -> Result<String, CliError> {
        let response = self.checked(self.query(path, query)?.timeout(ANSWER_TIMEOUT)).await?;
        response.text().await.map_err(|error| self.unreachable(&error))
    }

    fn query(&self, path: &[&str], query: &[(&str, String)]) -> Result<RequestBuilder, CliError> {
        let mut request =
            self.request(Method::GET, path).build().map_err(|error| self.unreachable(&error))?;
        if !query.is_empty() {
            request.url_mut().query_pairs_mut().extend_pairs(query);
        }
        Ok(RequestBuilder::from_parts(self.http.clone(), request))
    }

    pub(crate) async fn post(&self, path: &[&str]) -> Result<Answer, CliError> {
        self.ask(self.request(Method::POST, path)).await
    }

    /// Sends a request and reads the whole answer.
    pub(crate) async fn ask(&self, request: RequestBuilder) -> Result<Answer, CliError> {
        let request = request.header(ACCEPT, "application/json").timeout(ANSWER_TIMEOUT);
        let response = self.checked(request).await?;
        let text = response.text().await.map_err(|error| self.unreachable(&error))?;
        let json = if text.is_empty() { Value::Null } else { self.parse(&text)? };
        Ok(Answer { text, json })
    }

    /// Opens an event stream that starts after the event numbered `after`.
    pub(crate) async fn stream(&self, path: &[&str], after: Option<u64>) -> Result<Response, CliError> {
        let mut request = self.request(Method::GET, path).header(ACCEPT, "text/event-stream");
        if let Some(after) = after {
            request = request.header("Last-Event-ID", after);
        }
        // The server answers a stream at once, with a comment; what keeps that back keeps everything back.
        self.checked(request).await.map_err(|error| match error {
            CliError::Unreachable { url, silent: true, .. } => {
                CliError::HeldBack { url, seconds: SILENCE_TIMEOUT.as_secs() }
            }
            other => other,
        })
    }

    async fn checked(&self, request: RequestBuilder) -> Result<Response, CliError> {
        let response = request.send().await.map_err(|error| self.unreachable(&error))?;
        let status = response.status();
        if status.is_success() {
            return Ok(response);
        }
        let delay = response.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok()?.parse().ok());
        let body = response.text().await.unwrap_or_default();
        Err(CliError::Refused(Box::new(Refusal::read(status.as_u16(), &body).retry_after(delay))))
    }

    fn parse(&self, text: &str) -> Result<Value, CliError> {
        serde_json::from_str(text).map_err(|_| {
            let (url, found_by) = (shown(&self.base), &self.found_by);
            CliError::Failed(format!("{url} ({found_by}) answers, but is not a Tidemill server"))
        })
    }

    fn unreachable(&self, error: &reqwest::Error) -> CliError {
        CliError::Unreachable {
            url: shown(&self.base),
            found_by: self.found_by.clone(),
            silent: error.is_timeout() && !error.is_connect(),
            cause: deepest(error),
        }
    }
}

/// The server's URL, and how it was found.
fn find(args: &ServerArgs) -> Result<(String, String), CliError> {
    if let Some(url) = args.url.as_ref().filter(|url| !url.is_empty()) {
        return Ok((url.clone(), "from --url or TIDEMILL_URL".into()));
    }
    let found = url_of_dev(&args.data_dir, "http")?;
    let path = args.data_dir.join(URLS);
    Ok(found.map_or_else(
        || (DEFAULT_URL.into(), "by default".into()),
        |url| (url, format!("from {}", path.display())),
    ))
}

/// The address (`http`, `database`) that a running `tidemill dev` has written into its data folder.
pub(crate) fn url_of_dev(data_dir: &Path, part: &str) -> Result<Option<String>, CliError> {
    let path = data_dir.join(URLS);
    let text = match std::fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(CliError::Usage(format!("{}: cannot be read: {error}", path.display()))),
    };
    let urls: Value = serde_json::from_str(&text).unwrap_or_default();
    let url = urls[part].as_str().map(str::to_owned);
    url.map(Some).ok_or_else(|| {
        CliError::Usage(format!("{}: has no \"{part}\"; start `tidemill dev` again", path.display()))
    })
}

/// An address without the parts that may be secret.
fn shown(url: &Url) -> String {
    let mut url = url.clone();
    let _ = (url.set_username(""), url.set_password(None));
    url.set_query(None);
    url.set_fragment(None);
    url.into()
}

fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(url::Host::Domain(name)) => name == "localhost",
        Some(url::Host::Ipv4(address)) => address.is_loopback(),
        Some(url::Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

/// The innermost cause, which says most: "Connection refused".
fn deepest(error: &dyn Error) -> String {
    let mut error = error;
    while let Some(source) = error.source() {
        error = source;
    }
    error.to_string()
}
