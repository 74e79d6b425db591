// The public names of `tidemill/live`: jobs that a page watches over the one stream that its origin's tabs share.

export { type LiveJobs, liveJobs } from "./live-jobs.js";
export type { Connection, JobView, WatchOptions } from "./view.js";
