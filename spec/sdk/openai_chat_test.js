// SPDX-License-Identifier: Apache-2.0
// The official client where all is well: what is asked and answered goes through.
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import OpenAI from "openai";
import { zodResponseFormat } from "openai/helpers/zod";
import { z } from "zod";
import { asksFor, chunk, chunks, completion, says, streamOf, toolCall, USAGE, usageChunk }
  from "./lib/answers.js";
import { test } from "./lib/harness.js";
import { SECRET } from "./lib/world.js";

const ask = { model: "m", messages: [{ role: "user", content: "Say hello" }] };
const weather = {
  type: "function",
  function: { name: "weather", parameters: {
    type: "object", properties: { city: { type: "string" } }, required: ["city"] } },
};

async function all(stream) {
  const out = [];
  for await (const each of stream) out.push(each);
  return out;
}

const joined = (list) => list.map((c) => c.choices[0]?.delta.content ?? "").join("");

test("a chat answer is the provider's, field for field", async (w) => {
  const said = { ...completion({ content: "Hello there" }), x_more: { deep: [1, 2.50, null] } };
  const { up, openai } = await w.simple((call) => call.json(200, said));
  const answer = await openai.chat.completions.create(ask);
  assert.deepEqual({ ...answer }, said);
  assert.equal(up.calls[0].path, "/v1/chat/completions");
  assert.equal(up.calls[0].headers.authorization, `Bearer ${SECRET}`);
});

test("what the client sends reaches the provider byte for byte, but for the model", async (w) => {
  const { up, leme } = await w.simple(says("yes"));
  let sent;
  const openai = w.openai(leme, { fetch: (url, init) => {
    sent = init.body;
    return fetch(url, init);
  } });
  await openai.chat.completions.create({
    ...ask, temperature: 0.7, seed: 12345678901234567890n.toString(), tools: [weather],
    messages: [{ role: "user", content: [
      { type: "text", text: "What is this?\u2028 \"quoted\" / \\ 数" },
      { type: "image_url", image_url: { url: `data:image/png;base64,${"iVBOR/+".repeat(40)}` } },
    ] }],
    logit_bias: {}, stop: [], metadata: { a: "b" }, extra_field: { z: 1, a: [{}] },
  });
  const expected = sent.replace("\"model\":\"m\"", "\"model\":\"x\"");
  assert.equal(up.calls[0].raw.toString("utf8"), expected);
});

test("a stream comes in the provider's order and its text joins", async (w) => {
  const pieces = Array.from({ length: 300 }, (_, i) => `word${i} `);
  const { openai } = await w.simple(says(...pieces));
  const list = await all(await openai.chat.completions.create({ ...ask, stream: true }));
  assert.deepEqual(list, chunks(pieces));
  assert.equal(joined(list), pieces.join(""));
});

test("a token reaches the client before the provider says the next", async (w) => {
  let proceed;
  const read = new Promise((done) => { proceed = done; });
  const { openai } = await w.simple(async (call) => {
    call.begin();
    call.event(chunk({ role: "assistant", content: "one" }));
    await read;
    call.event(chunk({ content: " two" }, "stop"));
    call.event("[DONE]");
    call.end();
  });
  const seen = [];
  for await (const c of await openai.chat.completions.create({ ...ask, stream: true })) {
    seen.push(c.choices[0].delta.content);
    proceed();
  }
  assert.deepEqual(seen, ["one", " two"]);
});

test("a stream with include_usage ends with the usage", async (w) => {
  const { openai } = await w.simple(says("Hello", " there"));
  const list = await all(await openai.chat.completions.create({
    ...ask, stream: true, stream_options: { include_usage: true } }));
  assert.deepEqual(list.at(-1), usageChunk());
  assert.equal(list.filter((c) => c.usage).length, 1);
});

test("a client that does not ask for the usage gets none, though the provider is asked",
  async (w) => {
    const { up, leme, openai } = await w.simple(says("Hello", " there"));
    const list = await all(await openai.chat.completions.create({ ...ask, stream: true }));
    assert.equal(up.calls[0].body.stream_options?.include_usage, true);
    assert.deepEqual(list, chunks(["Hello", " there"]));
    const [line] = await leme.logged(1);
    assert.equal(line.tok.in, USAGE.prompt_tokens);
    assert.equal(line.tok.out, USAGE.completion_tokens);
    assert.equal(line.tok.cache_read, 3);
  });

