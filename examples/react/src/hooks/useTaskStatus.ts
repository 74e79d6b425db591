// The hook of this name comes from the package: the same shape, updated by the job's event stream.

export { useTaskStatus } from "tidemill/react";
