// SPDX-License-Identifier: Apache-2.0
// Google's client, whatever provider answers it.
import assert from "node:assert/strict";
import { ApiError, FunctionCallingConfigMode, GoogleGenAI } from "@google/genai";
import { asksFor, completion, refuses, says, toolCall, USAGE } from "./lib/answers.js";
import { test } from "./lib/harness.js";
import { SECRET } from "./lib/world.js";

function google(leme, options = {}) {
  return new GoogleGenAI({ apiKey: "none", httpOptions: { baseUrl: leme.root }, ...options });
}

// A leme before one provider that speaks ${dialect} itself.
async function before(w, dialect, behaviour, path = "", model = "x") {
  const up = await w.upstream(behaviour);
  const leme = await w.leme({}, { config: `
    provider "p" { base = "http://127.0.0.1:${up.port}${path}", key = "${SECRET}",
                   dialect = "${dialect}" }
    model "m" { "p/${model}" }` });
  return { up, leme, ai: google(leme) };
}

async function openaiBefore(w, behaviour, more) {
  const { up, leme } = await w.simple(behaviour, more);
  return { up, leme, ai: google(leme) };
}

async function pieces(stream) {
  const list = [];
  for await (const piece of stream) list.push(piece);
  return list;
}

const said = (list) => list.map((r) => r.text ?? "").join("");

const WEATHER = { functionDeclarations: [{ name: "weather", description: "The weather",
  parameters: { type: "OBJECT", properties: { city: { type: "STRING" } }, required: ["city"] } }] };

test("Google: an answer has text, reason and usage, and settings reach the provider", async (w) => {
  const { up, ai } = await openaiBefore(w, says("Hello", " there"));
  const answer = await ai.models.generateContent({ model: "m", contents: "hi", config: {
    systemInstruction: "be brief", temperature: 0.5, topP: 0.9, maxOutputTokens: 50,
    stopSequences: ["END"], seed: 7, presencePenalty: 0.5, frequencyPenalty: 0.25 } });
  assert.equal(answer.text, "Hello there");
  assert.equal(answer.candidates[0].finishReason, "STOP");
  assert.deepEqual([answer.usageMetadata.promptTokenCount, answer.usageMetadata.candidatesTokenCount,
    answer.usageMetadata.cachedContentTokenCount],
  [USAGE.prompt_tokens, USAGE.completion_tokens, 3]);
  const { body, path, headers } = up.calls[0];
  assert.equal(path, "/v1/chat/completions");
  assert.deepEqual(body, { model: "x", temperature: 0.5, top_p: 0.9, max_completion_tokens: 50,
    stop: ["END"], seed: 7, presence_penalty: 0.5, frequency_penalty: 0.25,
    messages: [{ role: "system", content: "be brief" }, { role: "user", content: "hi" }] });
  assert.equal(headers["x-goog-api-key"], undefined);
});

test("Google: a stream comes piece by piece, its usage at the end", async (w) => {
  const { up, ai } = await openaiBefore(w, says("Hello", " ", "there 👋"));
  const list = await pieces(await ai.models.generateContentStream({ model: "m", contents: "hi" }));
  assert.equal(said(list), "Hello there 👋");
  assert.ok(list.length >= 4);
  assert.equal(list.at(-1).candidates[0].finishReason, "STOP");
  assert.equal(list.at(-1).usageMetadata.candidatesTokenCount, USAGE.completion_tokens);
  assert.equal(up.calls[0].body.stream_options.include_usage, true);
});

test("Google: pictures, sounds and files arrive as OpenAI has them", async (w) => {
  const { up, ai } = await openaiBefore(w, says("seen"));
  await ai.models.generateContent({ model: "m", contents: [{ role: "user", parts: [
    { text: "look" }, { inlineData: { mimeType: "image/png", data: "iVBORw==" } },
    { fileData: { mimeType: "image/jpeg", fileUri: "https://x.example/a.jpg" } },
    { inlineData: { mimeType: "application/pdf", data: "JVBERi0=" } }] }] });
  const parts = up.calls[0].body.messages[0].content;
  assert.deepEqual(parts.map((p) => p.type), ["text", "image_url", "image_url", "file"]);
  assert.equal(parts[1].image_url.url, "data:image/png;base64,iVBORw==");
  assert.equal(parts[2].image_url.url, "https://x.example/a.jpg");
  assert.match(parts[3].file.file_data, /^data:application\/pdf;base64,JVBERi0=$/);
});