test("other stream options of the client are kept beside the usage", async (w) => {
  const { up, openai } = await w.simple(says("Hello"));
  await all(await openai.chat.completions.create({
    ...ask, stream: true, stream_options: { include_obfuscation: false } }));
  assert.deepEqual(up.calls[0].body.stream_options,
    { include_obfuscation: false, include_usage: true });
});

test("the stream helper puts the answer together", async (w) => {
  const { openai } = await w.simple(says("Hello", " ", "there"));
  const events = [];
  const stream = openai.chat.completions.stream({ ...ask, stream_options: { include_usage: true } })
    .on("content", (delta) => events.push(delta));
  const whole = await stream.finalChatCompletion();
  assert.equal(whole.choices[0].message.content, "Hello there");
  assert.equal(whole.choices[0].finish_reason, "stop");
  assert.deepEqual(whole.usage, USAGE);
  assert.equal(events.join(""), "Hello there");
});

test("two choices of one stream stay apart", async (w) => {
  const { openai } = await w.simple((call) => streamOf(call, [
    chunk({ role: "assistant", content: "a" }), chunk({ role: "assistant", content: "b" }, null, 1),
    chunk({ content: "A" }), chunk({ content: "B" }, null, 1),
    chunk({}, "stop"), chunk({}, "length", 1),
  ]));
  const whole = await openai.chat.completions.stream({ ...ask, n: 2 }).finalChatCompletion();
  assert.deepEqual(whole.choices.map((c) => [c.message.content, c.finish_reason]),
    [["aA", "stop"], ["bB", "length"]]);
});

test("fields no standard knows pass in both directions", async (w) => {
  const { up, openai } = await w.simple((call) => streamOf(call, [
    chunk({ role: "assistant", reasoning_content: "thinking" }),
    { ...chunk({ content: "done" }, "stop"), provider: { name: "z" } },
  ]));
  const list = await all(await openai.chat.completions.create({
    ...ask, stream: true, enable_thinking: true }));
  assert.equal(up.calls[0].body.enable_thinking, true);
  assert.equal(list[0].choices[0].delta.reasoning_content, "thinking");
  assert.deepEqual(list[1].provider, { name: "z" });
});

// -- tools ---------------------------------------------------------------------

const calls = [
  toolCall("call_1", "weather", { city: "São Paulo" }),
  toolCall("call_2", "weather", { city: "東京", note: "\"quoted\"\n\\" }),
];

test("tools go up and parallel calls come down", async (w) => {
  const { up, openai } = await w.simple(asksFor(...calls));
  const answer = await openai.chat.completions.create({
    ...ask, tools: [weather], tool_choice: "required", parallel_tool_calls: true });
  assert.deepEqual(up.calls[0].body.tools, [weather]);
  assert.deepEqual(answer.choices[0].message.tool_calls, calls);
  assert.equal(answer.choices[0].finish_reason, "tool_calls");
});

test("streamed arguments of parallel calls join", async (w) => {
  const { openai } = await w.simple(asksFor(...calls));
  const stream = openai.chat.completions.stream({ ...ask, tools: [weather] });
  const whole = await stream.finalChatCompletion();
  const got = whole.choices[0].message.tool_calls;
  assert.deepEqual(got.map((c) => [c.id, c.function.name, c.function.arguments]),
    calls.map((c) => [c.id, c.function.name, c.function.arguments]));
  assert.equal(whole.choices[0].finish_reason, "tool_calls");
});

test("a tool loop of two steps ends with words", async (w) => {
  const { up, openai } = await w.simple((call, n) =>
    (n === 1 ? asksFor(...calls) : says("It rains"))(call));
  const asked = [];
  const runner = openai.chat.completions.runTools({ ...ask, stream: true, tools: [{
    type: "function",
    function: { ...weather.function, parse: JSON.parse,
      function: (args) => { asked.push(args.city); return "rain"; } },
  }] });
  assert.equal(await runner.finalContent(), "It rains");
  assert.deepEqual(asked, ["São Paulo", "東京"]);
  assert.deepEqual(up.calls[1].body.messages.slice(-2).map((m) => [m.role, m.tool_call_id]),
    [["tool", "call_1"], ["tool", "call_2"]]);
});

// -- structured output ---------------------------------------------------------

const Place = z.object({ city: z.string(), people: z.number() });
const place = { city: "京都", people: 1450000 };

