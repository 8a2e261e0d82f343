// SPDX-License-Identifier: Apache-2.0
// ai with @ai-sdk/openai: its default, the Responses API.
import { createOpenAI } from "@ai-sdk/openai";
import { family } from "./ai.js";

export const name = "ai openai";
export const face = "openai";

export function open({ url }) {
  return createOpenAI({ baseURL: url, apiKey: "none" });
}

export const { chat, stream, loop, object, embed, fault, CLASSES } = family({
  of: (client, model) => client(model),
  embedding: (client, model) => client.embeddingModel(model),
  think: { openai: { reasoningEffort: "high", reasoningSummary: "auto", forceReasoning: true,
    store: false } },
});
