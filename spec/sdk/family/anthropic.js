// SPDX-License-Identifier: Apache-2.0
// @anthropic-ai/sdk: messages.
import Anthropic from "@anthropic-ai/sdk";
import { at, play, TOOLS } from "../lib/loop.js";

export const name = "anthropic";
export const face = "anthropic";

export function open({ root }) {
  return new Anthropic({ baseURL: root, apiKey: "none", maxRetries: 0 });
}

const user = (content) => [{ role: "user", content }];
const FINISH = { end_turn: "stop", max_tokens: "length", tool_use: "tool_calls" };

function said(r) {
  return { finish: FINISH[r.stop_reason], input: r.usage.input_tokens,
    text: r.content.map((block) => block.text ?? "").join(""), output: r.usage.output_tokens };
}

export async function chat(client, model, prompt, max = 1000) {
  return said(await client.messages.create({ model, max_tokens: max, system: "Be brief.",
    messages: user(prompt) }));
}

export async function stream(client, model, prompt, max = 1000) {
  let pieces = 0;
  const r = client.messages.stream({ model, max_tokens: max, messages: user(prompt) });
  r.on("text", () => { pieces += 1; });
  return { ...said(await r.finalMessage()), pieces };
}

const tools = TOOLS.map(({ function: { parameters, ...tool } }) => ({ ...tool,
  input_schema: parameters }));

export async function loop(client, model, prompt, { streamed, thinks }) {
  const messages = user(prompt);
  const seen = { calls: [], text: "", thoughts: "" };
  for (let step = 0; step < 4 && !seen.text; step += 1) {
    const body = { model: at(model, step), max_tokens: 4000, messages, tools,
      ...(thinks && { thinking: { type: "enabled", budget_tokens: 2000 } }) };
    const r = streamed ? await client.messages.stream(body).finalMessage()
      : await client.messages.create(body);
    messages.push({ role: "assistant", content: r.content });
    const results = [];
    for (const block of r.content) {
      if (block.type === "thinking") seen.thoughts += block.thinking;
      if (block.type === "text") seen.text += block.text;
      if (block.type !== "tool_use") continue;
      seen.calls.push([block.name, block.input.city]);
      results.push({ type: "tool_result", tool_use_id: block.id,
        content: play(block.name, block.input) });
    }
    if (results.length > 0) messages.push({ role: "user", content: results });
  }
  return seen;
}

export async function object(client, model, prompt, schema) {
  const r = await client.messages.create({ model, max_tokens: 1000, messages: user(prompt),
    output_config: { format: { type: "json_schema", schema } } });
  return JSON.parse(said(r).text);
}

export async function models(client) {
  const list = [];
  for await (const each of client.models.list()) list.push(each.id);
  return list;
}

export async function count(client, model, prompt) {
  return (await client.messages.countTokens({ model, messages: user(prompt) })).input_tokens;
}

export function fault(e) {
  return { status: e.status, type: e.error?.error?.type, name: e.constructor.name };
}

export const CLASSES = { 400: "BadRequestError", 401: "AuthenticationError",
  404: "NotFoundError", 429: "RateLimitError", 500: "InternalServerError",
  502: "InternalServerError", 503: "ServiceUnavailableError", 529: "OverloadedError" };

// Statuses of its own.
export const OWN = { 503: 529 };
