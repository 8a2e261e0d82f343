// SPDX-License-Identifier: Apache-2.0
// openai: chat completions.
//
// Every family has: name, open({ root, url }) -> client, and some of the calls below,
// which give what was said in words that all share: finish "stop", "length",
// "tool_calls".
import OpenAI from "openai";
import { at, play, TOOLS } from "../lib/loop.js";

export const name = "openai";
export const face = "openai";

export function open({ url }) {
  return new OpenAI({ baseURL: url, apiKey: "none", maxRetries: 0 });
}

const user = (content) => [{ role: "user", content }];

export async function chat(client, model, prompt, max) {
  const r = await client.chat.completions.create({ model, max_tokens: max, messages: [
    { role: "system", content: "Be brief." }, ...user(prompt)] });
  const [{ message, finish_reason: finish }] = r.choices;
  return { text: message.content, finish, input: r.usage?.prompt_tokens,
    output: r.usage?.completion_tokens };
}

// The pieces of a stream as one message.
async function join(stream) {
  const message = { role: "assistant", content: "" };
  const calls = [];
  const got = { message, pieces: 0 };
  for await (const { choices: [choice], usage } of stream) {
    if (usage) got.usage = usage;
    if (!choice) continue;
    const { content, tool_calls: parts, role, ...more } = choice.delta;
    if (content) { message.content += content; got.pieces += 1; }
    for (const [key, value] of Object.entries(more))
      if (value) message[key] = typeof value === "string" ? (message[key] ?? "") + value
        : Array.isArray(value) ? [...(message[key] ?? []), ...value] : value;
    for (const { index, function: fn, ...call } of parts ?? []) {
      calls[index] ??= { function: { name: "", arguments: "" } };
      Object.assign(calls[index], call);
      calls[index].function.name += fn.name ?? "";
      calls[index].function.arguments += fn.arguments ?? "";
    }
    got.finish = choice.finish_reason ?? got.finish;
  }
  if (calls.length > 0) message.tool_calls = calls;
  return got;
}

export async function stream(client, model, prompt, max) {
  const got = await join(await client.chat.completions.create({ model, max_tokens: max,
    stream: true, stream_options: { include_usage: true }, messages: user(prompt) }));
  return { text: got.message.content, finish: got.finish, pieces: got.pieces,
    input: got.usage?.prompt_tokens, output: got.usage?.completion_tokens };
}

export async function loop(client, model, prompt, { streamed, thinks }) {
  const messages = user(prompt);
  const seen = { calls: [], text: "", thoughts: "" };
  for (let step = 0; step < 4 && !seen.text; step += 1) {
    const body = { model: at(model, step), messages, tools: TOOLS, ...(thinks && { reasoning_effort: "high" }) };
    const message = streamed
      ? (await join(await client.chat.completions.create({ ...body, stream: true }))).message
      : (await client.chat.completions.create(body)).choices[0].message;
    messages.push(message);
    seen.thoughts += message.reasoning_content ?? "";
    for (const { id, function: fn } of message.tool_calls ?? []) {
      const args = JSON.parse(fn.arguments);
      seen.calls.push([fn.name, args.city]);
      messages.push({ role: "tool", tool_call_id: id, content: play(fn.name, args) });
    }
    if (!message.tool_calls?.length) seen.text = message.content;
  }
  return seen;
}

export async function object(client, model, prompt, schema) {
  const shape = { type: "json_schema", json_schema: { name: "place", schema, strict: true } };
  const r = await client.chat.completions.parse({ model, messages: user(prompt),
    response_format: shape });
  return r.choices[0].message.parsed ?? JSON.parse(r.choices[0].message.content);
}

export async function embed(client, model, input) {
  const r = await client.embeddings.create({ model, input });
  return r.data.map((each) => each.embedding);
}

export async function models(client) {
  const list = [];
  for await (const each of client.models.list()) list.push(each.id);
  return list;
}

export function fault(e) {
  return { status: e.status, code: e.code, type: e.type, name: e.constructor.name };
}

export const CLASSES = { 400: "BadRequestError", 401: "AuthenticationError",
  404: "NotFoundError", 429: "RateLimitError", 500: "InternalServerError",
  502: "InternalServerError", 503: "InternalServerError" };
