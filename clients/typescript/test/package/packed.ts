// The package as users get it: made by `npm pack` and unpacked among the modules of a program's folder.

import { execFile } from "node:child_process";
import { mkdir, mkdtemp, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

/** The package's own folder. */
export const HERE = fileURLToPath(new URL("../..", import.meta.url));

export interface Packed {
  /** The folder of a program that has installed the package, with React beside it. */
  folder: string;
  /** What is in the package, by its paths. */
  files: string[];
}

/** Packs and unpacks it; its caller removes the folder. */
export async function packed(): Promise<Packed> {
  const run = promisify(execFile);
  const folder = await mkdtemp(join(tmpdir(), "tidemill-package-"));
  const { stdout } = await run("npm", ["pack", "--json", "--pack-destination", folder], {
    cwd: HERE,
    maxBuffer: 1 << 24,
  });
  const [{ filename, files }] = JSON.parse(stdout.slice(stdout.indexOf("[\n")));
  const modules = join(folder, "node_modules");
  await mkdir(modules);
  await run("tar", ["-xzf", join(folder, filename), "-C", modules]);
  await run("mv", [join(modules, "package"), join(modules, "tidemill")]);
  for (const name of ["react", "react-dom", "scheduler", "@types"])
    await symlink(join(HERE, "node_modules", name), join(modules, name));
  await writeFile(join(folder, "package.json"), '{ "type": "module" }');
  return { folder, files: files.map(({ path }: { path: string }) => path) };
}
