// Real proxies with the files of deploy/proxies, only their ports, names and paths changed.

import { spawn } from "node:child_process";
import { accessSync, constants } from "node:fs";
import { chmod, mkdir, readFile, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { delimiter, join } from "node:path";
import { fileURLToPath } from "node:url";

const CONFIGS = fileURLToPath(new URL("../../deploy/proxies/", import.meta.url));
const START = 30_000; // milliseconds

export function freePort() {
  return new Promise((resolve, reject) => {
    const server = createServer().on("error", reject);
    server.listen(0, "127.0.0.1", () => {
      const { port } = server.address();
      server.close(() => resolve(port));
    });
  });
}

/** The program's path, or nothing where it is not installed. */
function find(program) {
  const folders = [...(process.env.PATH ?? "").split(delimiter), "/usr/sbin", "/sbin"];
  return folders.map((folder) => join(folder, program)).find((path) => {
    try {
      accessSync(path, constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}

// What stands around the file: how it is run without root and without the system's own configuration.
const MODULES = "/usr/lib/apache2/modules";
const APACHE = ["mpm_event", "authz_core", "proxy", "proxy_http", "filter", "deflate"];

const KINDS = {
  nginx: {
    program: "nginx",
    config: (site, { folder, port }) => ["nginx.conf", `daemon off;\nmaster_process off;\nerror_log ${folder}/log;\npid ${folder}/pid;\nevents {}\nhttp {\naccess_log off;\n${["client_body", "proxy", "fastcgi", "uwsgi", "scgi"].map((kind) => `${kind}_temp_path ${folder}/${kind};`).join("\n")}\n${site.replace("listen 80;", `listen 127.0.0.1:${port};`)}}\n`],
    args: ({ folder, file }) => ["-p", folder, "-c", file],
  },
  haproxy: {
    program: "haproxy",
    config: (site, { port }) => ["haproxy.cfg", site.replace("bind :80", `bind 127.0.0.1:${port}`)],
    args: ({ file }) => ["-db", "-f", file],
  },
  apache: {
    program: "apache2",
    config: (site, { folder, port }) => ["apache.conf", `${APACHE.map((name) => `LoadModule ${name}_module ${MODULES}/mod_${name}.so`).join("\n")}\nServerRoot ${folder}\nDefaultRuntimeDir ${folder}\nPidFile ${folder}/pid\nErrorLog ${folder}/log\nServerName localhost\nListen 127.0.0.1:${port}\nUser nobody\nGroup nogroup\n${site.replace("*:80", `127.0.0.1:${port}`)}`],
    args: ({ file }) => ["-f", file, "-D", "FOREGROUND"],
  },
  lighttpd: {
    program: "lighttpd",
    config: (site, { folder, port }) => ["lighttpd.conf", `server.bind = "127.0.0.1"\nserver.document-root = "${folder}"\nserver.errorlog = "${folder}/log"\n${site.replace("server.port = 80", `server.port = ${port}`)}`],
    args: ({ file }) => ["-D", "-f", file],
  },
  caddy: {
    program: "caddy",
    config: (site, { port }) => ["Caddyfile", `{\n\tadmin off\n}\n${site.replace("jobs.example.com {", `http://:${port} {`)}`],
    args: ({ file }) => ["run", "--adapter", "caddyfile", "--config", file],
  },
};

export const NAMES = Object.keys(KINDS);

/** Starts a proxy before `upstream`; with `change` the file is another. Answers nothing where it is not installed. */
export async function start(name, upstream, place, change = (site) => site) {
  const kind = KINDS[name];
  const program = find(kind.program);
  if (!program) return undefined;
  const port = await freePort();
  const folder = join(place, `${name}-${port}`);
  await mkdir(folder);
  await chmod(folder, 0o755);
  const own = { nginx: "nginx.conf", haproxy: "haproxy.cfg", apache: "apache.conf", lighttpd: "lighttpd.conf", caddy: "Caddyfile" }[name];
  const text = change(await readFile(join(CONFIGS, own), "utf8"));
  const site = text.replace("127.0.0.1:8080", `127.0.0.1:${upstream}`).replaceAll("127.0.0.1:8080", `127.0.0.1:${upstream}`).replace('"port" => 8080', `"port" => ${upstream}`);
  const [filename, config] = kind.config(site, { folder, port });
  const file = join(folder, filename);
  await writeFile(file, config);
  const child = spawn(program, kind.args({ folder, file }), { stdio: ["ignore", "pipe", "pipe"], env: { ...process.env, HOME: folder, XDG_DATA_HOME: folder, XDG_CONFIG_HOME: folder } });
  let said = "";
  child.stdout.on("data", (data) => (said += data));
  child.stderr.on("data", (data) => (said += data));
  const until = Date.now() + START;
  for (;;) {
    if (child.exitCode !== null) throw new Error(`${name} ended: ${said}`);
    const answer = await fetch(`http://127.0.0.1:${port}/healthz`, { headers: { connection: "close" } }).catch(() => undefined);
    // Under this name it is refused or not; either is an answer of Tidemill's.
    if (answer?.headers.get("x-request-id")) break;
    if (Date.now() > until) throw new Error(`${name} does not answer: ${said}`);
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  const ended = new Promise((resolve) => child.once("exit", resolve));
  return { name, port, stop: () => (child.kill("SIGTERM"), setTimeout(() => child.kill("SIGKILL"), 3000).unref(), ended) };
}
