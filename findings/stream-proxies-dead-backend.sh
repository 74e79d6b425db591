# vite 8.4.0, webpack-dev-server 5.2.7, http-proxy-middleware 3.0.11: when the server behind their proxy is killed in the middle of an event stream, the browser's side stays open and silent (seen for 10 s); a direct reader gets ECONNRESET at once
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
(cd "$folder" && npm init -y >/dev/null && npm install --silent --no-audit --no-fund \
  vite@8.4.0 webpack@5.113.0 webpack-dev-server@5.2.7 express@5.3.0 http-proxy-middleware@3.0.11)
cat > "$folder/expected" <<'END'
direct                 ECONNRESET
vite                   open
webpack-dev-server     open
http-proxy-middleware  open
END
mkdir "$folder/site"
echo > "$folder/site/main.js"
cat > "$folder/backend.cjs" <<'END'
const http = require('node:http');
http.createServer((request, answer) => {
  answer.writeHead(200, { 'Content-Type': 'text/event-stream', 'Cache-Control': 'no-store, no-transform' });
  setInterval(() => answer.write('data: alive\n\n'), 200);
}).listen(0, '127.0.0.1', function () { console.log(this.address().port); });
END
cat > "$folder/watch.mjs" <<'END'
import { spawn } from 'node:child_process';
import http from 'node:http';
import express from 'express';
import { createProxyMiddleware } from 'http-proxy-middleware';
import { createServer } from 'vite';
import webpack from 'webpack';
import WebpackDevServer from 'webpack-dev-server';

const backend = spawn(process.execPath, ['backend.cjs']);
const port = Number(await new Promise(done => backend.stdout.once('data', done)));
const target = `http://127.0.0.1:${port}`;

const vite = await createServer({ root: 'site', logLevel: 'silent', server: { host: '127.0.0.1', port: 0, proxy: { '/api': { target, changeOrigin: true } } } });
await vite.listen();
const compiler = webpack({ mode: 'development', entry: './site/main.js', stats: 'none', infrastructureLogging: { level: 'none' } });
const wds = new WebpackDevServer({ host: '127.0.0.1', port: 'auto', hot: false, client: false, proxy: [{ context: ['/api'], target }] }, compiler);
await wds.start();
const app = express().use(createProxyMiddleware({ target, changeOrigin: true }));
const plain = await new Promise(done => { const server = app.listen(0, '127.0.0.1', () => done(server)); });

const ports = {
  direct: port,
  vite: vite.httpServer.address().port,
  'webpack-dev-server': wds.server.address().port,
  'http-proxy-middleware': plain.address().port,
};
const ends = {};
await Promise.all(Object.entries(ports).map(([name, port]) => new Promise(read => {
  ends[name] = 'open';
  http.get({ host: '127.0.0.1', port, path: '/api/stream' }, answer => {
    answer.on('error', error => { ends[name] = error.code; });
    answer.on('end', () => { ends[name] = 'ended'; });
    answer.once('data', read);
    answer.resume();
  });
})));
backend.kill('SIGKILL');
await new Promise(done => setTimeout(done, 10_000));
for (const [name, end] of Object.entries(ends)) console.log(name.padEnd(22), end);
process.exit(0);
END
(cd "$folder" && node watch.mjs) | tee "$folder/seen"
diff "$folder/expected" "$folder/seen" && echo "as in the first line"
