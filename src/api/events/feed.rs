//! Pages of the changes that were committed after a position, for streams that follow queues, kinds or all
//! jobs. Readers at the same position share a page. Must never keep more than a bounded number of pages, or
//! move a position past a change that is not in a page.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use sha2::{Digest, Sha256};
use tokio::sync::Mutex;
use tokio::time::Instant;
use uuid::Uuid;

use crate::store::jobs::feed::{Change, FeedRead, Horizon, Range, Selection, What};
use crate::store::{Result, Store};

/// How long the answer "nothing new" stays valid.
const FRESH: Duration = Duration::from_millis(150);
/// The most transactions of one page.
const STEP: i64 = 20_000;
/// The most changes of one sort (jobs, starts or events) in a page, unless one transaction has more.
const MOST: i32 = 5_000;
/// The most changes of one sort that are read of one transaction.
const MOST_OF_ONE: i32 = 200_000;
/// The number of recent pages that are kept for readers that lag a little.
const KEPT_PAGES: usize = 32;
/// The most times that a page is widened to include earlier events of its jobs.
const WIDENINGS: usize = 8;
/// How far a reader goes back after the database was restored to an earlier state.
const OVERLAP: TimeDelta = TimeDelta::minutes(1);

/// The order within a page: by time, and within one job in the order of its events.
pub type Key = (i64, Uuid, i64);

/// The position of a reader.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FeedPosition {
    /// A hash of the database's timeline.
    pub era: u64,
    /// The time of the read.
    pub at: DateTime<Utc>,
    /// The transactions that it has seen.
    pub horizon: Horizon,
    /// Within a page: the content of the page, and the last change of it that the reader has seen.
    pub within: Option<(Horizon, Key)>,
}

/// One change with its position.
#[derive(Debug, Clone, Copy)]
pub struct Item {
    pub key: Key,
    pub change: Change,
}

/// The changes committed after a position.
#[derive(Debug)]
pub struct FeedPage {
    /// In order.
    pub items: Vec<Item>,
    /// The position after it.
    pub next: FeedPosition,
    /// Its content.
    pub target: Horizon,
    /// The database was restored to a state earlier than the position; then there are no items.
    pub went_back: bool,
    /// One transaction changed more jobs than a page can hold; they are not among the items.
    pub lagged: bool,
    /// More follows at once.
    pub more: bool,
    snapshot: String,
}

#[derive(Debug)]
struct Kept {
    selection: Selection,
    horizon: Horizon,
    era: u64,
    at: Instant,
    page: Arc<FeedPage>,
}

/// The shared pages; cheap to clone.
#[derive(Debug, Clone)]
pub struct Feed {
    store: Store,
    kept: Arc<Mutex<VecDeque<Kept>>>,
}

impl Feed {
    /// Starts without any query.
    #[must_use]
    pub fn new(store: Store) -> Self {
        Self { store, kept: Arc::default() }
    }

