//! The events of a tab while a page loads: responses, failures, console errors, exceptions.
//! Collects a bounded number of them and judges none.

use std::pin::Pin;

use chromiumoxide::Page;
use chromiumoxide::cdp::browser_protocol::audits::{
    EnableParams as EnableAudits, EventIssueAdded, MixedContentResourceType,
};
use chromiumoxide::cdp::browser_protocol::log::{EventEntryAdded, LogEntryLevel, LogEntrySource};
use chromiumoxide::cdp::browser_protocol::network::{
    BlockedReason, EventLoadingFailed, EventLoadingFinished, EventRequestWillBeSent, EventResponseReceived,
    ResourceType,
};
use chromiumoxide::cdp::browser_protocol::page::{
    EventJavascriptDialogOpening, EventLifecycleEvent, FrameId, HandleJavaScriptDialogParams,
};
use chromiumoxide::cdp::js_protocol::runtime::{
    ConsoleApiCalledType, EventConsoleApiCalled, EventExceptionThrown, RemoteObject,
};
use chromiumoxide::error::CdpError;
use chromiumoxide::listeners::EventStream;
use futures_util::stream::{Stream, StreamExt, select_all};
use serde_json::Value;

use super::requests_in_flight::{End, Request, RequestsInFlight};

/// The most events kept of each sort.
const MOST: usize = 200;

/// The error of requests that the browser itself aborted.
pub(super) const ABORTED: &str = "net::ERR_ABORTED";

/// One event of the tab.
#[derive(Debug)]
enum PageEvent {
    Asked(std::sync::Arc<EventRequestWillBeSent>),
    Answered(std::sync::Arc<EventResponseReceived>),
    Failed(std::sync::Arc<EventLoadingFailed>),
    Finished(std::sync::Arc<EventLoadingFinished>),
    Console(std::sync::Arc<EventConsoleApiCalled>),
    Thrown(std::sync::Arc<EventExceptionThrown>),
    Logged(std::sync::Arc<EventEntryAdded>),
    Warned(std::sync::Arc<EventIssueAdded>),
    Lived(std::sync::Arc<EventLifecycleEvent>),
    Dialog,
}

/// The answer to the page itself.
#[derive(Debug, Clone)]
pub(crate) struct Document {
    pub(crate) url: String,
    pub(crate) status: i64,
    /// The value of `Retry-After`.
    pub(crate) retry_after: Option<String>,
}

/// Something that the page wanted and did not get.
#[derive(Debug, Clone)]
pub(crate) struct Failed {
    pub(crate) url: String,
    pub(crate) is_image: bool,
    pub(crate) is_mixed_content: bool,
    /// The status of the answer or the error of the network.
    pub(crate) why: String,
}

/// All events of one page.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    pub(crate) document: Option<Document>,
    pub(crate) failed: Vec<Failed>,
    pub(crate) console_errors: Vec<String>,
    pub(crate) exceptions: Vec<String>,
    /// Requests over http of a page over https.
    pub(crate) mixed: Vec<String>,
}

/// Listens to one tab.
pub(super) struct PageEvents {
    page: Page,
    frame: Option<FrameId>,
    events: Pin<Box<dyn Stream<Item = PageEvent> + Send + Sync>>,
    in_flight: RequestsInFlight,
    /// The request for what the tab is to show, the last of them.
    page_request: Option<String>,
    /// Such a request whose page has loaded, whatever its frames do.
    loaded: Option<String>,
    /// Such a request that the browser gave up, as it does with a file that is not for show.
    given_up: Option<String>,
    seen: Seen,
}

