// SPDX-License-Identifier: Apache-2.0
// @mistralai/mistralai, which reads answers through a schema.
import { Mistral } from "@mistralai/mistralai";
import { at, play, TOOLS } from "../lib/loop.js";

export const name = "mistral";
export const face = "mistral";

export const open = ({ root }) => new Mistral({ serverURL: root, apiKey: "none" });

const user = (content) => [{ role: "user", content }];

function text(content) {
  if (!Array.isArray(content)) return content ?? "";
  return content.map((part) => part.text ?? "").join("");
}

// Its thoughts are parts of the content.
function thoughts(content) {
  return (Array.isArray(content) ? content : []).flatMap((part) => part.thinking ?? [])
    .map((part) => part.text).join("");
}

const said = (r) => ({ text: text(r.choices[0].message.content), finish: r.choices[0].finishReason,
  input: r.usage.promptTokens, output: r.usage.completionTokens });

export async function chat(client, model, prompt, maxTokens) {
  return said(await client.chat.complete({ model, maxTokens,
    messages: [{ role: "system", content: "Be brief." }, ...user(prompt)] }));
}

async function join(stream) {
  const message = { role: "assistant", content: "" };
  const calls = [];
  const got = { message, pieces: 0 };
  for await (const { data } of stream) {
    got.usage = data.usage ?? got.usage;
    const [choice] = data.choices;
    if (!choice) continue;
    const piece = text(choice.delta.content);
    if (piece) { message.content += piece; got.pieces += 1; }
    message.thoughts = (message.thoughts ?? "") + thoughts(choice.delta.content);
    for (const { index = calls.length, function: fn, id } of choice.delta.toolCalls ?? []) {
      calls[index] ??= { id, function: { name: "", arguments: "" } };
      calls[index].function.name += fn.name;
      calls[index].function.arguments += fn.arguments;
    }
    got.finish = choice.finishReason ?? got.finish;
  }
  if (calls.length > 0) message.toolCalls = calls;
  return got;
}

export async function stream(client, model, prompt, maxTokens) {
  const got = await join(await client.chat.stream({ model, maxTokens, messages: user(prompt) }));
  return { text: got.message.content, finish: got.finish, pieces: got.pieces,
    input: got.usage?.promptTokens, output: got.usage?.completionTokens };
}

export async function loop(client, model, prompt, { streamed, thinks }) {
  const messages = user(prompt);
  const seen = { calls: [], text: "", thoughts: "" };
  for (let step = 0; step < 4 && !seen.text; step += 1) {
    const body = { model: at(model, step), messages, tools: TOOLS, ...(thinks && { reasoningEffort: "high" }) };
    const message = streamed ? (await join(await client.chat.stream(body))).message
      : (await client.chat.complete(body)).choices[0].message;
    messages.push({ ...message, role: "assistant" });
    seen.thoughts += message.thoughts ?? thoughts(message.content);
    delete messages.at(-1).thoughts;
    for (const { id, function: fn } of message.toolCalls ?? []) {
      const args = typeof fn.arguments === "string" ? JSON.parse(fn.arguments) : fn.arguments;
      seen.calls.push([fn.name, args.city]);
      messages.push({ role: "tool", toolCallId: id, name: fn.name, content: play(fn.name, args) });
    }
    if (!message.toolCalls?.length) seen.text = text(message.content);
  }
  return seen;
}

export async function object(client, model, prompt, schema) {
  const r = await client.chat.complete({ model, messages: user(prompt), responseFormat: {
    type: "json_schema", jsonSchema: { name: "place", schemaDefinition: schema, strict: true } } });
  return JSON.parse(text(r.choices[0].message.content));
}

export async function embed(client, model, inputs) {
  const r = await client.embeddings.create({ model, inputs });
  return r.data.map((each) => each.embedding);
}

export async function models(client) {
  return (await client.models.list()).data.map((each) => each.id);
}

export function fault(e) {
  return { status: e.statusCode, name: e.constructor.name };
}

export const CLASSES = {};