    /// The start position of a reader of future changes.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn begin(&self) -> Result<FeedPosition> {
        let found = self.store.horizon().await?;
        Ok(FeedPosition { era: hash(&found.era), at: found.at, horizon: found.horizon, within: None })
    }

    /// The position from which a reader continues if it has seen changes that the database no longer has.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn back_from(&self, place: &FeedPosition) -> Result<FeedPosition> {
        let now = self.begin().await?;
        let since = place.at.min(now.at) - OVERLAP;
        let below = self.store.written_since(since).await?.min(now.horizon.below);
        Ok(FeedPosition { at: since, horizon: now.horizon.cut(below), ..now })
    }

    /// The changes committed after a position.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn page(&self, selection: &Selection, place: &FeedPosition) -> Result<Arc<FeedPage>> {
        if place.within.is_some() {
            return Ok(Arc::new(self.poll(selection, place, None).await?));
        }
        // Held during the query: a reader that arrives meanwhile waits for the same answer.
        let mut kept = self.kept.lock().await;
        let is_it = |kept: &Kept| {
            kept.era == place.era && kept.horizon == place.horizon && kept.selection == *selection
        };
        let mut seen = None;
        if let Some(found) = kept.iter().find(|kept| is_it(kept)) {
            // A page with only starts does not move the position: more may follow after the same position
            // later.
            let is_whole = found.page.next.horizon != place.horizon;
            if is_whole || found.at.elapsed() < FRESH {
                return Ok(Arc::clone(&found.page));
            }
            seen = found.page.items.is_empty().then(|| found.page.snapshot.clone());
        }
        let page = Arc::new(self.poll(selection, place, seen.as_deref()).await?);
        kept.retain(|kept| !is_it(kept));
        while kept.len() >= KEPT_PAGES {
            kept.pop_front();
        }
        kept.push_back(Kept {
            selection: selection.clone(),
            horizon: place.horizon.clone(),
            era: place.era,
            at: Instant::now(),
            page: Arc::clone(&page),
        });
        Ok(page)
    }

    async fn poll(
        &self,
        selection: &Selection,
        place: &FeedPosition,
        seen: Option<&str>,
    ) -> Result<FeedPage> {
        let behind = &place.horizon;
        let hidden =
            place.within.as_ref().map_or_else(Default::default, |(target, _)| target.open.as_slice());
        let (mut step, mut most, mut widened) = (STEP, MOST, 0);
        let mut before = behind.below.saturating_add(step);
        if let Some((target, _)) = &place.within {
            (before, most) = (target.below, MOST_OF_ONE);
        }
        loop {
            let range = Range { behind, before, hidden, since: place.at, most, seen };
            let found = self.store.changes(selection, &range).await?;
            if hash(&found.era) != place.era || found.horizon.below < behind.below {
                return Ok(FeedPage::empty(place, &found, true, false));
            }
            if found.too_many && step > 1 {
                step = (step / 4).max(1);
                before = behind.below.saturating_add(step);
                continue;
            }
            if found.too_many && most < MOST_OF_ONE {
                most = MOST_OF_ONE;
                continue;
            }
            if found.too_many {
                let mut page = FeedPage::empty(place, &found, false, true);
                page.next.horizon = found.horizon.cut(before.min(found.horizon.below));
                return Ok(page);
            }
            let is_cut = found.horizon.below > before && place.within.is_none();
            if is_cut && widened < WIDENINGS {
                // A transaction that began later may have written the earlier events of a job.
                let missing = predecessors(&found.changes);
                if let Some(writer) = self.store.newest_writer(&missing).await?
                    && writer >= before
                    // Rows with higher numbers were restored from another cluster.
                    && writer < found.horizon.below
                {
                    (before, most, widened) = (writer + 1, MOST_OF_ONE, widened + 1);
                    continue;
                }
            }
            return Ok(FeedPage::of(place, &found, is_cut.then_some(before)));
        }
    }
}

impl FeedPage {
    fn empty(place: &FeedPosition, found: &FeedRead, went_back: bool, lagged: bool) -> Self {
        let next = FeedPosition { at: found.at, within: None, ..place.clone() };
        Self {
            items: Vec::new(),
            target: next.horizon.clone(),
            next,
            went_back,
            lagged,
            more: lagged,
            snapshot: String::new(),
        }
    }

    fn of(place: &FeedPosition, found: &FeedRead, cut_at: Option<i64>) -> Self {
        let target = match (&place.within, cut_at) {
            (Some((target, _)), _) => target.clone(),
            (None, Some(before)) => found.horizon.cut(before),
            (None, None) => found.horizon.clone(),
        };
        // The position does not go beyond the newest commit that is known to be on disk; the rows that were
        // found are on disk. A claim commits without waiting for the disk; a crash can undo it and give its
        // number to another transaction.
        let behind_newest = found.newest.map_or(0, |newest| newest + 1).max(place.horizon.below);
        let horizon = target.cut(cut_at.unwrap_or(behind_newest));
        let mut items = in_order(&found.changes);
        if let Some((_, key)) = &place.within {
            items.retain(|item| item.key > *key);
        }
        let more = cut_at.is_some() || place.within.is_some();
        // Within a page the time of the read is no longer known; the time of the position before it is
        // earlier.
        let at = if place.within.is_some() { place.at } else { found.at };
        let next = FeedPosition { era: place.era, at, horizon, within: None };
        Self { items, next, target, went_back: false, lagged: false, more, snapshot: found.snapshot.clone() }
    }

