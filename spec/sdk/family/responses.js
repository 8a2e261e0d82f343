// SPDX-License-Identifier: Apache-2.0
// openai: the Responses API.
import OpenAI from "openai";
import { at, play, TOOLS } from "../lib/loop.js";

export const name = "openai responses";
export const face = "openai";
export { CLASSES, fault, open } from "./openai.js";

function finish(r) {
  if (r.status === "incomplete") return "length";
  return r.output.some((item) => item.type === "function_call") ? "tool_calls" : "stop";
}

const said = (r) => ({ text: r.output_text, finish: finish(r), input: r.usage.input_tokens,
  output: r.usage.output_tokens });

export async function chat(client, model, input, max) {
  return said(await client.responses.create({ model, input, max_output_tokens: max,
    instructions: "Be brief.", store: false }));
}

async function whole(stream) {
  let pieces = 0;
  let number = -1;
  let last;
  for await (const event of stream) {
    if (event.sequence_number !== number + 1) throw new Error(`event ${number + 1} is missing`);
    number = event.sequence_number;
    if (event.type === "response.output_text.delta") pieces += 1;
    if (event.type === "error") throw new OpenAI.APIError(undefined, event, event.message);
    if (event.type === "response.failed") throw new OpenAI.APIError(undefined, event.response.error,
      event.response.error.message);
    last = event;
  }
  if (!/^response\.(completed|incomplete)$/.test(last?.type))
    throw new Error(`ends with ${last?.type}`);
  return { response: last.response, pieces };
}

export async function stream(client, model, input, max) {
  const { response, pieces } = await whole(await client.responses.create({ model, input,
    max_output_tokens: max, stream: true, store: false }));
  const text = response.output.filter((item) => item.type === "message")
    .flatMap((item) => item.content).map((part) => part.text ?? "").join("");
  return { ...said({ ...response, output_text: text }), pieces };
}

const tools = TOOLS.map((tool) => ({ type: "function", strict: false, ...tool.function }));

export async function loop(client, model, prompt, { streamed, thinks }) {
  const input = [{ role: "user", content: prompt }];
  const seen = { calls: [], text: "", thoughts: "" };
  for (let step = 0; step < 4 && !seen.text; step += 1) {
    const body = { model: at(model, step), input, tools, store: false,
      ...(thinks && { reasoning: { effort: "high", summary: "auto" },
        include: ["reasoning.encrypted_content"] }) };
    const r = streamed
      ? (await whole(await client.responses.create({ ...body, stream: true }))).response
      : await client.responses.create(body);
    input.push(...r.output);
    for (const item of r.output) {
      if (item.type === "reasoning")
        seen.thoughts += [...item.summary, ...(item.content ?? [])].map((p) => p.text).join("");
      if (item.type === "message") seen.text += item.content.map((part) => part.text).join("");
      if (item.type !== "function_call") continue;
      const args = JSON.parse(item.arguments);
      seen.calls.push([item.name, args.city]);
      input.push({ type: "function_call_output", call_id: item.call_id,
        output: play(item.name, args) });
    }
  }
  return seen;
}

export async function object(client, model, input, schema) {
  const r = await client.responses.create({ model, input, store: false,
    text: { format: { type: "json_schema", name: "place", schema, strict: true } } });
  return JSON.parse(r.output_text);
}
