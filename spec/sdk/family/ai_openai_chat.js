// SPDX-License-Identifier: Apache-2.0
// ai with @ai-sdk/openai: chat completions.
import { family } from "./ai.js";

export const name = "ai openai chat";
export const face = "openai";
export { open } from "./ai_openai.js";

// Its chat models do not read thoughts.
export const thinks = false;

export const { chat, stream, loop, object, fault, CLASSES } = family({
  of: (client, model) => client.chat(model), think: { openai: { reasoningEffort: "high" } },
});