    /// The position after one of its items, for a reader that started it at `place`.
    #[must_use]
    pub fn place_behind(&self, place: &FeedPosition, key: Key) -> FeedPosition {
        FeedPosition { within: Some((self.target.clone(), key)), ..place.clone() }
    }
}

/// Earlier events of the same jobs, which are missing from the page.
fn predecessors(changes: &[Change]) -> Vec<(Uuid, i64)> {
    let numbered = |change: &&Change| matches!(change.what, What::Event);
    let here: HashSet<(Uuid, i64)> =
        changes.iter().filter(numbered).map(|change| (change.job_id, change.seq)).collect();
    let before = changes.iter().filter_map(|change| match change.what {
        What::Event => Some((change.job_id, change.seq - 1)),
        What::Ended => Some((change.job_id, change.seq)),
        What::Queued | What::Started => None,
    });
    before.filter(|event| event.1 > 0 && !here.contains(event)).collect()
}

fn in_order(changes: &[Change]) -> Vec<Item> {
    let rank = |change: &Change| match change.what {
        What::Queued => -2,
        What::Started => -1,
        What::Event => change.seq,
        What::Ended => i64::MAX,
    };
    let mut changes: Vec<&Change> = changes.iter().collect();
    changes.sort_unstable_by_key(|change| (change.job_id, rank(change)));
    let mut latest: HashMap<Uuid, i64> = HashMap::new();
    let keyed = changes.into_iter().map(|change| {
        let mut at = change.at.timestamp_micros();
        // Clocks can step back; an event with a higher number comes later all the same.
        if matches!(change.what, What::Event | What::Ended) {
            let latest = latest.entry(change.job_id).or_insert(at);
            at = at.max(*latest);
            *latest = at;
        }
        Item { key: (at, change.job_id, rank(change)), change: *change }
    });
    let mut items: Vec<Item> = keyed.collect();
    items.sort_unstable_by_key(|item| item.key);
    items
}

fn hash(era: &str) -> u64 {
    let digest = Sha256::digest(era.as_bytes());
    u64::from_le_bytes(std::array::from_fn(|index| digest[index]))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn change(what: What, job: u128, seq: i64, at: i64) -> Change {
        let at = DateTime::from_timestamp_micros(at).unwrap();
        Change { what, job_id: Uuid::from_u128(job), seq, attempt: 1, at, written_in: 7 }
    }

    #[test]
    fn a_job_keeps_its_order_whatever_its_clocks_say() {
        let changes = [
            change(What::Ended, 1, 2, 50),
            change(What::Event, 1, 2, 60),
            change(What::Event, 1, 1, 70),
            change(What::Event, 2, 1, 65),
            change(What::Queued, 1, 0, 10),
        ];
        let order: Vec<(u128, What, i64)> = in_order(&changes)
            .iter()
            .map(|item| (item.change.job_id.as_u128(), item.change.what, item.change.seq))
            .collect();
        let expected = [
            (1, What::Queued, 0),
            (2, What::Event, 1),
            (1, What::Event, 1),
            (1, What::Event, 2),
            (1, What::Ended, 2),
        ];
        assert_eq!(order, expected);
    }

    #[test]
    fn what_is_missing_before_a_page_is_found() {
        let changes =
            [change(What::Event, 1, 5, 1), change(What::Event, 1, 6, 1), change(What::Ended, 2, 3, 1)];
        let missing = predecessors(&changes);
        assert_eq!(missing, [(Uuid::from_u128(1), 4), (Uuid::from_u128(2), 3)]);
        assert!(predecessors(&[change(What::Ended, 2, 0, 1), change(What::Event, 1, 1, 1)]).is_empty());
    }
}
