// SPDX-License-Identifier: Apache-2.0
// ai with @ai-sdk/openai-compatible, which checks every chunk against a schema.
import { createOpenAICompatible } from "@ai-sdk/openai-compatible";
import { family } from "./ai.js";

export const name = "ai compatible";
export const face = "openai";

export function open({ url }) {
  return createOpenAICompatible({ name: "leme", baseURL: url, apiKey: "none", includeUsage: true,
    supportsStructuredOutputs: true });
}

export const { chat, stream, loop, object, embed, fault, CLASSES } = family({
  of: (client, model) => client(model),
  embedding: (client, model) => client.embeddingModel(model),
  think: { leme: { reasoningEffort: "high" } },
});
