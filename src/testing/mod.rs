//! For the tests of library users: a Tidemill for one test, which runs jobs and advances time on
//! request. Runs the real engine on a real Postgres; must never mock anything.
//!
//! # Examples
//!
//! ```no_run
//! use std::time::Duration;
//! use tidemill::testing::{TestError, TestMill};
//! use tidemill::{Handler, NewJob};
//!
//! /// A reminder waits for its day, and is sent then.
//! async fn a_reminder_is_sent_after_a_week(remind: impl Handler) -> Result<(), TestError> {
//!     let mill = TestMill::start().await?;
//!     let week = Duration::from_hours(7 * 24);
//!     mill.enqueue(NewJob { delay: Some(week), ..NewJob::new("remind", Default::default()) }).await?;
//!     mill.advance(week).await?;
//!     let drained = mill.drain(|worker| worker.handler(remind)).await?;
//!     assert_eq!((drained.completed, drained.left), (1, 0));
//!     mill.finish().await
//! }
//! ```

mod drain;
mod error;
mod mill;
mod now;

pub use self::drain::Drained;
pub use self::error::TestError;
pub use self::mill::TestMill;
