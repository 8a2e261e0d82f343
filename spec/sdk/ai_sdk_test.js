// SPDX-License-Identifier: Apache-2.0
// Vercel's AI SDK: it checks every chunk against a schema, and takes anything
// after [DONE] for an error.
import assert from "node:assert/strict";
import { createOpenAICompatible } from "@ai-sdk/openai-compatible";
import { embedMany, generateObject, generateText, isStepCount, jsonSchema, streamText, tool }
  from "ai";
import { asksFor, chunk, chunks, refuses, says, streamOf, toolCall, USAGE }
  from "./lib/answers.js";
import { test } from "./lib/harness.js";

function sdk(leme, options = {}) {
  return createOpenAICompatible({ name: "leme", baseURL: leme.url, apiKey: "none", ...options });
}

const quiet = { maxRetries: 0, onError: () => {} };

// All parts of a stream; errors are parts too.
async function parts(result) {
  const out = [];
  for await (const part of result.fullStream) out.push(part);
  return out;
}

const textOf = (list) => list.filter((p) => p.type === "text-delta").map((p) => p.text).join("");
const errorsOf = (list) => list.filter((p) => p.type === "error").map((p) => p.error);

const weather = tool({
  description: "The weather", execute: async ({ city }) => `rain in ${city}`,
  inputSchema: jsonSchema({ type: "object", properties: { city: { type: "string" } },
    required: ["city"], additionalProperties: false }),
});

test("AI SDK: a chat answers with text, finish reason and usage", async (w) => {
  const { leme } = await w.simple(says("Hello", " there"));
  const r = await generateText({ ...quiet, model: sdk(leme)("m"), prompt: "hi" });
  assert.equal(r.text, "Hello there");
  assert.equal(r.finishReason, "stop");
  assert.equal(r.usage.inputTokens, USAGE.prompt_tokens);
  assert.equal(r.usage.outputTokens, USAGE.completion_tokens);
});

test("AI SDK: every chunk of a stream holds, and the usage comes last", async (w) => {
  const { leme } = await w.simple(says("Hello", " ", "there 👋"));
  for (const includeUsage of [false, true]) {
    const result = streamText({ ...quiet, model: sdk(leme, { includeUsage })("m"), prompt: "hi" });
    const list = await parts(result);
    assert.deepEqual(errorsOf(list), []);
    assert.equal(textOf(list), "Hello there 👋");
    assert.equal(await result.finishReason, "stop");
    const usage = await result.usage;
    assert.equal(usage.outputTokens, includeUsage ? USAGE.completion_tokens : undefined);
  }
});

test("AI SDK: reasoning comes as reasoning", async (w) => {
  const { leme } = await w.simple((call) => streamOf(call, [
    chunk({ role: "assistant", reasoning_content: "let me " }),
    chunk({ reasoning_content: "see" }), chunk({ content: "yes" }), chunk({}, "stop")]));
  const list = await parts(streamText({ ...quiet, model: sdk(leme)("m"), prompt: "hi" }));
  const thought = list.filter((p) => p.type === "reasoning-delta").map((p) => p.text).join("");
  assert.deepEqual([thought, textOf(list), errorsOf(list)], ["let me see", "yes", []]);
});

for (const stream of [false, true]) {
  const how = stream ? "streamed " : "";
  test(`AI SDK: a ${how}tool loop of two steps ends with words`, async (w) => {
    const { up, leme } = await w.simple((call, n) => (n === 1
      ? asksFor(toolCall("call_1", "weather", { city: "東京" }),
        toolCall("call_2", "weather", { city: "Porto" }))
      : says("It rains"))(call));
    const options = { ...quiet, model: sdk(leme)("m"), prompt: "weather?", tools: { weather },
      stopWhen: isStepCount(3) };
    const r = stream ? streamText(options) : await generateText(options);
    if (stream) assert.deepEqual(errorsOf(await parts(r)), []);
    assert.equal(await r.text, "It rains");
    assert.deepEqual((await r.steps)[0].toolCalls.map((c) => c.input.city), ["東京", "Porto"]);
    assert.deepEqual(up.calls[1].body.messages.slice(-2).map((m) => m.content),
      ["rain in 東京", "rain in Porto"]);
  });
}

test("AI SDK: an object comes out of a schema", async (w) => {
  const { up, leme } = await w.simple(says("{\"city\":", "\"京都\"}"));
  const schema = jsonSchema({ type: "object", properties: { city: { type: "string" } },
    required: ["city"], additionalProperties: false });
  const model = sdk(leme, { supportsStructuredOutputs: true })("m");
  const r = await generateObject({ maxRetries: 0, model, schema, prompt: "where?" });
  assert.deepEqual(r.object, { city: "京都" });
  assert.equal(up.calls[0].body.response_format.type, "json_schema");
});

test("AI SDK: embeddings are the provider's numbers", async (w) => {
  const vectors = [[0.5, -1], [0.25, 3e-7]];
  const { leme } = await w.simple((call) => call.json(200, {
    object: "list", model: "x", usage: { prompt_tokens: 2, total_tokens: 2 },
    data: vectors.map((embedding, index) => ({ object: "embedding", index, embedding })) }));
  const r = await embedMany({ maxRetries: 0, model: sdk(leme).embeddingModel("m"),
    values: ["a", "b"] });
  assert.deepEqual(r.embeddings, vectors);
});

test("AI SDK: an error has its status, its words, and whether to ask again", async (w) => {
  for (const [status, seen, again] of [[400, 400, false], [429, 429, true], [500, 502, true]]) {
    const { leme } = await w.simple(refuses(status, { message: `it is ${status}` }));
    await assert.rejects(generateText({ ...quiet, model: sdk(leme)("m"), prompt: "hi" }), (e) => {
      assert.equal(e.name, "AI_APICallError");
      assert.equal(e.statusCode, seen);
      assert.equal(e.isRetryable, again);
      assert.ok(e.message.includes(`it is ${status}`), e.message);
      return true;
    });
  }
});

test("AI SDK: a stream that breaks ends with one error part after its words", async (w) => {
  const endings = [(call) => call.cut(), (call) => call.end(), (call) => {
    call.event({ error: { message: "out of memory", type: "server_error", code: 500 } });
    call.end();
  }, (call) => {
    call.event({ error: "just words" });
    call.end();
  }, (call) => {
    call.event({ ...chunk({ content: "" }, "error"), error: { message: "gone", code: 502 } });
    call.end();
  }];
  let read;
  const { leme } = await w.simple(async (call, n) => {
    call.begin();
    for (const c of chunks(["one ", "two"]).slice(0, 3)) call.event(c);
    await new Promise((done) => { read = done; });
    endings[n - 1](call);
  });
  for (let i = 0; i < endings.length; i += 1) {
    const list = [];
    const result = streamText({ ...quiet, model: sdk(leme)("m"), prompt: "hi" });
    for await (const part of result.fullStream) {
      list.push(part);
      if (textOf(list) === "one two") read();
    }
    assert.equal(textOf(list), "one two");
    const errors = errorsOf(list);
    assert.equal(errors.length, 1, `ending ${i + 1}`);
    // Our error object, not a complaint that a chunk does not fit the schema.
    assert.ok(!/validation/i.test(`${errors[0]?.name} ${errors[0]?.message}`), String(errors[0]));
  }
});
