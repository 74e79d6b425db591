//! For the tests of library users: a Tidemill for one test, which runs jobs and advances time on
//! request. Runs the real engine on a real Postgres; must never mock anything.

mod drain;
mod error;
mod mill;
mod now;

pub use self::drain::Drained;
pub use self::error::TestError;
pub use self::mill::TestMill;
