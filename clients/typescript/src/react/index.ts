// The public names of `tidemill/react`: hooks for jobs, and the Status Center.

export type { ActivityOptions } from "../status-center/activity.js";
export {
  StatusCenterProvider,
  type StatusCenterProviderProps,
  type StatusVerbs,
  useStatusCenterContext,
} from "../status-center/context.js";
export { JobLog, type JobLogProps } from "../status-center/job-log.js";
export { LABELS, type Labels } from "../status-center/labels.js";
export { ProgressBar, type ProgressBarProps } from "../status-center/progress-bar.js";
export type { Status, StatusAction, StatusEntry, StatusState, StatusStep } from "../status-center/status.js";
export { StatusCenter, type StatusCenterProps } from "../status-center/status-center.js";
export { TidemillProvider, useLiveJobs, useTidemill } from "./provider.js";
export type { TaskStatus } from "./task-status.js";
export { type UseEnqueue, useEnqueue } from "./use-enqueue.js";
export { type UseJob, type UseJobOptions, useJob } from "./use-job.js";
export { type LogLine, type UseJobLog, type UseJobLogOptions, useJobLog } from "./use-job-log.js";
export { type UseJobs, type UseJobsOptions, useJobs } from "./use-jobs.js";
export { type UseTaskStatusOptions, useTaskStatus } from "./use-task-status.js";
