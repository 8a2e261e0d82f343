// SPDX-License-Identifier: Apache-2.0
// LangChain's OpenAI client.
import assert from "node:assert/strict";
import { tool } from "@langchain/core/tools";
import { ChatOpenAI, OpenAIEmbeddings } from "@langchain/openai";
import { z } from "zod";
import { asksFor, chunks, refuses, says, toolCall, USAGE } from "./lib/answers.js";
import { test } from "./lib/harness.js";

function chat(leme, options = {}) {
  return new ChatOpenAI({ model: "m", apiKey: "none", maxRetries: 0,
    configuration: { baseURL: leme.url }, ...options });
}

// All pieces of a stream as one message.
async function joined(stream) {
  let whole = null;
  for await (const piece of stream) whole = whole ? whole.concat(piece) : piece;
  return whole;
}

const weather = tool(async ({ city }) => `rain in ${city}`,
  { name: "weather", description: "The weather", schema: z.object({ city: z.string() }) });

test("LangChain: a chat answers with text and usage", async (w) => {
  const { leme } = await w.simple(says("Hello", " there"));
  const answer = await chat(leme).invoke("hi");
  assert.equal(answer.content, "Hello there");
  assert.equal(answer.response_metadata.finish_reason, "stop");
  assert.deepEqual([answer.usage_metadata.input_tokens, answer.usage_metadata.output_tokens],
    [USAGE.prompt_tokens, USAGE.completion_tokens]);
});

test("LangChain: a stream joins, and its usage comes with it", async (w) => {
  const { up, leme } = await w.simple(says("Hello", " ", "there 👋"));
  const whole = await joined(await chat(leme).stream("hi"));
  assert.equal(whole.content, "Hello there 👋");
  assert.equal(whole.usage_metadata.output_tokens, USAGE.completion_tokens);
  assert.equal(up.calls[0].body.stream_options.include_usage, true);
});

test("LangChain: bound tools are called, streamed and not", async (w) => {
  const { up, leme } = await w.simple(asksFor(
    toolCall("call_1", "weather", { city: "東京" }),
    toolCall("call_2", "weather", { city: "Porto" })));
  const bound = chat(leme).bindTools([weather]);
  for (const answer of [await bound.invoke("weather?"), await joined(await bound.stream("w?"))]) {
    assert.deepEqual(answer.tool_calls.map((c) => [c.id, c.name, c.args.city]),
      [["call_1", "weather", "東京"], ["call_2", "weather", "Porto"]]);
    assert.equal(await weather.invoke(answer.tool_calls[0].args), "rain in 東京");
  }
  assert.equal(up.calls[0].body.tools[0].function.name, "weather");
});

test("LangChain: structured output is parsed", async (w) => {
  const { leme } = await w.simple(says("{\"city\":", "\"京都\"}"));
  const model = chat(leme).withStructuredOutput(z.object({ city: z.string() }),
    { name: "place", method: "jsonSchema" });
  assert.deepEqual(await model.invoke("where?"), { city: "京都" });
});

test("LangChain: embeddings are the provider's numbers", async (w) => {
  const vectors = [[0.5, -1], [0.25, 2]];
  const packed = (v) => Buffer.from(new Float32Array(v).buffer).toString("base64");
  const { leme } = await w.simple((call) => call.json(200, {
    object: "list", model: "x", usage: { prompt_tokens: 2, total_tokens: 2 },
    data: vectors.map((v, index) => ({ object: "embedding", index,
      embedding: call.body.encoding_format === "base64" ? packed(v) : v })) }));
  const embeddings = new OpenAIEmbeddings({ model: "m", apiKey: "none", maxRetries: 0,
    configuration: { baseURL: leme.url } });
  assert.deepEqual(await embeddings.embedDocuments(["a", "b"]), vectors);
});

test("LangChain: an error has its status and its words", async (w) => {
  const { leme } = await w.simple(refuses(400, { message: "temperature must be below 2" }));
  await assert.rejects(chat(leme).invoke("hi"), (e) =>
    e.status === 400 && /temperature must be below 2/.test(e.message));
});

test("LangChain: a stream that breaks throws after its words", async (w) => {
  let read;
  const { leme } = await w.simple(async (call) => {
    call.begin();
    for (const c of chunks(["one ", "two"]).slice(0, 3)) call.event(c);
    await new Promise((done) => { read = done; });
    call.cut();
  });
  let text = "";
  await assert.rejects(async () => {
    for await (const piece of await chat(leme).stream("hi")) {
      text += piece.content;
      if (text === "one two") read();
    }
  });
  assert.equal(text, "one two");
});
