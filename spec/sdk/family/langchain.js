// SPDX-License-Identifier: Apache-2.0
// @langchain/openai.
import { HumanMessage, SystemMessage, ToolMessage } from "@langchain/core/messages";
import { ChatOpenAI, OpenAIEmbeddings } from "@langchain/openai";
import { at, play, TOOLS } from "../lib/loop.js";

export const name = "langchain";
export const face = "openai";

// It shows no thoughts, and sends none back.
export const thinks = false;

export const open = ({ url }) => ({ baseURL: url });

function of(configuration, model, more = {}) {
  return new ChatOpenAI({ model, apiKey: "none", maxRetries: 0, configuration, ...more });
}

function said(m) {
  return { text: m.content, finish: m.response_metadata.finish_reason,
    input: m.usage_metadata?.input_tokens, output: m.usage_metadata?.output_tokens };
}

async function join(stream) {
  let whole = null;
  let pieces = 0;
  for await (const piece of stream) {
    whole = whole ? whole.concat(piece) : piece;
    if (piece.content) pieces += 1;
  }
  return { whole, pieces };
}

export async function chat(client, model, prompt, maxTokens) {
  return said(await of(client, model, { maxTokens }).invoke(
    [new SystemMessage("Be brief."), new HumanMessage(prompt)]));
}

export async function stream(client, model, prompt, maxTokens) {
  const { whole, pieces } = await join(await of(client, model, { maxTokens }).stream(prompt));
  return { ...said(whole), pieces };
}

export async function loop(client, model, prompt, { streamed }) {
  const messages = [new HumanMessage(prompt)];
  const seen = { calls: [], text: "" };
  for (let step = 0; step < 4 && !seen.text; step += 1) {
    const bound = of(client, at(model, step)).bindTools(TOOLS);
    const answer = streamed ? (await join(await bound.stream(messages))).whole
      : await bound.invoke(messages);
    messages.push(answer);
    for (const { id, name: called, args } of answer.tool_calls) {
      seen.calls.push([called, args.city]);
      messages.push(new ToolMessage({ tool_call_id: id, content: play(called, args) }));
    }
    if (answer.tool_calls.length === 0) seen.text = answer.content;
  }
  return seen;
}

export function object(client, model, prompt, schema) {
  return of(client, model).withStructuredOutput(schema, { name: "place", method: "jsonSchema" })
    .invoke(prompt);
}

export function embed(client, model, texts) {
  return new OpenAIEmbeddings({ model, apiKey: "none", maxRetries: 0, configuration: client })
    .embedDocuments(texts);
}

export function fault(e) {
  // A prompt that is too long has an error of its own around the client's.
  const { status, code, type } = e.status ? e : e.cause;
  return { status, code, type, name: "" };
}

export const CLASSES = {};
