// The status of a task as `GET /api/orchestration/task-status/{task_id}` answers it.

/** The state of a task. */
export interface TaskStatus {
  task_id: string;
  /** PENDING, BUILDING, RUNNING, SUCCESS, FAILURE or REVOKED. */
  state: string;
  /** True if it has ended. */
  ready: boolean;
  /** A description of the current step, for a person. */
  status: string;
  /** From 0 to 100. */
  progress: number;
  // biome-ignore lint/suspicious/noExplicitAny: whatever the task gave back
  result?: any;
  error?: string;
}
