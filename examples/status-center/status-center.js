// A status center: shows what goes on in the background, optimistically, from whatever source; and the source for tasks of
// Tidemill. Needs no framework.

const server = new URL(location.href).searchParams.get("server") ?? location.origin;
const center = document.querySelector("#center");
const STAYS = 3000; // milliseconds that something stays after its good end; what failed stays until it is closed
let last = 0;

/** Shows something at once; answers the id for the other two. */
export function addStatus(status) {
  const id = ++last;
  const card = document.createElement("article");
  card.id = `status-${id}`;
  const close = document.createElement("button");
  close.textContent = "×";
  close.ariaLabel = "Dismiss";
  close.addEventListener("click", () => dismissStatus(id));
  card.append(close, document.createElement("h2"), document.createElement("p"));
  center.append(card);
  updateStatus(id, status);
  return id;
}

/** Changes what is said; what is left out stays. */
export function updateStatus(id, { title, description, status, type, picture }) {
  const card = document.querySelector(`#status-${id}`);
  if (!card) return;
  if (title) card.querySelector("h2").textContent = title;
  if (description) card.querySelector("p").textContent = description;
  if (status) card.dataset.status = status;
  if (type) card.dataset.type = type;
  if (picture) {
    const image = card.querySelector("img") ?? card.appendChild(document.createElement("img"));
    URL.revokeObjectURL(image.src);
    image.src = picture;
    image.alt = "The page now";
  }
}

/** Takes it away. */
export function dismissStatus(id) {
  const card = document.querySelector(`#status-${id}`);
  URL.revokeObjectURL(card?.querySelector("img")?.src ?? "");
  card?.remove();
}

/** Has a task done and shows it until its end. */
export async function execute(task, url, key) {
  const id = addStatus({ type: "task", title: task, description: "Sending…", status: "pending" });
  try {
    const body = { task_description: task, session_data: url ? { url, cookies: [], localStorage: {} } : null };
    const headers = { "Content-Type": "application/json", ...authorized(key) };
    const response = await fetch(`${server}/execute`, { method: "POST", headers, body: JSON.stringify(body) });
    const answer = await response.json();
    if (!response.ok) throw new Error(`${answer.detail} ${answer.remedy}`);
    updateStatus(id, { description: answer.message });
    await follow(answer.execution_id, key, (frame) => show(id, frame, key));
    if (document.querySelector(`#status-${id}`)?.dataset.status === "completed") setTimeout(() => dismissStatus(id), STAYS);
  } catch (error) {
    updateStatus(id, { description: error.message, status: "failed" });
  }
}

/** Hands on every frame of a task; comes back when the server asks for that. */
async function follow(executionId, key, onFrame) {
  let seen = 0;
  for (let wait = 500; ; wait = Math.min(wait * 2, 10_000)) {
    const code = await new Promise((resolve) => {
      const address = `${server.replace(/^http/, "ws")}/ws/execution/${encodeURIComponent(executionId)}`;
      const socket = new WebSocket(address, key ? ["tidemill.v1", key] : []);
      let number = 0;
      // Each connection begins at the beginning.
      socket.onmessage = (message) => ++number > seen && ((seen = number), onFrame(JSON.parse(message.data)));
      socket.onclose = (close) => resolve(close.code);
    });
    // Over, gone, or not for this key any more: coming again changes nothing.
    if ([1000, 1001, 1008].includes(code)) return;
    await new Promise((resolve) => setTimeout(resolve, wait));
  }
}

async function show(id, { type, data }, key) {
  if (type === "task_started") updateStatus(id, { description: "Started", status: "processing" });
  if (type === "step") updateStatus(id, { description: `${data.step ?? ""} ${data.tool ?? data.action}: ${data.outcome ?? data.message ?? ""}` });
  if (type === "screenshot") {
    const picture = await fetch(server + data.url, { headers: authorized(key) });
    if (picture.ok) updateStatus(id, { picture: URL.createObjectURL(await picture.blob()) });
  }
  if (type === "execution_completed") updateStatus(id, { description: data.result.answer, status: "completed" });
  if (type === "error") updateStatus(id, { description: data.message, status: "failed" });
}

function authorized(key) {
  return key ? { Authorization: `Bearer ${key}` } : {};
}

document.querySelector("#form").addEventListener("submit", (event) => {
  event.preventDefault();
  const { task, url, key } = Object.fromEntries(new FormData(event.target));
  execute(task, url, key);
});
