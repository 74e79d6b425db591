// Whether a runtime that is installed as a package has a program for this machine. Where it has one, it must run.

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { HERE } from "./packed.js";

interface Locked {
  optionalDependencies?: Record<string, string>;
  os?: string[];
  cpu?: string[];
  libc?: string[];
}

/** As npm chooses: the runtime's programs are optional packages, each for a system, a processor and a C library. */
export function runsHere(runtime: "deno" | "workerd"): boolean {
  const lock: { packages: Record<string, Locked> } = JSON.parse(readFileSync(join(HERE, "package-lock.json"), "utf8"));
  const report = process.report.getReport() as { header: { glibcVersionRuntime?: string } };
  const libc = report.header.glibcVersionRuntime ? "glibc" : "musl";
  // What names no library needs glibc on Linux all the same.
  const needs = (locked: Locked) => process.platform !== "linux" || (locked.libc ?? ["glibc"]).includes(libc);
  const programs = Object.keys(lock.packages[`node_modules/${runtime}`]?.optionalDependencies ?? {});
  return programs
    .map((name) => lock.packages[`node_modules/${name}`]!)
    .some((locked) => locked.os?.includes(process.platform) && locked.cpu?.includes(process.arch) && needs(locked));
}
