// SPDX-License-Identifier: Apache-2.0
// loop: the tools of a tool loop. The mock calls a tool that the prompt names, with the
// values that its schema has as defaults.

export const CITY = "東京";

export const PARAMETERS = {
  type: "object", additionalProperties: false, required: ["city"],
  properties: { city: { type: "string", description: "A city", default: CITY } },
};

export const NAMES = ["weather", "sunrise"];

// In OpenAI's form.
export const TOOLS = NAMES.map((name) => ({ type: "function",
  function: { name, description: `Tells the ${name}`, parameters: PARAMETERS } }));

// The model of a step: one for all, or the first of two and then the other.
export function at(model, step) {
  return Array.isArray(model) ? model[Math.min(step, 1)] : model;
}

export function play(name, { city }) {
  return name === "weather" ? `rain in ${city}` : `at six in ${city}`;
}
