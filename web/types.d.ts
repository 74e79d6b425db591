// The types that several files of the dashboard share, beside those of the API in api.d.ts. Read by tsc alone; must never be
// served.

/** What a component can draw. */
type Child = import("preact").ComponentChildren;
type Problem = import("./lib/api.js").Problem;
/** A job as the page holds it: `seen_at` is the time of the last snapshot of its stream. */
type Job = Api.JobDocument & { seen_at?: string; error?: JobError | null };
type JobError = { type?: string; message?: string; permanent?: boolean; parent_id?: string };
type Schedule = Api.ScheduleDocument & { job: { kind: string; queue?: string | null; args?: unknown } };
type Items<T> = { items: T[]; next_cursor?: string | null };
/** One event of a stream; what it carries depends on its type. */
type Frame = { type: string; id?: string | null; data: EventData };
type EventData = {
  seq: number;
  at: string;
  attempt: number;
  job_id: string;
  [field: string]: any;
};

type Navigate = (address: string, state?: unknown) => void;
type PageProps = { params: { name: string }; query: URLSearchParams; navigate: Navigate };
type PageOf = (props: PageProps) => Child;
/** A page of pages/table.js. */
type PageEntry = { path: string; word?: string; needs?: string; hasOwnQuery?: boolean; load: () => Promise<{ Page: PageOf }> };

/** What `useLive` returns. */
type Live<T> = { data: T | null; problem: Problem | null; reading: boolean; refresh: () => void };
type Column<T> = { word: string; cell: (row: T) => Child; width?: string; end?: boolean; main?: boolean };
/** The outcome of an act: what the server answered, or its refusal. */
type Outcome = { onDone: (answer?: any) => void; onProblem: (problem: any) => void };
type Confirmation = { title: string; text: string; action: string; danger?: boolean; keep?: string };
type Filter = Record<string, string | null | undefined>;
type OperationRequest = { action: string; filter?: Filter; all?: boolean; queue?: string; priority?: number; rate?: string };
/** A preview by several calls; the next one goes on after `looked_to`. */
type WholePreview = Api.OperationPreview;

/** Events of forms and fields, whose target is known. */
type Submitted = Event & { target: HTMLFormElement };
type Changed = Event & { target: HTMLInputElement };

type ConnectionState = "connecting" | "live" | "reconnecting" | "paused" | "ended" | "refused" | "idle" | "locked";
type Heard = (state: ConnectionState, problem?: Partial<Problem> | Error | string | null) => void;

interface JSON {
  parse(text: string, reviver: (key: string, value: unknown, context?: { source: string }) => unknown): any;
  rawJSON?(text: string): unknown;
  isRawJSON?(value: unknown): boolean;
}
interface Intl {
  supportedValuesOf?(key: string): string[];
}

/** The style of text in a log: colours as numbers of the 16, and flags. */
type Style = { fg: number | null; bg: number | null; bold: boolean; dim: boolean; italic: boolean; underline: boolean; strike: boolean; inverse: boolean };
type Run = { text: string; classes: string };
type LogEvent = { at: string; attempt: number; stream?: string; line?: string; text?: string };
type LogLine = { at: string; stream: string; text: string; style: Style; attempt: number | null };
/** A line of a log, by its block and its place in it. */
type Place = { block: LogLine[]; index: number };
/** What the timeline of a job shows of one event. */
type Entry = { at: string; title: string; text: string; tone: string; icon: string; ahead?: boolean };
