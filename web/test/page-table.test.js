// Which page an address shows, and what the navigation marks.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { GROUPS, isHere, pageOf } from "../pages/table.js";

test("an address names a page, or one thing of a page", () => {
  assert.equal(pageOf("/queues").page.word, "Queues");
  assert.equal(pageOf("/").page.word, "Overview");
  assert.deepEqual(pageOf("/schedules/a%2Fb").params, { name: "a/b" });
  assert.deepEqual(pageOf("/schedules/%zz").params, { name: "%zz" });
  assert.deepEqual([pageOf("/jobs/0198").page.word, pageOf("/jobs/0198").params.name, pageOf("/enqueue").page.word], ["Job", "0198", "Enqueue"]);
  for (const path of ["/jobs/", "/nowhere", "/schedules/"]) assert.equal(pageOf(path), null, path);
});

test("another query is another list of jobs, and the same page elsewhere", () => {
  assert.notEqual(pageOf("/jobs", "?state=failed").key, pageOf("/jobs").key);
  assert.equal(pageOf("/failures", "?since=1h").key, pageOf("/failures").key);
});

test("the navigation marks the page of one thing, too", () => {
  const marked = (path) => GROUPS.flat().filter((page) => isHere(page, path)).map((page) => page.word);
  assert.deepEqual(marked("/"), ["Overview"]);
  assert.deepEqual(marked("/jobs/0198"), ["Jobs"]);
  assert.deepEqual(marked("/workflows/0198"), ["Workflows"]);
  assert.deepEqual(marked("/workflowsx"), []);
});

test("the server has every page's address", () => {
  const source = readFileSync(new URL("../../src/api/server/dashboard/mod.rs", import.meta.url), "utf8");
  for (const { path } of GROUPS.flat()) assert.ok(source.includes(`"${path}"`), path);
});
