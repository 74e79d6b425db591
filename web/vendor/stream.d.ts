export { follow } from "../../clients/typescript/src/core/stream.js";
export { backoff, pause } from "../../clients/typescript/src/core/pause.js";
