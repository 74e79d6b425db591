// The public names of `tidemill/react`: hooks for jobs, and the Status Center.

export { TidemillProvider, useLiveJobs, useTidemill } from "./provider.js";
export { type UseEnqueue, useEnqueue } from "./use-enqueue.js";
export { type UseJob, type UseJobOptions, useJob } from "./use-job.js";
export { type LogLine, type UseJobLog, type UseJobLogOptions, useJobLog } from "./use-job-log.js";
export { type UseJobs, type UseJobsOptions, useJobs } from "./use-jobs.js";
export { type TaskStatus, type UseTaskStatusOptions, useTaskStatus } from "./use-task-status.js";
