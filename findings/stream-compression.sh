# webpack-dev-server 5.2.7 (by default) and Express' compression 1.8.2 hold back a text/event-stream, head included, unless it says no-transform; Django 5.2.19's GZipMiddleware holds it back to its end with no-transform too and leaves it alone with Content-Encoding: identity; Starlette 1.10.0 and Flask-Compress 1.25 do not touch it
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --disable-pip-version-check Django==5.2.19 starlette==1.10.0 uvicorn==0.54.0 Flask==3.1.3 Flask-Compress==1.25
(cd "$folder" && npm init -y >/dev/null && npm install --silent --no-audit --no-fund \
  webpack@5.113.0 webpack-dev-server@5.2.7 express@5.3.0 compression@1.8.2)
cat > "$folder/expected" <<'END'
express compression    plain: held back   no-transform: live        identity: held back
webpack-dev-server     plain: held back   no-transform: live        identity: held back
django                 plain: held back   no-transform: held back   identity: live
starlette              plain: live        no-transform: live        identity: live
flask-compress         plain: live        no-transform: live        identity: live
END
mkdir "$folder/site"
echo > "$folder/site/main.js"
cat > "$folder/servers.py" <<'END'
import json, socket, threading, time
from socketserver import ThreadingMixIn
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server
import uvicorn, django
from django.conf import settings
from flask import Flask, Response
from flask_compress import Compress
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.responses import StreamingResponse
from starlette.routing import Route

HEADERS = {"plain": {}, "no-transform": {"Cache-Control": "no-store, no-transform"}, "identity": {"Content-Encoding": "identity"}}

def events():
    for number in range(6):
        yield f"data: {number}\n\n".encode()
        time.sleep(0.5)

class Quiet(WSGIRequestHandler):
    def log_message(self, *_):
        pass

class Threads(ThreadingMixIn, WSGIServer):
    daemon_threads = True

def wsgi(app):
    server = make_server("127.0.0.1", 0, app, Threads, Quiet)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server.server_address[1]

def asgi(app):
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(app, log_level="error"))
    threading.Thread(target=server.run, args=([listener],), daemon=True).start()
    while not server.started:
        time.sleep(0.05)
    return listener.getsockname()[1]

settings.configure(ROOT_URLCONF=__name__, MIDDLEWARE=["django.middleware.gzip.GZipMiddleware"], ALLOWED_HOSTS=["*"], SECRET_KEY="demo")
django.setup()
from django.core.wsgi import get_wsgi_application
from django.http import StreamingHttpResponse
from django.urls import path
urlpatterns = [path("<name>", lambda request, name: StreamingHttpResponse(events(), content_type="text/event-stream", headers=HEADERS[name]))]

flask = Flask("demo")
Compress(flask)
flask.add_url_rule("/<name>", "stream", lambda name: Response(events(), mimetype="text/event-stream", headers=HEADERS[name]))

async def starlette_stream(request):
    return StreamingResponse(events(), media_type="text/event-stream", headers=HEADERS[request.path_params["name"]])

print(json.dumps({
    "django": wsgi(get_wsgi_application()),
    "starlette": asgi(Starlette(routes=[Route("/{name}", starlette_stream)], middleware=[Middleware(GZipMiddleware)])),
    "flask-compress": wsgi(flask),
}), flush=True)
time.sleep(60)
END
cat > "$folder/read.mjs" <<'END'
import { spawn } from 'node:child_process';
import http from 'node:http';
import zlib from 'node:zlib';
import compression from 'compression';
import express from 'express';
import webpack from 'webpack';
import WebpackDevServer from 'webpack-dev-server';

const headers = { plain: {}, 'no-transform': { 'Cache-Control': 'no-store, no-transform' }, identity: { 'Content-Encoding': 'identity' } };
const stream = (request, answer) => {
  answer.writeHead(200, { 'Content-Type': 'text/event-stream', ...headers[request.url.slice(1)] });
  let number = 0;
  const timer = setInterval(() => (number < 6 ? answer.write(`data: ${number++}\n\n`) : (clearInterval(timer), answer.end())), 500);
};
const app = express().use(compression()).use(stream);
const plain = await new Promise(done => { const server = app.listen(0, '127.0.0.1', () => done(server)); });
const compiler = webpack({ mode: 'development', entry: './site/main.js', stats: 'none', infrastructureLogging: { level: 'none' } });
const wds = new WebpackDevServer({
  host: '127.0.0.1', port: 'auto', hot: false, client: false,
  setupMiddlewares: middlewares => [...middlewares, { name: 'stream', middleware: stream }],
}, compiler);
await wds.start();
const python = spawn(process.argv[2], ['servers.py'], { stdio: ['ignore', 'pipe', 'inherit'] });
const ports = {
  'express compression': plain.address().port,
  'webpack-dev-server': wds.server.address().port,
  ...JSON.parse(await new Promise(done => python.stdout.once('data', done))),
};

// Live is a stream whose first event is there before its last one is sent.
const look = (port, name) => new Promise(done => {
  const request = http.get({ host: '127.0.0.1', port, path: `/${name}`, headers: { 'Accept-Encoding': 'gzip' } }, answer => {
    const text = answer.headers['content-encoding'] === 'gzip' ? answer.pipe(zlib.createGunzip()) : answer;
    text.on('error', () => {});
    text.once('data', () => { done('live'); request.destroy(); });
  });
  request.on('error', () => {});
  setTimeout(() => { done('held back'); request.destroy(); }, 2000);
});
for (const [name, port] of Object.entries(ports)) {
  const seen = await Promise.all(Object.keys(headers).map(async header => `${header}: ${await look(port, header)}`));
  console.log(name.padEnd(22), seen[0].padEnd(18), seen[1].padEnd(25), seen[2]);
}
python.kill();
process.exit(0);
END
(cd "$folder" && node read.mjs "$folder/venv/bin/python") | tee "$folder/seen"
diff "$folder/expected" "$folder/seen" && echo "as in the first line"
