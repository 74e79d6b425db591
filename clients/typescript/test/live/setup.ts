// One server for all live tests that need nothing special of it.

import type { TestProject } from "vitest/node";
import { Mill } from "./mill.js";

declare module "vitest" {
  interface ProvidedContext {
    url: string;
    folder: string;
  }
}

export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const mill = await Mill.start();
  project.provide("url", mill.url);
  project.provide("folder", mill.folder);
  return () => mill.stop();
}
