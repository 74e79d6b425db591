//! The session of a handler's work: its state under a name that the caller chose, kept for the
//! requested time. The database checks the lease, as at all writes of an attempt.

use super::Context;
use crate::job::session::SessionNote;
use crate::job::text::storable_text;
use crate::worker::handler::JobError;

/// The most sessions that are removed at once.
const A_ROUND: i32 = 1_000;

impl Context {
    /// Reports the state of a session, such as that of a crawl: it can be read at
    /// `/api/v1/sessions/{session_id}` or in the view `session_status`.
    ///
    /// # Errors
    /// When the database fails or the lease is lost; a session of another job is a permanent failure.
    pub async fn note_session(&self, session_id: &str, note: &SessionNote) -> Result<(), JobError> {
        let Some(store) = self.stored() else { return Ok(()) };
        let note = SessionNote { error: note.error.clone().map(storable_text), ..note.clone() };
        match self.answered("session", || store.note_session(self.lease(), session_id, &note)).await {
            Ok(true) => Ok(()),
            Ok(false) => Err(JobError::lost()),
            Err(error) => match error.refusal() {
                Some((message, _)) => Err(JobError::permanent(message.to_owned()).class("bad_args")),
                None => Err(error.into()),
            },
        }
    }

    /// Removes all expired sessions and returns their number.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn clear_sessions(&self) -> Result<i64, JobError> {
        let store = self.store()?;
        let mut all = 0;
        loop {
            let gone = self.answered("sessions", || store.clear_sessions(A_ROUND)).await?;
            all += i64::from(gone);
            if gone < A_ROUND {
                return Ok(all);
            }
        }
    }
}
