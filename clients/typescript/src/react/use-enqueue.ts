// Enqueues a job and follows it. Must never enqueue the same submit twice: retries use the same idempotency key.

import { useCallback, useRef, useState } from "react";
import { type EnqueueOptions, type Job, randomKey, TidemillError } from "../core/index.js";
import { useTidemill } from "./provider.js";
import { type UseJob, type UseJobOptions, useJob } from "./use-job.js";

export interface UseEnqueue<Args, Result> extends Omit<UseJob<Args, Result>, "retry"> {
  /** Enqueues and returns the job. Each call enqueues a new job; the hook follows the newest. */
  enqueue(args?: Args, options?: EnqueueOptions): Promise<Job<Args, Result>>;
  /** Repeats the last enqueue, which failed, with the same idempotency key. */
  tryAgain(): Promise<Job<Args, Result>>;
  /** True until the server has answered. */
  pending: boolean;
  /** Forgets the job and the error. */
  reset(): void;
}

/** Enqueues jobs of a kind, with options that are the same for all. */
export function useEnqueue<Args extends Record<string, unknown> = Record<string, unknown>, Result = unknown>(
  kind: string,
  defaults?: EnqueueOptions & Pick<UseJobOptions<Args, Result>, "onFinish">,
): UseEnqueue<Args, Result> {
  const client = useTidemill();
  const [state, setState] = useState<{ job: Job<Args, Result> | null; pending: boolean; error: TidemillError | null }>(
    IDLE,
  );
  const last = useRef<{ args: Args | undefined; options: EnqueueOptions } | null>(null);
  const given = useRef(defaults);
  given.current = defaults;

  const send = useCallback(async () => {
    const sent = last.current;
    if (!sent) throw new TidemillError("There is nothing to send again: call enqueue first.");
    setState((known) => ({ ...known, pending: true, error: null }));
    try {
      const job = (await client.enqueue(kind, sent.args, sent.options)) as Job<Args, Result>;
      if (last.current === sent) setState({ job, pending: false, error: null });
      return job;
    } catch (error) {
      if (last.current === sent) setState({ job: null, pending: false, error: error as TidemillError });
      throw error;
    }
  }, [client, kind]);

  const enqueue = useCallback(
    (args?: Args, options: EnqueueOptions = {}) => {
      const { onFinish: _, ...rest } = given.current ?? {};
      last.current = { args, options: { idempotencyKey: randomKey(), ...rest, ...options } };
      return send();
    },
    [send],
  );
  const reset = useCallback(() => {
    last.current = null;
    setState(IDLE);
  }, []);
  const { retry: _, ...followed } = useJob<Args, Result>(state.job?.id, {
    initial: state.job,
    ...(defaults?.onFinish && { onFinish: defaults.onFinish }),
  });
  return { ...followed, enqueue, tryAgain: send, reset, pending: state.pending, error: state.error ?? followed.error };
}

const IDLE = { job: null, pending: false, error: null };