impl PageEvents {
    pub(super) async fn start(page: &Page) -> Result<Self, CdpError> {
        let streams: Vec<Pin<Box<dyn Stream<Item = PageEvent> + Send + Sync>>> = vec![
            boxed(page.event_listener().await?, PageEvent::Asked),
            boxed(page.event_listener().await?, PageEvent::Answered),
            boxed(page.event_listener().await?, PageEvent::Failed),
            boxed(page.event_listener().await?, PageEvent::Finished),
            boxed(page.event_listener().await?, PageEvent::Console),
            boxed(page.event_listener().await?, PageEvent::Thrown),
            boxed(page.event_listener().await?, PageEvent::Logged),
            boxed(page.event_listener().await?, PageEvent::Warned),
            boxed(page.event_listener().await?, PageEvent::Lived),
            boxed(page.event_listener::<EventJavascriptDialogOpening>().await?, |_| PageEvent::Dialog),
        ];
        page.execute(EnableAudits::default()).await?;
        let frame = page.mainframe().await?;
        let events = Box::pin(select_all(streams));
        Ok(Self {
            page: page.clone(),
            frame,
            events,
            in_flight: RequestsInFlight::default(),
            page_request: None,
            loaded: None,
            given_up: None,
            seen: Seen::default(),
        })
    }

    /// Collects events until `until` has finished; returns its outcome.
    pub(super) async fn during<T>(&mut self, until: impl Future<Output = T>) -> T {
        tokio::pin!(until);
        loop {
            tokio::select! {
                outcome = &mut until => return outcome,
                Some(event) = self.events.next() => self.take(event),
            }
        }
    }

    /// Whether the page was given up, and nothing else is on its way in its place.
    pub(super) fn is_given_up(&self) -> bool {
        self.given_up.is_some() && self.given_up == self.page_request && self.in_flight.is_empty()
    }

    /// Whether the page itself has loaded.
    pub(super) fn has_loaded(&self) -> bool {
        self.seen.document.is_some() && self.loaded.is_some() && self.loaded == self.page_request
    }

    /// Whether a request is still in flight.
    pub(super) fn is_busy(&self) -> bool {
        !self.in_flight.is_empty()
    }

    pub(super) fn seen(&self) -> &Seen {
        &self.seen
    }

