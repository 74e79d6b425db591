// The page of the API keys: who may do what, since when, and the form that makes one. Must show a new key once, and keep
// it nowhere.

import { CopyButton } from "../components/copy-button.js";
import { call, signIn } from "../lib/api.js";
import { whoAmI } from "../lib/role.js";
import { DataTable } from "../ui/data-table.js";
import { EditForm, field, textIn } from "../ui/edit-form.js";
import { html, useState } from "../ui/html.js";
import { useResource } from "../ui/live.js";
import { ActionButton, Empty, Moment, NeedsScope, PageHead, ProblemBox, Shown, Tag } from "../ui/parts.js";

const SCOPES = {
  read: "read everything",
  enqueue: "enqueue jobs; cancel, retry and change single ones",
  work: "run jobs as a remote worker",
  admin: "everything, and all acts on many jobs, queues and settings",
};

export function Page() {
  /** @type {Live<Items<Api.KeyDocument>>} */
  const live = useResource("/keys");
  const [open, setOpen] = useState(false);
  const [made, setMade] = useState(/** @type {(Api.CreatedKey & { isFirst: boolean }) | null} */ (null));
  const [problem, setProblem] = useState(/** @type {Problem | null} */ (null));
  /** @param {Api.CreatedKey} key */
  const created = async (key) => {
    // The first key shuts the server, also for this browser.
    const isFirst = !whoAmI()?.has_key;
    if (isFirst) await signIn(key.key).catch(() => {}); // then it is asked for
    setOpen(false);
    setMade({ ...key, isFirst });
    live.refresh();
  };
  return html`<div class="page">
    <${PageHead} title="API keys" live=${live}>
      <${NeedsScope} scope="admin"><button type="button" onClick=${() => (setOpen(true), setMade(null))}>New key</button></${NeedsScope}>
    </${PageHead}>
    ${made && html`<${NewKey} made=${made} />`}
    ${open && html`<${KeyForm} onCreated=${created} onLeft=${() => setOpen(false)} />`}
    <${ProblemBox} problem=${problem} />
    <${Shown} live=${live}>${/** @param {Items<Api.KeyDocument>} page */ ({ items }) => items.length === 0
      ? html`<${Empty} title="No keys"><p>Every caller that reaches this server may do everything. Once a key exists, every request needs one.</p></${Empty}>`
      : html`<${Keys} rows=${items} onDone=${live.refresh} onProblem=${setProblem} />`}</${Shown}>
    <section class="panel"><h2>Tokens for browsers</h2>
      <p>A key with the scope enqueue makes short-lived tokens (<code>POST /api/v1/tokens</code>) that reach one job, or the jobs of one owner. They are stored nowhere: a token ends with its time, or when its key is revoked here.</p>
    </section>
  </div>`;
}

/** @param {{ made: Api.CreatedKey & { isFirst: boolean } }} props */
function NewKey({ made }) {
  return html`<section class="panel" role="status"><h2>The key ${made.name}</h2>
    <p>It is shown only once. Copy it now.${made.isFirst && " From now on every request needs a key; this tab uses this one."}</p>
    <div class="code-box"><pre>${made.key}</pre><${CopyButton} text=${made.key} /></div></section>`;
}

/** @param {{ rows: Api.KeyDocument[] } & Outcome} props */
function Keys({ rows, onDone, onProblem }) {
  /** @type {Column<Api.KeyDocument>[]} */
  const columns = [
    { word: "Key", main: true, cell: (key) => html`<span title=${`${key.name} ${key.id}`}>${key.name || key.id}</span>${key.is_mine && html` <${Tag} title="The key of this tab">yours</${Tag}>`}` },
    { word: "Scopes", width: "180px", cell: (key) => html`<span title=${key.scopes.join(", ")}>${key.scopes.join(", ")}</span>` },
    { word: "State", width: "110px", cell: (key) => html`<${State} row=${key} />` },
    { word: "Last used", width: "120px", cell: (key) => html`<${Moment} at=${key.last_used_at} none="never" />` },
    { word: "Expires", width: "120px", cell: (key) => html`<${Moment} at=${key.expires_at} none="never" />` },
    { word: "Created", width: "120px", cell: (key) => html`<${Moment} at=${key.created_at} />` },
    {
      word: "", width: "110px", end: true, cell: (key) => key.usable && html`<${ActionButton} class="quiet" needs="admin" aria-label=${`Revoke ${key.name || key.id}`} onDone=${onDone} onProblem=${onProblem}
        confirm=${{ title: `Revoke ${key.name || key.id}?`, text: key.is_mine ? "It is the key of this tab: you are signed out at once." : "Whoever uses it is refused at once here, and within two seconds by other servers. A key does not come back.", action: "Revoke key", danger: true }}
        act=${() => call("DELETE", `/keys/${encodeURIComponent(key.id)}`)}>Revoke</${ActionButton}>`,
    },
  ];
  return html`<${DataTable} caption="API keys" columns=${columns} rows=${rows} keyOf=${/** @param {Api.KeyDocument} key */ (key) => key.id} />`;
}

/** @param {{ row: Api.KeyDocument }} props */
function State({ row }) {
  if (row.usable) return html`<${Tag} tone="good">usable</${Tag}>`;
  return html`<${Tag}>${row.revoked_at ? "revoked" : "expired"}</${Tag}>`;
}

/** @param {{ onCreated: (key: Api.CreatedKey) => void, onLeft: () => void }} props */
function KeyForm({ onCreated, onLeft }) {
  const create = async (/** @type {FormData} */ given) => {
    const body = { name: textIn(given, "name"), scopes: given.getAll("scope"), expires_in: textIn(given, "expires_in") || undefined };
    onCreated(await call("POST", "/keys", { body }));
  };
  return html`<${EditForm} title="New key" button="Create key" save=${create} onLeft=${onLeft}>
    <div class="fields">
      ${field("name", "Name", "", { required: true, maxlength: 100, autofocus: true, placeholder: "who uses it" })}
      ${field("expires_in", "Valid for", "", { placeholder: "ever, or 90d" })}
    </div>
    <fieldset class="choices"><legend class="offscreen">Scopes</legend>${Object.entries(SCOPES).map(([scope, meaning]) => html`<label class="choice"><input type="checkbox" name="scope" value=${scope} />
      <span><strong>${scope}</strong><br /><span class="small muted">${meaning}</span></span></label>`)}</fieldset>
  </${EditForm}>`;
}
