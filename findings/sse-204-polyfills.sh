# reconnecting-eventsource 1.6.5 and event-source-polyfill 1.0.31 come back after an answer of 204, which ends an EventSource by the standard (eventsource 4.1.1 closes); both then send their position as ?lastEventId=1 and no Last-Event-ID header
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
(cd "$folder" && npm init -y >/dev/null && npm install --silent --no-audit --no-fund eventsource@4.1.1 reconnecting-eventsource@1.6.5 event-source-polyfill@1.0.31)
cat > "$folder/expected" <<'END'
eventsource                1: no position   2: header 1      state 2
reconnecting-eventsource   1: no position   2: header 1      3: query 1
event-source-polyfill      1: no position   2: query 1       3: query 1
END
cat > "$folder/reads.mjs" <<'END'
import http from 'node:http';
import { EventSource } from 'eventsource';
import polyfill from 'event-source-polyfill';
import reconnecting from 'reconnecting-eventsource';

const seen = {};
const waiting = {};
const server = http.createServer((request, answer) => {
  const { pathname, searchParams } = new URL(request.url, 'http://localhost');
  const requests = seen[pathname] ??= [];
  const [header, query] = [request.headers['last-event-id'], searchParams.get('lastEventId')];
  requests.push(header ? `header ${header}` : query ? `query ${query}` : 'no position');
  if (requests.length === 1) {
    answer.writeHead(200, { 'Content-Type': 'text/event-stream' });
    answer.end('retry: 200\nid: 1\nevent: completed\ndata: {}\n\n');
  } else {
    answer.writeHead(204).end();
  }
  if (requests.length === 3) waiting[pathname]?.();
}).listen(0, '127.0.0.1');
await new Promise(done => server.once('listening', done));
const url = name => `http://127.0.0.1:${server.address().port}/${name}`;
// The polyfill rejects a promise of its own where an answer has no body.
process.on('unhandledRejection', () => {});

const standard = new EventSource(url('standard'));
await new Promise(done => standard.addEventListener('error', () => standard.readyState === 2 && done()));
const third = name => new Promise(done => { waiting[`/${name}`] = done; });
const show = (name, path, end) =>
  console.log(name.padEnd(26), seen[path].slice(0, 3).map((text, n) => `${n + 1}: ${text}`.padEnd(17)).join('').trimEnd().padEnd(end ? 34 : 0) + (end ?? ''));
show('eventsource', '/standard', `state ${standard.readyState}`);

const Reconnecting = reconnecting.default ?? reconnecting;
new Reconnecting(url('reconnecting'), { eventSourceClass: EventSource, max_retry_time: 200 })
  .addEventListener('completed', () => {});
await third('reconnecting');
show('reconnecting-eventsource', '/reconnecting');

new polyfill.EventSourcePolyfill(url('polyfill'));
await third('polyfill');
show('event-source-polyfill', '/polyfill');
process.exit(0);
END
(cd "$folder" && node reads.mjs 2>/dev/null) | tee "$folder/seen"
diff "$folder/expected" "$folder/seen" && echo "as in the first line"
