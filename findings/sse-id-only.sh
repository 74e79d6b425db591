# httpx-sse 0.4.3 and @microsoft/fetch-event-source 2.0.1 report an event with empty data for a frame that has only `id: 9` (no event by the standard); eventsource 4.1.1 and eventsource-client 1.2.0 reconnect with the id before it (1), where the standard says 9
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --disable-pip-version-check httpx==0.28.1 httpx-sse==0.4.3
(cd "$folder" && npm init -y >/dev/null && npm install --silent --no-audit --no-fund eventsource@4.1.1 eventsource-client@1.2.0 @microsoft/fetch-event-source@2.0.1)
cat > "$folder/expected" <<'END'
httpx-sse            data ["one", ""]
fetch-event-source   data ["one",""]
eventsource          data ["one","one"] Last-Event-ID 1
eventsource-client   data ["one","one"] Last-Event-ID 1
END
cat > "$folder/httpx_sse_reads.py" <<'END'
import json, sys, httpx, httpx_sse
with httpx.Client() as client, httpx_sse.connect_sse(client, "GET", sys.argv[1]) as source:
    print("httpx-sse            data", json.dumps([event.data for event in source.iter_sse()]))
END
cat > "$folder/reads.mjs" <<'END'
import { execFile } from 'node:child_process';
import http from 'node:http';
import { promisify } from 'node:util';
import { fetchEventSource } from '@microsoft/fetch-event-source';
import { EventSource } from 'eventsource';
import { createEventSource } from 'eventsource-client';

const positions = {};
const server = http.createServer((request, answer) => {
  (positions[request.url] ??= []).push(request.headers['last-event-id']);
  answer.writeHead(200, { 'Content-Type': 'text/event-stream' });
  answer.end('retry: 100\nid: 1\ndata: one\n\nid: 9\n\n');
}).listen(0, '127.0.0.1');
await new Promise(done => server.once('listening', done));
const url = name => `http://127.0.0.1:${server.address().port}/${name}`;
const show = (name, data, path) =>
  console.log(name.padEnd(20), 'data', JSON.stringify(data), ...(path ? ['Last-Event-ID', positions[path][1]] : []));

process.stdout.write((await promisify(execFile)(process.argv[2], [process.argv[3], url('python')])).stdout);

// What it asks of a browser.
globalThis.window = globalThis;
globalThis.document = { hidden: false, addEventListener() {}, removeEventListener() {} };
const seen = [];
await fetchEventSource(url('fetch'), { openWhenHidden: true, onmessage: event => seen.push(event.data) });
show('fetch-event-source', seen);

const twice = open => new Promise(done => {
  const data = [];
  const source = open(text => {
    data.push(text);
    if (data.length === 2) { source.close(); done(data); }
  });
});
show('eventsource', await twice(got => {
  const source = new EventSource(url('standard'));
  source.onmessage = event => got(event.data);
  return source;
}), '/standard');
show('eventsource-client', await twice(got => createEventSource({ url: url('client'), onMessage: event => got(event.data) })), '/client');
process.exit(0);
END
(cd "$folder" && node reads.mjs "$folder/venv/bin/python" "$folder/httpx_sse_reads.py") | tee "$folder/seen"
diff "$folder/expected" "$folder/seen" && echo "as in the first line"
