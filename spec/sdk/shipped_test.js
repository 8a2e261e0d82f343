// SPDX-License-Identifier: Apache-2.0
// What the project brings along, used as a newcomer does: its policies, the
// quickstart, the examples.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { copyFileSync, readdirSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { refuses, says } from "./lib/answers.js";
import { test } from "./lib/harness.js";
import { ROOT } from "./lib/world.js";

const ask = { messages: [{ role: "user", content: "Say hello" }] };

async function text(openai, model, stream) {
  const answer = await openai.chat.completions.create({ ...ask, model, stream });
  if (!stream) return answer.choices[0].message.content;
  let out = "";
  for await (const c of answer) out += c.choices[0]?.delta.content ?? "";
  return out;
}

// support.lua names its own targets; the quickstart has them.
const policies = readdirSync(join(ROOT, "policies"))
  .filter((name) => name.endsWith(".lua") && name !== "support.lua");

for (const name of policies) {
  test(`policies/${name} serves answers and streams`, async (w) => {
    const up = await w.upstream(says("served"));
    const leme = await w.leme({ a: up, b: up }, { config: `model "m" {
      policy = "${join(ROOT, "policies", name)}", default_route = { "a/x", "b/x" } }` });
    const openai = w.openai(leme);
    for (let i = 0; i < 6; i += 1) assert.equal(await text(openai, "m", i % 2 === 0), "served");
    const lines = await leme.logged(6);
    assert.deepEqual(lines.map((l) => l.policy.split("@")[0]), Array(6).fill(name.slice(0, -4)));
    assert.deepEqual(lines.map((l) => l.attempts), Array(6).fill(1));
  });
}

// The policies that look for another target when one fails.
for (const name of policies.filter((n) => !/passthrough/.test(n))) {
  test(`policies/${name} hides a provider that fails`, async (w) => {
    const well = await w.upstream(says("served"));
    const ill = await w.upstream(refuses(500, { message: "no" }));
    const leme = await w.leme({ a: ill, b: well }, { config: `model "m" {
      policy = "${join(ROOT, "policies", name)}", default_route = { "a/x", "b/x" } }` });
    for (let i = 0; i < 6; i += 1)
      assert.equal(await text(w.openai(leme), "m", i % 2 === 0), "served");
  });
}

test("every model of the quickstart answers without a key", async (w) => {
  const leme = await w.installed("examples/quickstart/leme.lua");
  const openai = w.openai(leme);
  const names = [];
  for await (const model of openai.models.list()) names.push(model.id);
  assert.ok(names.includes("chat") && names.includes("support"), names.join(" "));
  for (const name of names.filter((n) => n !== "embed")) {
    assert.ok((await text(openai, name, false)).length > 0, name);
    assert.ok((await text(openai, name, true)).length > 0, name);
  }
  if (names.includes("embed")) {
    const packed = await openai.embeddings.create({ model: "embed", input: ["a", "b"] });
    const plain = await openai.embeddings.create({ model: "embed", input: ["a", "b"],
      encoding_format: "float" });
    const numbers = plain.data.map((d) => Array.from(new Float32Array(d.embedding)));
    assert.ok(numbers[0].length > 0);
    assert.deepEqual(packed.data.map((d) => d.embedding), numbers);
  }
});

// Run as a user does who has installed the client beside it.
async function example(w, leme, name, ...more) {
  const path = join(w.folder, name);
  copyFileSync(join(ROOT, "examples/sdk", name), path);
  symlinkSync(join(ROOT, "spec/sdk/node_modules"), join(w.folder, "node_modules"));
  const child = spawn(process.execPath, [path, ...more],
    { env: { ...process.env, LEME_URL: leme.url }, stdio: ["ignore", "pipe", "inherit"] });
  let said = "";
  child.stdout.on("data", (d) => { said += d; });
  const [code] = await once(child, "close");
  return { code, said };
}

test("examples/sdk/stream.mjs tells who answered", async (w) => {
  const leme = await w.installed("examples/quickstart/leme.lua");
  const { code, said } = await example(w, leme, "stream.mjs", "How are you?");
  assert.equal(code, 0);
  assert.match(said, /\S\n\nqwen\/qwen-plus by fallback@\w+, \d+ tokens, request req_\w+\n$/);
});

test("examples/sdk/errors.mjs tells what went wrong", async (w) => {
  const leme = await w.installed("examples/quickstart/leme.lua");
  const { code, said } = await example(w, leme, "errors.mjs");
  assert.equal(code, 1);
  assert.match(said, /^NotFoundError 404 model_not_found: .*no-such-model.*\nrequest req_\w+\n$/);
});
