//! Follows the event stream of one job over any number of connections: each event once and in
//! order, until the job has finished. Prints nothing itself; the view does.

use std::time::{Duration, Instant};

use eventsource_stream::{Event, Eventsource};
use futures_util::StreamExt;
use reqwest::Response;
use serde_json::Value;

use super::view::View;
use crate::cli::common::client::Client;
use crate::cli::common::error::CliError;

const FIRST_PAUSE: Duration = Duration::from_millis(200);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
/// After a connection has lived this long, the next try comes soon.
const GOOD_LIFE: Duration = Duration::from_secs(5);
/// The longest wait for a server that does not answer.
const TIMEOUT: Duration = Duration::from_mins(5);

/// The outcome of a job.
pub(super) struct End {
    /// completed, failed or cancelled.
    pub(super) state: String,
    pub(super) error: Option<String>,
}

pub(super) struct Follower<'a> {
    client: &'a Client,
    id: &'a str,
    view: View,
    /// Number of the last event shown; the next connection continues after it.
    position: Option<u64>,
    pause: Duration,
    last_seen: Instant,
}

impl<'a> Follower<'a> {
    pub(super) fn new(client: &'a Client, id: &'a str, view: View) -> Self {
        Self { client, id, view, position: None, pause: FIRST_PAUSE, last_seen: Instant::now() }
    }

    /// Follows the job until it has finished.
    pub(super) async fn run(mut self) -> Result<End, CliError> {
        let mut connected_once = false;
        loop {
            match self.client.stream(&["jobs", self.id, "events"], self.position).await {
                Ok(response) => {
                    connected_once = true;
                    let connected_at = Instant::now();
                    if let Some(end) = self.read(response).await? {
                        return Ok(end);
                    }
                    if connected_at.elapsed() > GOOD_LIFE {
                        self.pause = FIRST_PAUSE;
                    }
                }
                Err(error) if !connected_once || !error.is_passing() => return Err(error),
                Err(error) if self.last_seen.elapsed() > TIMEOUT => return Err(error),
                Err(_) => {}
            }
            self.view.waiting();
            tokio::time::sleep(self.pause.mul_f64(rand::random_range(0.8..1.2))).await;
            self.pause = (self.pause * 2).min(LONGEST_PAUSE);
        }
    }

    /// Reads one connection until it is cut (`None`) or the job ends.
    async fn read(&mut self, response: Response) -> Result<Option<End>, CliError> {
        let mut events = response.bytes_stream().eventsource();
        // An error is a cut: what was not received whole comes again on the next connection.
        while let Some(Ok(event)) = events.next().await {
            self.last_seen = Instant::now();
            if let Some(end) = self.take(&event)? {
                return Ok(Some(end));
            }
        }
        Ok(None)
    }

    fn take(&mut self, event: &Event) -> Result<Option<End>, CliError> {
        let Ok(data) = serde_json::from_str::<Value>(&event.data) else { return Ok(None) };
        match event.event.as_str() {
            "snapshot" => {
                // Its number is the one that we continue from, never one that we have not seen.
                self.position = self.position.or_else(|| event.id.parse().ok());
                self.view.snapshot(&data);
            }
            state @ ("completed" | "failed" | "cancelled") => {
                self.view.end(state, &data)?;
                let error = data["error"]["message"].as_str().map(str::to_owned);
                return Ok(Some(End { state: state.to_owned(), error }));
            }
            "reset" => {
                let seen = self.position.unwrap_or(0);
                let number = data["seq"].as_u64().unwrap_or(seen);
                if number > seen {
                    self.view.gap(seen + 1, number);
                } else {
                    // The database went on from an earlier state.
                    self.view.event("reset", number, &data)?;
                }
                self.position = Some(number);
            }
            kind => {
                let seen = self.position.unwrap_or(0);
                let number = data["seq"].as_u64().or_else(|| event.id.parse().ok()).unwrap_or(seen + 1);
                if number <= seen {
                    return Ok(None);
                }
                if number > seen + 1 {
                    self.view.gap(seen + 1, number - 1);
                }
                self.position = Some(number);
                self.pause = FIRST_PAUSE;
                self.view.event(kind, number, &data)?;
            }
        }
        Ok(None)
    }
}