test("Google: a chat calls tools in parallel and sends their results, streamed and not", async (w) => {
  for (const way of ["sendMessage", "sendMessageStream"]) {
    const calls = [toolCall("call_1", "weather", { city: "東京" }),
      toolCall("call_2", "weather", { city: "Porto" })];
    const { up, ai } = await openaiBefore(w, (call, n) =>
      (n === 1 ? asksFor(...calls) : says("rain", " everywhere"))(call));
    const chat = ai.chats.create({ model: "m", config: { tools: [WEATHER], toolConfig: {
      functionCallingConfig: { mode: FunctionCallingConfigMode.ANY } } } });
    const ask = async (message) => {
      const got = await chat[way]({ message });
      return way === "sendMessage" ? [got] : pieces(got);
    };
    const asked = (await ask("weather?")).flatMap((r) => r.functionCalls ?? []);
    assert.deepEqual(asked.map((c) => [c.id, c.name, c.args.city]),
      [["call_1", "weather", "東京"], ["call_2", "weather", "Porto"]]);
    const told = await ask(asked.map(({ id, name }) => ({
      functionResponse: { id, name, response: { output: `rain ${id}` } } })));
    assert.equal(said(told), "rain everywhere");
    assert.equal(up.calls[0].body.tool_choice, "required");
    assert.equal(up.calls[0].body.tools[0].function.parameters.properties.city.type, "string");
    const { messages } = up.calls[1].body;
    assert.deepEqual(messages.map((m) => m.role), ["user", "assistant", "tool", "tool"]);
    assert.deepEqual(messages[1].tool_calls.map((c) => [c.id, JSON.parse(c.function.arguments).city]),
      [["call_1", "東京"], ["call_2", "Porto"]]);
    assert.deepEqual(messages.slice(2).map((m) => [m.tool_call_id, JSON.parse(m.content).output]),
      [["call_1", "rain call_1"], ["call_2", "rain call_2"]]);
  }
});

test("Google: structured output is asked for and comes", async (w) => {
  const { up, ai } = await openaiBefore(w, says("{\"city\":", "\"京都\"}"));
  const answer = await ai.models.generateContent({ model: "m", contents: "where?", config: {
    responseMimeType: "application/json",
    responseSchema: { type: "OBJECT", properties: { city: { type: "STRING" } } } } });
  assert.deepEqual(JSON.parse(answer.text), { city: "京都" });
  assert.deepEqual(up.calls[0].body.response_format.json_schema.schema,
    { type: "object", properties: { city: { type: "string" } } });
});

// What Anthropic says: a signed thought, then a call; then text.
const THOUGHT = { type: "thinking", thinking: "the user wants rain", signature: "c2lnbmVk" };
function anthropic(call, n) {
  const content = n === 1
    ? [THOUGHT, { type: "tool_use", id: "toolu_1", name: "weather", input: { city: "Porto" } }]
    : [{ type: "text", text: "rain" }];
  call.json(200, { id: "msg_1", type: "message", role: "assistant", model: "claude", content,
    stop_reason: n === 1 ? "tool_use" : "end_turn", stop_sequence: null,
    usage: { input_tokens: 5, output_tokens: 6 } });
}

test("Google: Anthropic's signed thoughts come back through the client", async (w) => {
  const { up, ai } = await before(w, "anthropic", anthropic);
  const chat = ai.chats.create({ model: "m", config: { tools: [WEATHER],
    thinkingConfig: { thinkingBudget: 2048, includeThoughts: true }, maxOutputTokens: 4096 } });
  const first = await chat.sendMessage({ message: "weather?" });
  const thought = first.candidates[0].content.parts.find((p) => p.thought);
  assert.equal(thought.text, THOUGHT.thinking);
  const [{ id, name }] = first.functionCalls;
  const last = await chat.sendMessage({ message: [{
    functionResponse: { id, name, response: { output: "rain" } } }] });
  assert.equal(last.text, "rain");
  assert.equal(up.calls[0].path, "/messages");
  const [, turn, result] = up.calls[1].body.messages;
  assert.deepEqual(turn.content[0], THOUGHT);
  assert.deepEqual([turn.content[1].id, turn.content[1].input], ["toolu_1", { city: "Porto" }]);
  assert.equal(result.content[0].tool_use_id, "toolu_1");
});

