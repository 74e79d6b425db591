//! Events of jobs, page by page or as a stream. Must never send an event before it is committed.

pub mod cursor;
pub mod feed;
pub mod feed_stream;
pub mod frame;
pub mod job_feed;
pub mod job_stream;
pub mod multi_stream;
pub(crate) mod poller;
pub mod routes;
pub mod sse;
pub mod stream_limits;
pub(crate) mod watch_board;
pub mod watchers;
