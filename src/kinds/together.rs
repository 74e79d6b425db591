//! Programs of a handler that are stopped together with the worker, as by a service manager that
//! signals all its processes: an error from that is not a failure of the job.

use std::time::Duration;

use crate::worker::context::Context;
use crate::worker::handler::JobError;

/// How long the program's end may precede the worker's receipt of a signal that was meant for both.
const APART: Duration = Duration::from_secs(1);

/// The outcome of an attempt: handed back if it failed because its program ended, as `of_program` decides,
/// while its worker was asked to end.
///
/// # Errors
/// Those of the attempt, or that it was handed back.
pub async fn unless_stopped<T>(
    context: &Context,
    ended: Result<T, JobError>,
    of_program: impl FnOnce(&JobError) -> bool,
) -> Result<T, JobError> {
    match ended {
        Err(error) if !error.is_permanent() && !error.is_pause() && of_program(&error) => {
            match context.leaves_within(APART).await {
                Some(_) => Err(JobError::handed_back(format!("stopped together with its worker: {error}"))),
                None => Err(error),
            }
        }
        ended => ended,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::worker::context::Attempt;

    #[tokio::test]
    async fn only_what_failed_for_want_of_its_program_beside_a_worker_that_ends_is_handed_back() {
        let (context, probe) = Context::for_test(Attempt::for_test("test", json!({})));
        let died = || Err::<(), _>(JobError::retry("it died").class("browser"));
        let of_browser = |error: &JobError| error.is_of("browser");
        assert_eq!(unless_stopped(&context, died(), of_browser).await, died(), "its worker goes on");
        probe.leave();
        assert!(unless_stopped(&context, died(), of_browser).await.unwrap_err().is_pause());
        let other = || Err::<(), _>(JobError::retry("the page is odd"));
        assert_eq!(unless_stopped(&context, other(), of_browser).await, other());
        let final_one = || Err::<(), _>(JobError::permanent("no").class("browser"));
        assert_eq!(unless_stopped(&context, final_one(), of_browser).await, final_one());
    }
}