    fn take(&mut self, event: PageEvent) {
        match event {
            PageEvent::Asked(asked) => self.asked(&asked),
            PageEvent::Answered(answer) => self.answered(&answer),
            PageEvent::Failed(failure) => {
                let id = failure.request_id.clone();
                let ended = self.in_flight.ended(id.inner(), Some(failure));
                self.ended(ended);
            }
            PageEvent::Finished(finished) => drop(self.in_flight.ended(finished.request_id.inner(), None)),
            PageEvent::Console(call) if call.r#type == ConsoleApiCalledType::Error => {
                let words: Vec<_> = call.args.iter().map(shown).collect();
                keep(&mut self.seen.console_errors, words.join(" "));
            }
            PageEvent::Thrown(thrown) => {
                let details = &thrown.exception_details;
                let cause = details.exception.as_ref().map(shown);
                keep(&mut self.seen.exceptions, cause.unwrap_or_else(|| details.text.clone()));
            }
            PageEvent::Logged(logged) => self.logged(&logged),
            PageEvent::Warned(warned) => self.warned(&warned),
            // The document of a page has the id of its request.
            PageEvent::Lived(lived)
                if lived.name == "load" && Some(&lived.frame_id) == self.frame.as_ref() =>
            {
                self.loaded = Some(lived.loader_id.inner().clone());
            }
            PageEvent::Console(_) | PageEvent::Lived(_) => {}
            PageEvent::Dialog => {
                // Nobody can answer the dialog, and the page is blocked until it is closed.
                let page = self.page.clone();
                tokio::spawn(async move {
                    let _ = page.execute(HandleJavaScriptDialogParams::new(false)).await;
                });
            }
        }
    }

    fn logged(&mut self, logged: &EventEntryAdded) {
        let entry = &logged.entry;
        // Network errors have their own events.
        let is_reported = entry.source == LogEntrySource::Network || is_of_mixed_content(&entry.text);
        if entry.level != LogEntryLevel::Error || is_reported {
            return;
        }
        // All exceptions of a web worker come here, including uncaught ones.
        let uncaught =
            entry.text.strip_prefix("Uncaught ").filter(|_| entry.source == LogEntrySource::Worker);
        match uncaught {
            Some(text) => {
                let text = text.strip_prefix("(in promise) ").unwrap_or(text);
                keep(&mut self.seen.exceptions, text.lines().next().unwrap_or_default().to_owned());
            }
            None => keep(&mut self.seen.console_errors, entry.text.clone()),
        }
    }

    fn warned(&mut self, warned: &EventIssueAdded) {
        let Some(mixed) = &warned.issue.details.mixed_content_issue_details else { return };
        // Where a form goes is nothing that the page loads.
        if mixed.resource_type != Some(MixedContentResourceType::Form) {
            keep(&mut self.seen.mixed, mixed.insecure_url.clone());
        }
    }

    fn asked(&mut self, asked: &EventRequestWillBeSent) {
        let id = asked.request_id.inner();
        let is_page = asked.r#type == Some(ResourceType::Document) && asked.frame_id == self.frame;
        if is_page {
            self.page_request = Some(id.clone());
        }
        let ended = self.in_flight.asked(id, Request { url: asked.request.url.clone(), is_page });
        self.ended(ended);
    }

    fn answered(&mut self, answer: &EventResponseReceived) {
        let response = &answer.response;
        let is_page = answer.r#type == ResourceType::Document && answer.frame_id == self.frame;
        if is_page {
            let headers = response.headers.inner().as_object().into_iter().flatten();
            let mut wait = headers.filter(|(name, _)| name.eq_ignore_ascii_case("retry-after"));
            self.seen.document = Some(Document {
                url: response.url.clone(),
                status: response.status,
                retry_after: wait.next().and_then(|(_, value)| value.as_str()).map(str::to_owned),
            });
        } else if response.status >= 400 {
            self.missing(
                &response.url,
                &answer.r#type,
                false,
                format!("it is answered with {}", response.status),
            );
        }
    }

    fn ended(&mut self, ended: Option<(Request, End)>) {
        let Some((request, Some(failure))) = ended else { return };
        let is_mixed = failure.blocked_reason == Some(BlockedReason::MixedContent);
        // Violations of the page's content policy appear on its console.
        let is_wanted = failure.canceled == Some(true)
            || failure.blocked_reason == Some(BlockedReason::Csp)
            || failure.error_text == ABORTED;
        let is_page = failure.r#type == ResourceType::Document && self.seen.document.is_none();
        if request.is_page && failure.error_text == ABORTED {
            self.given_up = Some(failure.request_id.inner().clone());
        }
        if is_mixed || !(is_wanted || is_page) {
            self.missing(&request.url, &failure.r#type, is_mixed, failure.error_text.clone());
        }
    }

    fn missing(&mut self, url: &str, sort: &ResourceType, is_mixed_content: bool, why: String) {
        let silent =
            matches!(sort, ResourceType::Ping | ResourceType::CspViolationReport | ResourceType::Prefetch);
        // A browser asks for it without the page.
        let is_icon = url.ends_with("/favicon.ico") && *sort == ResourceType::Other;
        let is_known = self.seen.failed.iter().any(|failed| failed.url == url);
        if !(silent || is_icon || is_known) && self.seen.failed.len() < MOST {
            let is_image = *sort == ResourceType::Image;
            self.seen.failed.push(Failed { url: url.to_owned(), is_image, is_mixed_content, why });
        }
    }
}

fn boxed<T>(
    events: EventStream<T>,
    event: impl Fn(std::sync::Arc<T>) -> PageEvent + Send + Sync + 'static,
) -> Pin<Box<dyn Stream<Item = PageEvent> + Send + Sync>>
where
    T: chromiumoxide::cdp::IntoEventKind + Unpin + Send + Sync,
{
    Box::pin(events.map(event))
}

/// Equal messages count once.
fn keep(texts: &mut Vec<String>, text: String) {
    if texts.len() < MOST && !texts.contains(&text) {
        texts.push(text);
    }
}

fn is_of_mixed_content(text: &str) -> bool {
    text.starts_with("Mixed Content:")
}

/// A value as the console shows it; of an error's stack only the first line, for the rest differs from page to page.
fn shown(value: &RemoteObject) -> String {
    let text = match (&value.value, &value.description) {
        (Some(Value::String(text)), _) | (None, Some(text)) => text.clone(),
        (Some(value), _) => value.to_string(),
        (None, None) => value.r#type.as_ref().to_owned(),
    };
    text.lines().next().unwrap_or_default().to_owned()
}