// What Gemini says: a call with a signature; then text.
function gemini(call, n) {
  const part = n === 1
    ? { functionCall: { name: "weather", args: { city: "Porto" } }, thoughtSignature: "AbCd+/8=" }
    : { text: "rain" };
  const response = { candidates: [{ content: { role: "model", parts: [part] },
    finishReason: "STOP", index: 0 }], modelVersion: "gemini-3-pro",
  usageMetadata: { promptTokenCount: 3, candidatesTokenCount: 4, thoughtsTokenCount: 5,
    totalTokenCount: 12 } };
  if (!call.path.includes(":streamGenerateContent")) return call.json(200, response);
  call.begin();
  call.bytes(`data: ${JSON.stringify(response)}\r\n\r\n`);
  return call.end();
}

test("Google: Gemini's own signatures and settings pass through, streamed and not", async (w) => {
  for (const way of ["sendMessage", "sendMessageStream"]) {
    const { up, ai } = await before(w, "gemini", gemini, "/v1beta");
    const chat = ai.chats.create({ model: "m", config: { tools: [WEATHER, { googleSearch: {} }],
      safetySettings: [{ category: "HARM_CATEGORY_HARASSMENT", threshold: "BLOCK_NONE" }],
      thinkingConfig: { thinkingLevel: "LOW" }, mediaResolution: "MEDIA_RESOLUTION_LOW" } });
    const ask = async (message) => {
      const got = await chat[way]({ message });
      return way === "sendMessage" ? [got] : pieces(got);
    };
    const first = await ask("weather?");
    const [call] = first.flatMap((r) => r.functionCalls ?? []);
    assert.equal(first.at(-1).usageMetadata.thoughtsTokenCount, 5);
    assert.equal(said(await ask([{ functionResponse: { id: call.id, name: call.name,
      response: { output: "rain" } } }])), "rain");
    assert.match(up.calls[0].path, /^\/v1beta\/models\/x:(streamG|g)enerateContent/);
    const sent = up.calls[1].body;
    const turn = sent.contents[1].parts.find((p) => p.functionCall);
    assert.equal(turn.thoughtSignature, "AbCd+/8=");
    assert.deepEqual(turn.functionCall.args, { city: "Porto" });
    assert.deepEqual(sent.contents[2].parts[0].functionResponse.response, { output: "rain" });
    assert.equal(sent.safetySettings[0].threshold, "BLOCK_NONE");
    assert.deepEqual(sent.tools[1], { googleSearch: {} });
    assert.equal(sent.generationConfig.thinkingConfig.thinkingLevel, "LOW");
    assert.equal(sent.generationConfig.mediaResolution, "MEDIA_RESOLUTION_LOW");
  }
});

test("Google: reasoning of a tool loop goes back to DeepSeek", async (w) => {
  const { up, ai } = await before(w, "deepseek", (call, n) => call.json(200, n === 1
    ? completion({ reasoning_content: "rain?", tool_calls: [toolCall("call_1", "weather", {})] },
      "tool_calls")
    : completion({ content: "rain" })), "", "deepseek-reasoner");
  const chat = ai.chats.create({ model: "m", config: { tools: [WEATHER],
    thinkingConfig: { thinkingLevel: "HIGH" } } });
  const first = await chat.sendMessage({ message: "weather?" });
  assert.ok(first.candidates[0].content.parts.every((p) => !p.thought));
  const [{ id, name }] = first.functionCalls;
  await chat.sendMessage({ message: [{ functionResponse: { id, name, response: { output: 1 } } }] });
  assert.equal(up.calls[1].body.messages[1].reasoning_content, "rain?");
});

