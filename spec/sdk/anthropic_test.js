// SPDX-License-Identifier: Apache-2.0
// Anthropic's client: conversations that it leaves to the server, ids, paths that are
// not there.
import assert from "node:assert/strict";
import Anthropic from "@anthropic-ai/sdk";
import { betaTool } from "@anthropic-ai/sdk/helpers/beta/json-schema";
import { asksFor, says, toolCall } from "./lib/answers.js";
import { test } from "./lib/harness.js";
import { SECRET } from "./lib/world.js";

function anthropic(leme) {
  return new Anthropic({ baseURL: leme.root, apiKey: "none", maxRetries: 0 });
}

const WEATHER = betaTool({ name: "weather", description: "The weather",
  inputSchema: { type: "object", properties: { city: { type: "string" } } },
  run: async ({ city }) => `rain in ${city}` });

const RUN = { model: "m", max_tokens: 1000, system: "Be brief.", tools: [WEATHER],
  messages: [{ role: "user", content: "Porto and Lima?" }] };

// Two calls, one after the other, then text.
function twoTurns(call) {
  const told = call.body.messages.filter((message) => message.role === "tool").length;
  const city = ["Porto", "Lima"][told];
  (city ? asksFor(toolCall(`call_${told}`, "weather", { city })) : says("wet"))(call);
}

for (const stream of [false, true])
  test(`Anthropic: a tool runner's provider sees all of the conversation, ${
    stream ? "streamed" : "whole"}`, async (w) => {
    const { up, leme } = await w.simple(twoTurns);
    const runner = anthropic(leme).beta.messages.toolRunner({ ...RUN, stream });
    const last = await runner.runUntilDone();
    assert.equal(last.content[0].text, "wet");
    assert.deepEqual(up.calls.map(({ body }) => body.messages.map((m) => m.role)), [
      ["system", "user"], ["system", "user", "assistant", "tool"],
      ["system", "user", "assistant", "tool", "assistant", "tool"]]);
    assert.ok(up.calls.every(({ body }) => body.tools.length === 1));
  });

test("Anthropic: a thread goes on though nothing is kept", async (w) => {
  const { up, leme } = await w.simple(says("yes"));
  const thread = anthropic(leme).beta.messages.thread({ model: "m", max_tokens: 100 });
  for (const content of ["one", "two", "three"]) await thread.send({ role: "user", content });
  assert.deepEqual(up.calls.map(({ body }) => body.messages.length), [1, 3, 5]);
});

// A Claude that refuses threads in the way that ${refuse} says.
async function claude(w, refuse) {
  const up = await w.upstream((call) => {
    const wrong = refuse(call.body.thread);
    if (wrong) {
      const [status, type, error_code] = wrong;
      call.json(status, { type: "error", request_id: "req_theirs",
        error: { type, message: "no", details: { error_code, unsupported: ["thinking"] } } });
    } else {
      call.json(200, { id: "msg_1", type: "message", role: "assistant", model: "x",
        content: [{ type: "text", text: "yes" }], stop_reason: "end_turn", stop_sequence: null,
        usage: { input_tokens: 1, output_tokens: 1 } });
    }
  });
  const leme = await w.leme({}, { config: `
    provider "p" { base = "http://127.0.0.1:${up.port}", key = "${SECRET}",
                   dialect = "anthropic" }
    model "m" { "p/x" }` });
  return { up, client: anthropic(leme) };
}

test("Anthropic: a thread that Claude has lost is sent again", async (w) => {
  for (const [status, type, code] of [[404, "not_found_error", "thread_not_found"],
    [409, "invalid_request_error", "thread_already_continued"]]) {
    const { up, client } = await claude(w, (thread) =>
      thread?.type === "continue" && [status, type, code]);
    const thread = client.beta.messages.thread({ model: "m", max_tokens: 100 });
    for (const content of ["one", "two"]) await thread.send({ role: "user", content });
    assert.deepEqual(up.calls.map(({ body }) => [body.thread.type, body.messages.length]),
      [["create", 1], ["continue", 1], ["create", 3]]);
  }
});

test("Anthropic: a tool runner goes on without a thread where Claude has none", async (w) => {
  const { up, client } = await claude(w, (thread) =>
    thread && [400, "invalid_request_error", "thread_unsupported_request"]);
  const last = await client.beta.messages.toolRunner(RUN);
  assert.equal(last.content[0].text, "yes");
  assert.deepEqual(up.calls.map(({ body }) => body.thread?.type), ["create", undefined]);
});

test("Anthropic: answers have the id of their request", async (w) => {
  const { leme } = await w.simple(says("yes"));
  const client = anthropic(leme);
  const ask = { model: "m", max_tokens: 9, messages: [{ role: "user", content: "hi" }] };
  const whole = await client.messages.create(ask);
  const stream = client.messages.stream(ask);
  await stream.done();
  const ids = (await leme.logged(2)).map((line) => line.id);
  assert.deepEqual([whole._request_id, stream.request_id].sort(), ids.sort());
});

test("Anthropic: a path that is not there is its own kind of error", async (w) => {
  const { leme } = await w.simple(says("yes"));
  await assert.rejects(anthropic(leme).messages.batches.list(), (e) =>
    e instanceof Anthropic.NotFoundError && e.type === "not_found_error"
      && /^req_/.test(e.requestID ?? e.request_id) && /no such path/.test(e.message));
});
