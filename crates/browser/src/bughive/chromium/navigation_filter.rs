//! The navigation filter of a tab: judges each document before it is requested, whether from a
//! redirect or from a script. Must never let a document pass unjudged, or let the page open a
//! window.

use std::sync::{Arc, OnceLock};

use chromiumoxide::Page;
use chromiumoxide::cdp::browser_protocol::fetch::{
    ContinueRequestParams, EnableParams, EventRequestPaused, FailRequestParams, RequestPattern,
};
use chromiumoxide::cdp::browser_protocol::network::{ErrorReason, ResourceType};
use chromiumoxide::cdp::browser_protocol::page::SetPrerenderingAllowedParams;
use chromiumoxide::error::CdpError;
use futures_util::StreamExt;
use futures_util::future::BoxFuture;
use tokio_util::task::AbortOnDropHandle;
use url::Url;

/// Whether a page may navigate to an address.
pub(crate) type NavigationCheck = Arc<dyn Fn(Url) -> BoxFuture<'static, bool> + Send + Sync>;

/// Other windows are never shown, and the only window must stay open.
const ONE_WINDOW: &str = "window.open = () => null; window.close = () => {};";

/// The navigation filter of one tab, active while this value exists.
pub(super) struct NavigationFilter {
    refused: Arc<OnceLock<Url>>,
    _task: AbortOnDropHandle<()>,
}

impl NavigationFilter {
    pub(super) async fn of(page: &Page, is_allowed: NavigationCheck) -> Result<Self, CdpError> {
        let main = page.mainframe().await?;
        let mut paused_requests = page.event_listener::<EventRequestPaused>().await?;
        let documents =
            RequestPattern { resource_type: Some(ResourceType::Document), ..RequestPattern::default() };
        page.execute(EnableParams { patterns: Some(vec![documents]), ..EnableParams::default() }).await?;
        // A prerendered page would bypass this filter.
        page.execute(SetPrerenderingAllowedParams::new(false)).await?;
        page.evaluate_on_new_document(ONE_WINDOW).await?;
        let page = page.clone();
        let refused = Arc::new(OnceLock::new());
        let first_refused = Arc::clone(&refused);
        let task = tokio::spawn(async move {
            while let Some(paused) = paused_requests.next().await {
                let id = paused.request_id.clone();
                let is_part = main.as_ref().is_some_and(|main| *main != paused.frame_id);
                let url = Url::parse(&paused.request.url).ok();
                let passes = is_part || passes(&is_allowed, url.as_ref()).await;
                if let (false, Some(url)) = (passes, url) {
                    // The first one counts.
                    let _ = first_refused.set(url);
                }
                // The page may have gone meanwhile, and its request with it.
                let _ = if passes {
                    page.execute(ContinueRequestParams::new(id)).await.map(drop)
                } else {
                    // The present page stays.
                    page.execute(FailRequestParams::new(id, ErrorReason::Aborted)).await.map(drop)
                };
            }
        });
        Ok(Self { refused, _task: AbortOnDropHandle::new(task) })
    }

    /// The first document that was refused.
    pub(super) fn refused(&self) -> Option<&Url> {
        self.refused.get()
    }
}

async fn passes(is_allowed: &NavigationCheck, url: Option<&Url>) -> bool {
    match url {
        Some(url) => is_allowed(url.clone()).await,
        None => false,
    }
}
