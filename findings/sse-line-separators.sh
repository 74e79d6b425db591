# requests 2.34.2 and httpx 0.28.1: iter_lines cuts a line of an event stream at U+2028 and U+0085 (which JSON need not escape), requests reads a text/event-stream without charset as ISO-8859-1; httpx-sse 0.4.3 and sseclient-py 1.9.0 do neither
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --disable-pip-version-check requests==2.34.2 httpx==0.28.1 httpx-sse==0.4.3 sseclient-py==1.9.0
cat > "$folder/expected" <<'END'
requests.iter_lines, UTF-8 named ["data: \"", "", "ü\""]
requests.iter_lines              ["data: \"â\u0080¨Â", "Ã¼\""]
httpx.iter_lines                 ["data: \"", "", "ü\""]
httpx-sse                        ["\"\u2028\u0085ü\""]
sseclient-py                     ["\"\u2028\u0085ü\""]
END
"$folder/venv/bin/python" - <<'END' | tee "$folder/seen"
import json, threading
from http.server import BaseHTTPRequestHandler, HTTPServer
import httpx, httpx_sse, requests, sseclient

class Stream(BaseHTTPRequestHandler):
    def log_message(self, *_):
        pass
    def do_GET(self):
        charset = "; charset=utf-8" if self.path == "/named" else ""
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream" + charset)
        self.end_headers()
        self.wfile.write('data: "\u2028\u0085ü"\n\n'.encode())

server = HTTPServer(("127.0.0.1", 0), Stream)
threading.Thread(target=server.serve_forever, daemon=True).start()
url = f"http://127.0.0.1:{server.server_address[1]}/"
def show(name, lines):
    text = json.dumps([line for line in lines if line or name.endswith("named") or name.startswith("httpx.")][:3], ensure_ascii=False)
    print(f"{name:32}", text.replace("\u2028", "\\u2028").replace("\u0085", "\\u0085").replace("\u0080", "\\u0080"))
show("requests.iter_lines, UTF-8 named", requests.get(url + "named", stream=True).iter_lines(decode_unicode=True))
show("requests.iter_lines", requests.get(url, stream=True).iter_lines(decode_unicode=True))
with httpx.stream("GET", url) as answer:
    show("httpx.iter_lines", answer.iter_lines())
with httpx.Client() as client, httpx_sse.connect_sse(client, "GET", url) as source:
    show("httpx-sse", [event.data for event in source.iter_sse()])
show("sseclient-py", [event.data for event in sseclient.SSEClient(requests.get(url, stream=True)).events()])
END
diff "$folder/expected" "$folder/seen" && echo "as in the first line"