test("chat.completions.parse gives the object of a json_schema", async (w) => {
  const { up, openai } = await w.simple(says(JSON.stringify(place)));
  const answer = await openai.chat.completions.parse({
    ...ask, response_format: zodResponseFormat(Place, "place") });
  assert.deepEqual(answer.choices[0].message.parsed, place);
  const format = up.calls[0].body.response_format;
  assert.equal(format.type, "json_schema");
  assert.deepEqual(format.json_schema.schema.required, ["city", "people"]);
});

test("a streamed json_schema answer is parsed", async (w) => {
  const { openai } = await w.simple(says("{\"city\":\"京", "都\",\"peo", "ple\":1450000}"));
  const whole = await openai.chat.completions.stream({
    ...ask, response_format: zodResponseFormat(Place, "place") }).finalChatCompletion();
  assert.deepEqual(whole.choices[0].message.parsed, place);
});

// -- embeddings, models, completions ---------------------------------------------

const VECTORS = [[0.25, -1.5, 3.0e-5], [1, 0, -0.125]].map((v) => Array.from(new Float32Array(v)));

function embeds(call) {
  const base64 = call.body.encoding_format === "base64";
  const encode = (v) => (base64 ? Buffer.from(new Float32Array(v).buffer).toString("base64") : v);
  call.json(200, {
    object: "list", model: "x", usage: { prompt_tokens: 4, total_tokens: 4 },
    data: VECTORS.map((v, index) => ({ object: "embedding", index, embedding: encode(v) })),
  });
}

test("embeddings are the same numbers as base64 and as floats", async (w) => {
  const { up, openai } = await w.simple(embeds);
  const input = ["one", "two"];
  const packed = await openai.embeddings.create({ model: "m", input });
  const plain = await openai.embeddings.create({ model: "m", input, encoding_format: "float" });
  assert.deepEqual(up.calls.map((c) => [c.path, c.body.encoding_format]),
    [["/v1/embeddings", "base64"], ["/v1/embeddings", "float"]]);
  assert.deepEqual(packed.data.map((d) => d.embedding), VECTORS);
  assert.deepEqual(plain.data.map((d) => d.embedding), VECTORS);
});

test("models are listed and found by name", async (w) => {
  const { openai } = await w.simple(says(""), { config: "model \"n\" { \"a/y\" }" });
  const list = await all(await openai.models.list());
  assert.deepEqual(list.map((m) => m.id).sort(), ["m", "n"]);
  assert.deepEqual(list.map((m) => m.object), ["model", "model"]);
  assert.equal((await openai.models.retrieve("n")).id, "n");
});

const listing = { config: "settings { list_targets = true, log = \"stderr\" }" };

test("a target that is listed is found by its name", async (w) => {
  const { openai } = await w.simple(says("yes"), listing);
  const list = await all(await openai.models.list());
  assert.deepEqual(list.map((m) => m.id), ["m", "a/x"]);
  assert.equal((await openai.models.retrieve("a/x")).id, "a/x");
});

test("a target that is listed serves under its name", async (w) => {
  const { up, openai } = await w.simple(says("yes"), listing);
  const answer = await openai.chat.completions.create({ ...ask, model: "a/x" });
  assert.equal(answer.choices[0].message.content, "yes");
  assert.equal(up.calls[0].body.model, "x");
});

const TEXT = { id: "cmpl-1", object: "text_completion", created: 1763750000, model: "x" };

test("old completions answer and stream", async (w) => {
  const part = (text, finish = null) =>
    ({ ...TEXT, choices: [{ index: 0, text, logprobs: null, finish_reason: finish }] });
  const { up, openai } = await w.simple((call) => {
    if (!call.body.stream) call.json(200, { ...part("one two", "stop"), usage: USAGE });
    else streamOf(call, [part("one"), part(" two"), part("", "stop")]);
  });
  const whole = await openai.completions.create({ model: "m", prompt: "count" });
  assert.equal(whole.choices[0].text, "one two");
  const list = await all(await openai.completions.create({
    model: "m", prompt: "count", stream: true }));
  assert.deepEqual(list, [part("one"), part(" two"), part("", "stop")]);
  assert.deepEqual(up.calls.map((c) => c.path), ["/v1/completions", "/v1/completions"]);
});

// -- addresses, identity ---------------------------------------------------------

test("a base URL works with and without /v1", async (w) => {
  const { leme } = await w.simple(says("yes"));
  for (const baseURL of [leme.root, `${leme.root}/`, leme.url, `${leme.url}/`]) {
    const openai = new OpenAI({ baseURL, apiKey: "none", maxRetries: 0 });
    const answer = await openai.chat.completions.create(ask);
    assert.equal(answer.choices[0].message.content, "yes", baseURL);
    assert.equal((await all(await openai.models.list())).length, 1, baseURL);
  }
});

