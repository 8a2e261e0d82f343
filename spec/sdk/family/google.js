// SPDX-License-Identifier: Apache-2.0
// @google/genai.
import { GoogleGenAI } from "@google/genai";
import { at, NAMES, PARAMETERS, play } from "../lib/loop.js";

export const name = "google";
export const face = "gemini";

export function open({ root }) {
  return new GoogleGenAI({ apiKey: "none", httpOptions: { baseUrl: root } });
}

const FINISH = { STOP: "stop", MAX_TOKENS: "length" };

function said(r) {
  const { finishReason, content } = r.candidates[0];
  const parts = content?.parts ?? [];
  return { text: parts.filter((part) => !part.thought).map((part) => part.text ?? "").join(""),
    finish: parts.some((part) => part.functionCall) ? "tool_calls" : FINISH[finishReason],
    input: r.usageMetadata?.promptTokenCount,
    output: r.usageMetadata?.candidatesTokenCount + (r.usageMetadata?.thoughtsTokenCount ?? 0) };
}

export async function chat(client, model, contents, maxOutputTokens) {
  return said(await client.models.generateContent({ model, contents,
    config: { maxOutputTokens, systemInstruction: "Be brief." } }));
}

async function join(stream) {
  const parts = [];
  let last;
  for await (const chunk of stream) {
    parts.push(...(chunk.candidates?.[0]?.content?.parts ?? []));
    last = chunk;
  }
  return { parts, last };
}

export async function stream(client, model, contents, maxOutputTokens) {
  const { parts, last } = await join(await client.models.generateContentStream({ model, contents,
    config: { maxOutputTokens } }));
  const pieces = parts.filter((part) => part.text && !part.thought);
  return { text: pieces.map((part) => part.text).join(""), pieces: pieces.length,
    finish: parts.some((part) => part.functionCall) ? "tool_calls"
      : FINISH[last.candidates[0].finishReason], input: last.usageMetadata?.promptTokenCount,
    output: last.usageMetadata?.candidatesTokenCount };
}

const tools = [{ functionDeclarations: NAMES.map((each) => ({ name: each,
  description: `Tells the ${each}`, parametersJsonSchema: PARAMETERS })) }];

export async function loop(client, model, prompt, { streamed, thinks }) {
  const contents = [{ role: "user", parts: [{ text: prompt }] }];
  const seen = { calls: [], text: "", thoughts: "" };
  const config = { tools, ...(thinks && { thinkingConfig: {
    includeThoughts: true, thinkingBudget: 2048 } }) };
  for (let step = 0; step < 4 && !seen.text; step += 1) {
    const ask = { model: at(model, step), contents, config };
    const parts = streamed
      ? (await join(await client.models.generateContentStream(ask))).parts
      : (await client.models.generateContent(ask)).candidates[0].content.parts;
    contents.push({ role: "model", parts });
    const results = [];
    for (const part of parts) {
      if (part.thought) seen.thoughts += part.text;
      else if (part.functionCall) {
        const { name: called, args, id } = part.functionCall;
        seen.calls.push([called, args.city]);
        results.push({ functionResponse: { name: called, id,
          response: { result: play(called, args) } } });
      } else seen.text += part.text ?? "";
    }
    if (results.length > 0) contents.push({ role: "user", parts: results });
  }
  return seen;
}

export async function object(client, model, contents, schema) {
  const r = await client.models.generateContent({ model, contents,
    config: { responseMimeType: "application/json", responseJsonSchema: schema } });
  return JSON.parse(said(r).text);
}

export async function embed(client, model, contents) {
  const r = await client.models.embedContent({ model, contents });
  return r.embeddings.map((each) => each.values);
}

export async function models(client) {
  const list = [];
  for await (const each of await client.models.list()) list.push(each.name.replace("models/", ""));
  return list;
}

export async function count(client, model, contents) {
  return (await client.models.countTokens({ model, contents })).totalTokens;
}

export function fault(e) {
  return { status: e.status, name: e.constructor.name };
}

// Statuses of its own.
export const OWN = { 401: 400 };

export const CLASSES = Object.fromEntries([400, 401, 404, 429, 500, 502, 503]
  .map((status) => [status, "ApiError"]));