test("Google: embeddings are the provider's numbers", async (w) => {
  const vectors = [[0.5, -1], [0.25, 2]];
  const { up, ai } = await openaiBefore(w, (call) => call.json(200, { object: "list", model: "x",
    usage: { prompt_tokens: 2, total_tokens: 2 },
    data: call.body.input.map((_, index) => ({ object: "embedding", index,
      embedding: vectors[index] })) }));
  const answer = await ai.models.embedContent({ model: "m", contents: ["a", "b"],
    config: { outputDimensionality: 2 } });
  assert.deepEqual(answer.embeddings.map((e) => e.values), vectors);
  assert.deepEqual([up.calls[0].path, up.calls[0].body.dimensions], ["/v1/embeddings", 2]);
});

test("Google: models are listed and shown, tokens are counted", async (w) => {
  const { ai } = await openaiBefore(w, says("x"));
  const names = [];
  for await (const model of await ai.models.list()) names.push(model.name);
  assert.deepEqual(names, ["models/m"]);
  assert.equal((await ai.models.get({ model: "m" })).name, "models/m");
  await assert.rejects(ai.models.get({ model: "none" }),
    (e) => e instanceof ApiError && e.status === 404);
  const { totalTokens } = await ai.models.countTokens({ model: "m",
    contents: "one two three four five six seven eight" });
  assert.ok(totalTokens >= 6 && totalTokens <= 16, `${totalTokens} tokens`);
});

test("Google: errors are ApiErrors with the status and Google's words", async (w) => {
  const { leme, ai } = await openaiBefore(w, refuses(429, { message: "slow down" }), {
    config: `client { name = "c", key = "sk-client-key-01" }` });
  const ask = (client, model = "m") => client.models.generateContent({ model, contents: "hi" });
  const key = google(leme, { apiKey: "sk-client-key-01" });
  const fails = (status, word) => (e) => {
    assert.ok(e instanceof ApiError, e.stack);
    assert.equal(e.status, status);
    assert.equal(JSON.parse(e.message).error.status, word);
    return true;
  };
  await assert.rejects(ask(ai), fails(401, "UNAUTHENTICATED"));
  await assert.rejects(ask(key, "none"), fails(404, "NOT_FOUND"));
  await assert.rejects(ask(key), fails(429, "RESOURCE_EXHAUSTED"));
  await assert.rejects(key.models.generateContent({ model: "m", contents: [] }),
    (e) => e.status === 400 || /contents are required/.test(e.message));
  await assert.rejects(async () => pieces(await key.models.generateContentStream(
    { model: "m", contents: "hi" })), fails(429, "RESOURCE_EXHAUSTED"));
});

test("Google: a blocked prompt is feedback, streamed and not", async (w) => {
  const { ai } = await before(w, "gemini", (call) => {
    const blocked = { promptFeedback: { blockReason: "PROHIBITED_CONTENT" } };
    if (!call.path.includes("stream")) return call.json(200, blocked);
    call.begin();
    call.event(blocked);
    return call.end();
  }, "/v1beta");
  const whole = await ai.models.generateContent({ model: "m", contents: "hi" });
  assert.equal(whole.promptFeedback.blockReason, "SAFETY");
  assert.equal(whole.candidates, undefined);
  const [only, ...more] = await pieces(
    await ai.models.generateContentStream({ model: "m", contents: "hi" }));
  assert.equal(only.promptFeedback.blockReason, "SAFETY");
  assert.equal(more.length, 0);
});

test("Google: a stream that breaks throws an ApiError after its words", async (w) => {
  let read;
  const { ai } = await openaiBefore(w, async (call) => {
    call.begin();
    call.event({ id: "c", object: "chat.completion.chunk", created: 1, model: "x",
      choices: [{ index: 0, delta: { content: "one " }, finish_reason: null }] });
    await new Promise((done) => { read = done; });
    call.cut();
  });
  let text = "";
  await assert.rejects(async () => {
    for await (const piece of await ai.models.generateContentStream({ model: "m", contents: "hi" })) {
      text += piece.text ?? "";
      read();
    }
  }, (e) => e instanceof ApiError && e.status >= 500);
  assert.equal(text, "one ");
});
