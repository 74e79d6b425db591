//! A finished step as it is stored.

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The length shown in a log line.
const LINE_CHARACTERS: usize = 200;

/// The stored part of a finished step.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Done {
    /// From 1.
    pub(super) step: usize,
    pub(super) thought: Option<String>,
    /// Empty if the model called none.
    pub(super) tool: String,
    pub(super) arguments: String,
    /// The element that was acted on.
    pub(super) target: Option<String>,
    pub(super) ok: bool,
    pub(super) outcome: String,
    /// Hosts that the page was not allowed to reach.
    pub(super) refused: Vec<String>,
    pub(super) url: String,
    pub(super) title: String,
    /// The path of the picture.
    pub(super) screenshot: Option<String>,
    pub(super) tokens: u64,
    pub(super) seconds: f64,
    /// The browser's session after it, encrypted if args are.
    pub(super) state: Value,
}

impl Done {
    /// The step as a log line.
    pub(super) fn line(&self) -> String {
        let about = self.target.as_deref().unwrap_or(&self.arguments);
        let outcome: String =
            self.outcome.lines().next().unwrap_or_default().chars().take(LINE_CHARACTERS).collect();
        format!("step {}: {} {about}: {outcome}", self.step, self.tool)
    }
}
