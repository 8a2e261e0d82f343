// SPDX-License-Identifier: Apache-2.0
// harness: named promises, a few at once, one line each and a sum. Every test
// gets a world of its own, which looks back when the test has ended.
import { World } from "./world.js";

const AT_ONCE = 4;
const LIMIT_MS = 15000;     // never reached when all is well

const tests = [];
const endings = [];

// ${promise} says in the present tense what holds; ${fn} gets the world.
export function test(promise, fn) {
  tests.push({ promise, fn });
}

// ${fn} runs once all tests have; it gives a list of errors.
export function atEnd(fn) {
  endings.push(fn);
}

async function limited(promise) {
  let timer;
  const late = new Promise((_, fail) => {
    timer = setTimeout(fail, LIMIT_MS, new Error(`not finished within ${LIMIT_MS} ms`));
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}

// What is wrong with one test: a list of errors, empty when it holds.
async function attempt(t) {
  const world = new World();
  const wrong = [];
  await limited(t.fn(world)).catch((e) => wrong.push(e));
  const left = await world.end().catch((e) => [e]);
  wrong.push(...left);
  if (wrong.length > 0 && process.env.VERBOSE) wrong.push(new Error(world.said()));
  return wrong;
}

function print(t, wrong, ms) {
  if (wrong.length === 0) {
    if (process.env.VERBOSE) console.log(`ok   ${t.promise} (${ms} ms)`);
    return;
  }
  console.log(`FAIL ${t.promise} (${ms} ms)`);
  for (const e of wrong) {
    const text = e instanceof Error ? e.stack : String(e);
    console.log(text.split("\n").slice(0, 30).map((line) => `     ${line}`).join("\n"));
  }
}

// Runs those whose promise matches ${pattern}; returns how many failed.
export async function run(pattern) {
  const chosen = tests.filter((t) => pattern.test(t.promise));
  const waiting = [...chosen];
  let failed = 0;
  async function worker() {
    for (let t = waiting.shift(); t; t = waiting.shift()) {
      const began = Date.now();
      const wrong = await attempt(t);
      if (wrong.length > 0) failed += 1;
      print(t, wrong, Date.now() - began);
    }
  }
  await Promise.all(Array.from({ length: AT_ONCE }, worker));
  for (const fn of endings) {
    const wrong = await fn();
    if (wrong.length > 0) failed += 1;
    print({ promise: "the end of what tests shared" }, wrong, 0);
  }
  console.log(`${chosen.length - failed} passed, ${failed} failed`);
  return chosen.length === 0 ? 1 : failed;
}
