//! The page in which a task runs: its content, and its session. Windows that the page opens do not
//! exist, so this must never ask about one.

use std::collections::BTreeMap;
use std::time::Duration;

use chromiumoxide::cdp::browser_protocol::network::{CookieParam, CookieSameSite, TimeSinceEpoch};
use chromiumoxide::cdp::browser_protocol::page::{
    CaptureScreenshotFormat, EventJavascriptDialogOpening, HandleJavaScriptDialogParams,
};
use chromiumoxide::cdp::browser_protocol::storage::{GetCookiesParams, SetCookiesParams};
use chromiumoxide::cdp::browser_protocol::target::CreateTargetParams;
use chromiumoxide::cdp::js_protocol::runtime::TerminateExecutionParams;
use chromiumoxide::error::CdpError;
use chromiumoxide::page::{Page, ScreenshotParams};
use futures_util::StreamExt;
use serde::{Deserialize, Serialize};
use serde_json::json;
use tokio::time::{Instant, sleep, timeout, timeout_at};
use tokio_util::task::AbortOnDropHandle;

use super::chromium::Chromium;
use super::observation::{Observation, Seen};
use super::secret_mask::SecretMask;
use crate::agent::args::SessionData;
use crate::agent::cookie::Cookie;
use crate::browser::{crashed, within};
use tidemill::JobError;

const OBSERVE: &str = include_str!("observe.js");
/// Local storage that is larger is not carried over to another attempt.
const STORAGE_BYTES: usize = 256 * 1024;
const JPEG_QUALITY: i64 = 60;
/// How long a page may take to settle after an action.
const SETTLE_WITHIN: Duration = Duration::from_secs(10);
const SETTLE_FIRST: Duration = Duration::from_millis(150);
const SETTLE_POLL: Duration = Duration::from_millis(50);

/// The address and session of a browser, so that another one can resume there.
#[derive(Clone, Default, Serialize, Deserialize)]
pub(super) struct Session {
    /// The complete address, so never shown: the part after the path is often a token.
    #[serde(rename = "session_url")]
    url: Option<String>,
    pub(super) cookies: Vec<Cookie>,
    /// By origin.
    local_storage: BTreeMap<String, BTreeMap<String, String>>,
}

/// The page.
pub(super) struct Tab {
    chromium: Chromium,
    pub(super) page: Page,
    /// As it was when the page was last read.
    pub(super) session: Session,
    was_stopped: bool,
    _dialogs: AbortOnDropHandle<()>,
}

impl Session {
    /// The state at the start of a task.
    pub(super) fn of(data: &SessionData) -> Self {
        let origin = data.address().map(|url| url.origin().ascii_serialization());
        let host = data.address().and_then(|url| url.host_str().map(str::to_owned));
        let of_host = |cookie: &Cookie| Cookie {
            domain: cookie.domain.clone().filter(|domain| !domain.is_empty()).or_else(|| host.clone()),
            ..cookie.clone()
        };
        Self {
            url: data.url.clone(),
            cookies: data.cookies.iter().map(of_host).collect(),
            local_storage: origin.map(|origin| (origin, data.local_storage.clone())).into_iter().collect(),
        }
    }
}

impl Tab {
    /// A page with a session, at the session's address.
    pub(super) async fn open(chromium: Chromium, session: Session) -> Result<Self, JobError> {
        let context = Some(chromium.context.clone());
        let target = CreateTargetParams {
            browser_context_id: context.clone(),
            ..CreateTargetParams::new("about:blank")
        };
        let command_timeout = chromium.command_timeout;
        let page = within(command_timeout, chromium.browser.new_page(target)).await.map_err(crashed)?;
        let mut dialogs = page.event_listener::<EventJavascriptDialogOpening>().await.map_err(crashed)?;
        let answering = page.clone();
        // An unanswered dialog would block the page for ever.
        let dialogs = tokio::spawn(async move {
            while dialogs.next().await.is_some() {
                let _ =
                    within(command_timeout, answering.execute(HandleJavaScriptDialogParams::new(true))).await;
            }
        });
        within(command_timeout, page.evaluate_on_new_document(script(&session))).await.map_err(crashed)?;
        let cookies: Vec<_> = session.cookies.iter().map(cookie_param).collect();
        if !cookies.is_empty() {
            let params = SetCookiesParams { browser_context_id: context, ..SetCookiesParams::new(cookies) };
            within(command_timeout, chromium.browser.execute(params)).await.map_err(refused)?;
        }
        let tab =
            Self { chromium, page, session, was_stopped: false, _dialogs: AbortOnDropHandle::new(dialogs) };
        if let Some(url) = tab.session.url.clone() {
            // A page that does not load is shown to the model unchanged.
            let _ = tab.go(&url).await;
        }
        Ok(tab)
    }

    /// No command to it takes longer.
    pub(super) fn command_timeout(&self) -> Duration {
        self.chromium.command_timeout
    }

