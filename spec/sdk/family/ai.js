// SPDX-License-Identifier: Apache-2.0
// ai, Vercel's SDK, over one of its providers: what family/ai_*.js share.
import { embedMany, generateObject, generateText, isStepCount, jsonSchema, streamText, tool }
  from "ai";
import { at, NAMES, PARAMETERS, play } from "../lib/loop.js";

const quiet = { maxRetries: 0, onError: () => {} };
const FINISH = { "tool-calls": "tool_calls" };

const tools = Object.fromEntries(NAMES.map((name) => [name, tool({
  description: `Tells the ${name}`, inputSchema: jsonSchema(PARAMETERS),
  execute: async (args) => play(name, args) })]));

const word = (finish) => FINISH[finish] ?? finish;

// Throws what came as an error part.
async function drain(result) {
  let pieces = 0;
  let text = "";
  for await (const part of result.fullStream) {
    if (part.type === "text-delta") { pieces += 1; text += part.text; }
    if (part.type === "error") throw Object.assign(part.error, { said: text });
  }
  return pieces;
}

// of(client, model) -> a language model; think: provider options that ask for thoughts
export function family({ of, embedding, think }) {
  return {
    async chat(client, model, prompt, maxOutputTokens) {
      const r = await generateText({ ...quiet, model: of(client, model), prompt, maxOutputTokens,
        instructions: "Be brief." });
      return { text: r.text, finish: word(r.finishReason), input: r.usage.inputTokens,
        output: r.usage.outputTokens };
    },
    async stream(client, model, prompt, maxOutputTokens) {
      const r = streamText({ ...quiet, model: of(client, model), prompt, maxOutputTokens });
      const pieces = await drain(r);
      const usage = await r.usage;
      return { text: await r.text, finish: word(await r.finishReason), pieces,
        input: usage.inputTokens, output: usage.outputTokens };
    },
    async loop(client, model, prompt, { streamed, thinks }) {
      const options = { ...quiet, model: of(client, at(model, 0)), prompt, tools,
        prepareStep: ({ stepNumber: step }) => ({ model: of(client, at(model, step)) }),
        stopWhen: isStepCount(4), ...(thinks && { providerOptions: think }) };
      const r = streamed ? streamText(options) : await generateText(options);
      if (streamed) await drain(r);
      const steps = await r.steps;
      return { text: await r.text,
        calls: steps.flatMap((s) => s.toolCalls.map((c) => [c.toolName, c.input.city])),
        thoughts: steps.map((s) => s.reasoningText ?? "").join("") };
    },
    async object(client, model, prompt, schema) {
      const r = await generateObject({ maxRetries: 0, model: of(client, model), prompt,
        schema: jsonSchema(schema) });
      return r.object;
    },
    ...(embedding && { async embed(client, model, values) {
      const r = await embedMany({ maxRetries: 0, model: embedding(client, model), values });
      return r.embeddings;
    } }),
    fault(e) {
      return { status: e.statusCode, code: e.data?.error?.code, type: e.data?.error?.type,
        name: e.name };
    },
    CLASSES: Object.fromEntries([400, 401, 404, 429, 500, 502, 503]
      .map((status) => [status, "AI_APICallError"])),
  };
}
