//! Readers of event streams: each follows one job after the other to its end, comes back with `Last-Event-ID` after
//! every cut, and notes what it was sent.

use std::sync::Arc;
use std::time::{Duration, Instant};

use eventsource_stream::Eventsource;
use futures_util::StreamExt;
use serde_json::Value;
use tokio::sync::Mutex;
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::task::JoinSet;
use uuid::Uuid;

const TIMEOUT: Duration = Duration::from_mins(4);

/// What one reader saw of one job.
#[derive(Debug, Clone)]
pub struct Follow {
    pub job: Uuid,
    /// Number and type of every stored event, in the order of arrival.
    pub events: Vec<(i64, String)>,
    /// The type of the last frame, if the stream came to its end.
    pub end: Option<String>,
    /// How often the stream was cut in the middle.
    pub cuts: usize,
    /// Frames that may not come.
    pub wrong: Vec<String>,
}

pub struct Readers(JoinSet<Vec<Follow>>);

impl Readers {
    pub fn start(count: usize, url: &str, jobs: UnboundedReceiver<Uuid>) -> Self {
        let jobs = Arc::new(Mutex::new(jobs));
        let mut readers = JoinSet::new();
        for _ in 0..count {
            readers.spawn(read(url.to_owned(), Arc::clone(&jobs)));
        }
        Self(readers)
    }

    /// Waits until every job that was to be followed is.
    pub async fn stop(self) -> Vec<Follow> {
        self.0.join_all().await.into_iter().flatten().collect()
    }
}

async fn read(url: String, jobs: Arc<Mutex<UnboundedReceiver<Uuid>>>) -> Vec<Follow> {
    let http = reqwest::Client::builder().no_proxy().read_timeout(Duration::from_secs(20)).build().unwrap();
    let mut follows = Vec::new();
    loop {
        let next = jobs.lock().await.recv().await;
        let Some(job) = next else { return follows };
        let mut follow = Follow { job, events: Vec::new(), end: None, cuts: 0, wrong: Vec::new() };
        let deadline = Instant::now() + TIMEOUT;
        while follow.end.is_none() && Instant::now() < deadline {
            if follow.once(&http, &url).await.is_err() {
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
        follows.push(follow);
    }
}

impl Follow {
    /// Reads one stream until its end or a cut.
    async fn once(&mut self, http: &reqwest::Client, url: &str) -> reqwest::Result<()> {
        let request =
            http.get(format!("{url}/api/v1/jobs/{}/events", self.job)).header("Accept", "text/event-stream");
        let request = match self.events.last() {
            Some((seq, _)) => request.header("Last-Event-ID", seq.to_string()),
            None => request,
        };
        let answer = request.send().await?;
        if answer.status() == 404 {
            self.wrong.push("an acknowledged job is said not to exist".to_owned());
            self.end = Some("missing".to_owned());
            return Ok(());
        }
        let mut frames = answer.error_for_status()?.bytes_stream().eventsource();
        while let Some(Ok(frame)) = frames.next().await {
            self.note(&frame);
            if self.end.is_some() {
                return Ok(());
            }
        }
        self.cuts += 1;
        Ok(())
    }

    fn note(&mut self, frame: &eventsource_stream::Event) {
        let position = self.events.last().map_or(0, |(seq, _)| *seq);
        // An end's id says that nothing follows it.
        let (number, is_end) =
            frame.id.strip_suffix("-end").map_or((&*frame.id, false), |number| (number, true));
        let id: i64 = number.parse().unwrap_or(-1);
        let seq = serde_json::from_str::<Value>(&frame.data).ok().and_then(|data| data["seq"].as_i64());
        match frame.event.as_str() {
            "snapshot" if id == position && !is_end => {}
            "completed" | "failed" | "cancelled" if id == position && is_end => {
                self.end = Some(frame.event.clone())
            }
            "snapshot" | "reset" | "completed" | "failed" | "cancelled" => {
                self.wrong.push(format!(
                    "{} with id {id} behind event {position}",
                    frame.event,
                    id = frame.id
                ));
                // Believed, so that a reader that was led astray does not read for ever.
                if frame.event != "snapshot" && frame.event != "reset" {
                    self.end = Some(frame.event.clone());
                }
            }
            _ if seq == Some(id) => self.events.push((id, frame.event.clone())),
            _ => self.wrong.push(format!("{} with id {id} and data {}", frame.event, frame.data)),
        }
    }
}
