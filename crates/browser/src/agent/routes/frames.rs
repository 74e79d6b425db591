//! The frames of a task's WebSocket, made from the frames of its event stream. A step's frame is
//! made from its checkpoint, so that it comes exactly once and only for a step that a crash cannot
//! undo.

use std::collections::HashMap;

use serde_json::{Map, Value, json};
use uuid::Uuid;

use tidemill::Store;
use tidemill::extension::http::Frame;
use tidemill::extension::jobs::Result;

/// Turns frames of one job into those of its WebSocket.
pub(super) struct Translator {
    store: Store,
    job_id: Uuid,
    /// Whether the job is of a kind of the operator's own: its progress and its pictures are frames.
    is_own: bool,
    /// Outputs of the steps that are known so far.
    outputs: HashMap<String, Value>,
}

impl Translator {
    pub(super) fn new(store: Store, job_id: Uuid, is_own: bool) -> Self {
        Self { store, job_id, is_own, outputs: HashMap::new() }
    }

    /// The messages for a frame: none, one or two texts.
    ///
    /// # Errors
    /// When the checkpoints cannot be read.
    pub(super) async fn translate(&mut self, frame: &Frame) -> Result<Vec<String>> {
        let Ok(Value::Object(mut data)) = serde_json::from_str(&frame.data) else { return Ok(Vec::new()) };
        let at = data.remove("at").unwrap_or_default();
        let text = |kind: &str, data: Value| json!({"type": kind, "data": data, "timestamp": at}).to_string();
        Ok(match (frame.kind.as_str(), frame.last) {
            ("completed", true) => {
                let result = data.remove("result").unwrap_or_default();
                vec![text(
                    "execution_completed",
                    json!({"success": true, "result": result, "task_id": self.job_id}),
                )]
            }
            (state, true) => {
                let error = data.remove("error").unwrap_or_default();
                let message = error["message"].as_str().unwrap_or(state).to_owned();
                vec![text(
                    "error",
                    json!({"success": false, "message": message, "state": state, "error": error, "task_id": self.job_id}),
                )]
            }
            ("task_started", _) => vec![text("task_started", Value::Object(data))],
            ("screenshot", _) if self.is_own => vec![text("screenshot", Value::Object(data))],
            ("progress", _) if self.is_own => vec![text("step", Value::Object(data))],
            ("retry", _) => {
                data.insert("action".into(), "retry".into());
                vec![text("step", Value::Object(data))]
            }
            ("step", _) => {
                let name = data.get("name").and_then(Value::as_str).unwrap_or_default().to_owned();
                let Some(mut output) = self.output(&name).await? else { return Ok(Vec::new()) };
                // The state with which another browser resumes is not shown.
                output.remove("state");
                let screenshot = output.get("screenshot").filter(|shot| shot.is_string()).map(|url| {
                    text(
                        "screenshot",
                        json!({"step": output.get("step"), "url": url, "page": output.get("url")}),
                    )
                });
                std::iter::once(text("step", Value::Object(output))).chain(screenshot).collect()
            }
            _ => Vec::new(),
        })
    }

    /// The action of a step of the task; `None` for checkpoints that are not steps.
    async fn output(&mut self, name: &str) -> Result<Option<Map<String, Value>>> {
        if !name.starts_with("step-") {
            return Ok(None);
        }
        if !self.outputs.contains_key(name) {
            for mut step in self.store.steps(self.job_id).await? {
                self.store.redact(step.output.as_mut());
                self.outputs.insert(step.name, step.output.unwrap_or_default());
            }
        }
        Ok(self.outputs.get(name).and_then(Value::as_object).cloned())
    }
}