test("every answer has an id, and the client's own is kept", async (w) => {
  const { leme, openai } = await w.simple(says("yes"));
  const answer = await openai.chat.completions.create(ask);
  assert.match(answer._request_id, /^req_/);
  const kept = await openai.chat.completions.create(ask,
    { headers: { "x-request-id": "mine-42" } });
  assert.equal(kept._request_id, "mine-42");
  const { request_id: id } = await openai.chat.completions.create({ ...ask, stream: true })
    .withResponse().then(async (r) => { await all(r.data); return r; });
  assert.match(id, /^req_/);
  const lines = await leme.logged(3);
  assert.deepEqual(lines.map((l) => l.id).sort(), [answer._request_id, "mine-42", id].sort());
});

test("answers say who answered", async (w) => {
  const { openai } = await w.simple(says("yes"));
  const { response } = await openai.chat.completions.create(ask).withResponse();
  assert.equal(response.headers.get("x-leme-target"), "a/x");
  assert.match(response.headers.get("x-leme-policy"), /^plain@/);
  assert.match(response.headers.get("server-timing"), /policy;dur=/);
});

// -- bytes -----------------------------------------------------------------------

const WORDS = "中文 日本語 한국어 ру́сский עברית العربية 👩‍👩‍👧‍👦🏳️‍🌈 e\u0301 "
  + "\u2028\u2029 \u0000\u0001\u007f "
  + "\\ \" / </script> \ud83d\ude00 \uFEFF 𝒳 \t\r\n end";

test("content of all scripts is identical in both directions", async (w) => {
  const { up, openai } = await w.simple(says(WORDS));
  const answer = await openai.chat.completions.create({
    model: "m", messages: [{ role: "user", content: WORDS }] });
  assert.equal(answer.choices[0].message.content, WORDS);
  assert.equal(up.calls[0].body.messages[0].content, WORDS);
});

test("a stream cut by TCP at every byte is the same stream", async (w) => {
  const { openai } = await w.simple(async (call) => {
    const bytes = Buffer.from(chunks([WORDS, "👋🏽"]).map((c) =>
      `data: ${JSON.stringify(c)}\n\n`).join("") + "data: [DONE]\n\n");
    call.response.socket.setNoDelay(true);
    call.begin();
    for (let at = 0; at < bytes.length; at += 1) {
      call.bytes(bytes.subarray(at, at + 1));
      if (at % 7 === 0) await call.flushed();
    }
    call.end();
  });
  const list = await all(await openai.chat.completions.create({ ...ask, stream: true }));
  assert.equal(joined(list), `${WORDS}👋🏽`);
});

test("CRLF, comments, a BOM and a missing [DONE] do not reach the text", async (w) => {
  const { openai } = await w.simple((call) => {
    call.begin();
    call.bytes("\uFEFF: hello\r\n\r\n");
    for (const c of chunks(["one", " two"])) {
      call.bytes(`: busy\r\ndata:${JSON.stringify(c)}\r\n\r\n`);
    }
    call.end();
  });
  const list = await all(await openai.chat.completions.create({ ...ask, stream: true }));
  assert.deepEqual(list, chunks(["one", " two"]));
});

test("a prompt of 2 MB arrives whole", async (w) => {
  const { up, openai } = await w.simple(says("read"));
  const content = "0123456789é中👋".repeat(Math.ceil(2 * 1024 * 1024 / 19));
  const sum = (text) => createHash("sha256").update(text).digest("hex");
  await openai.chat.completions.create({ model: "m", messages: [{ role: "user", content }] });
  assert.ok(up.calls[0].raw.length > 2 * 1024 * 1024);
  assert.equal(sum(up.calls[0].body.messages[0].content), sum(content));
});

test("an answer of 2 MB arrives whole, streamed and not", async (w) => {
  const piece = "0123456789é中👋".repeat(500);
  const { openai } = await w.simple(says(...Array.from({ length: 220 }, () => piece)));
  const whole = await openai.chat.completions.create(ask);
  assert.equal(whole.choices[0].message.content, piece.repeat(220));
  const list = await all(await openai.chat.completions.create({ ...ask, stream: true }));
  assert.equal(joined(list), piece.repeat(220));
});