    /// Opens an address; the error is the browser's message.
    pub(super) async fn go(&self, url: &str) -> Result<(), String> {
        match timeout(self.command_timeout(), self.page.goto(url)).await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(error)) => Err(error.to_string()),
            Err(_) => Err("it did not load in time".to_owned()),
        }
    }

    /// Waits until a page has loaded, if one does.
    pub(super) async fn settle(&self) {
        let until = Instant::now() + SETTLE_WITHIN.min(self.command_timeout());
        sleep(SETTLE_FIRST).await;
        while Instant::now() < until {
            // During a navigation there is no page to ask.
            let asked = timeout_at(until, self.page.evaluate("document.readyState")).await;
            let state = asked.ok().and_then(Result::ok).and_then(|state| state.into_value::<String>().ok());
            if state.as_deref() == Some("complete") {
                return;
            }
            sleep(SETTLE_POLL).await;
        }
    }

    /// Its content without secrets, including those received since the last read.
    pub(super) async fn observe(&mut self, mask: &mut SecretMask) -> Result<Observation, JobError> {
        let mut observed = self.read_page(mask).await;
        if matches!(observed, Err(CdpError::Timeout)) {
            // As a person would: stops an endless script, so that the page responds again.
            self.was_stopped = true;
            let command_timeout = self.command_timeout();
            observed = within(command_timeout, async {
                self.page.execute(TerminateExecutionParams::default()).await?;
                self.read_page(mask).await
            })
            .await;
        }
        observed.map_err(crashed)
    }

    /// Whether a script of the page had to be stopped since this was asked last.
    pub(super) fn was_stopped(&mut self) -> bool {
        std::mem::take(&mut self.was_stopped)
    }

    /// A picture of the page, if there is one in time: a script may hold it up.
    pub(super) async fn screenshot(&self) -> Result<Option<Vec<u8>>, JobError> {
        let params =
            ScreenshotParams::builder().format(CaptureScreenshotFormat::Jpeg).quality(JPEG_QUALITY).build();
        match within(self.command_timeout(), self.page.screenshot(params)).await {
            Ok(picture) => Ok(Some(picture)),
            Err(CdpError::Timeout) => Ok(None),
            Err(error) => Err(crashed(error)),
        }
    }

    async fn read_page(&mut self, mask: &mut SecretMask) -> Result<Observation, CdpError> {
        self.read_session().await?;
        mask.learn(&self.session.cookies);
        let reading = self.page.evaluate(format!("{OBSERVE}({})", Seen::limits(mask)));
        Ok(within(self.command_timeout(), reading).await?.into_value::<Seen>()?.covered(mask))
    }

    async fn read_session(&mut self) -> Result<(), CdpError> {
        let params = GetCookiesParams { browser_context_id: Some(self.chromium.context.clone()) };
        let cookies = within(self.command_timeout(), self.chromium.browser.execute(params)).await?;
        self.session.cookies = cookies.result.cookies.into_iter().map(kept_cookie).collect();
        let script = "({url: location.href, origin: location.origin, items: (() => { try { return {...localStorage} } catch { return null } })()})";
        let here: Here = within(self.command_timeout(), self.page.evaluate(script)).await?.into_value()?;
        if let Some(items) = here.items {
            let bytes: usize = items.iter().map(|(name, value)| name.len() + value.len()).sum();
            if bytes <= STORAGE_BYTES {
                self.session.local_storage.insert(here.origin, items);
            } else {
                self.session.local_storage.remove(&here.origin);
            }
        }
        self.session.url = here.url.starts_with("http").then_some(here.url);
        Ok(())
    }
}

#[derive(Deserialize)]
struct Here {
    url: String,
    origin: String,
    items: Option<BTreeMap<String, String>>,
}

/// Gives each origin its local storage when its first page begins, and keeps pages in this window.
fn script(session: &Session) -> String {
    let all = json!(session.local_storage);
    format!(
        "(() => {{ const items = {all}[location.origin]; window.open = (url) => {{ if (url) location.href = url; return null; }};
        try {{ if (!items || sessionStorage.getItem('tidemill')) return; sessionStorage.setItem('tidemill', '1');
        for (const [name, value] of Object.entries(items)) localStorage.setItem(name, value); }} catch {{}} }})()"
    )
}

/// The earlier checks do not cover all reasons why a browser rejects a cookie, and it reports no details.
fn refused(error: CdpError) -> JobError {
    match error {
        CdpError::Chrome(refusal) => {
            let words = format!("the browser does not accept the session's cookies: {}", refusal.message);
            JobError::permanent(words).class("bad_args")
        }
        error => crashed(error),
    }
}

fn cookie_param(cookie: &Cookie) -> CookieParam {
    let mut param = CookieParam::new(cookie.name.clone(), cookie.value.clone());
    param.domain.clone_from(&cookie.domain);
    param.path = cookie.path.clone().filter(|path| !path.is_empty()).or_else(|| Some("/".to_owned()));
    param.secure = Some(cookie.secure);
    param.http_only = Some(cookie.http_only);
    param.expires = cookie.expires.filter(|until| *until > 0.0).map(TimeSinceEpoch::new);
    param.same_site = match cookie.same_site.as_deref().map(str::to_ascii_lowercase).as_deref() {
        Some("strict") => Some(CookieSameSite::Strict),
        Some("lax") => Some(CookieSameSite::Lax),
        Some("none") => Some(CookieSameSite::None),
        // Firefox exports this value for every cookie without one.
        Some("no_restriction") if cookie.secure => Some(CookieSameSite::None),
        _ => None,
    };
    param
}

fn kept_cookie(cookie: chromiumoxide::cdp::browser_protocol::network::Cookie) -> Cookie {
    Cookie {
        name: cookie.name,
        value: cookie.value,
        domain: Some(cookie.domain),
        path: Some(cookie.path),
        expires: (!cookie.session).then_some(cookie.expires),
        http_only: cookie.http_only,
        secure: cookie.secure,
        same_site: cookie.same_site.map(|site| site.as_ref().to_owned()),
        ..Cookie::default()
    }
}

#[cfg(test)]
mod tests {
    use chromiumoxide::types;

    use super::*;

    #[test]
    fn cookies_that_the_browser_refuses_are_refused_by_any_other_too() {
        let message = "Invalid cookie fields".to_owned();
        let refusal = refused(CdpError::Chrome(types::Error { code: -32602, message }));
        assert!(refusal.is_permanent() && refusal.is_of("bad_args"), "{refusal:?}");
        let late = refused(CdpError::Timeout);
        assert!(!late.is_permanent() && late.is_of("browser"), "{late:?}");
    }
}
