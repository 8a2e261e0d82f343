// SPDX-License-Identifier: Apache-2.0
// answers: what an honest provider says, in OpenAI's form.

export const USAGE = {
  prompt_tokens: 9, completion_tokens: 4, total_tokens: 13,
  prompt_tokens_details: { cached_tokens: 3 },
};

const FRAME = { id: "chatcmpl-1", created: 1763750000, model: "x-2026-01-01" };

export function completion(message, finish = "stop") {
  return {
    ...FRAME, object: "chat.completion",
    choices: [{ index: 0, logprobs: null, finish_reason: finish,
      message: { role: "assistant", content: null, refusal: null, ...message } }],
    usage: USAGE, system_fingerprint: null,
  };
}

export function chunk(delta, finish = null, index = 0) {
  return {
    ...FRAME, object: "chat.completion.chunk",
    choices: [{ index, delta, logprobs: null, finish_reason: finish }],
  };
}

export function usageChunk() {
  return { ...FRAME, object: "chat.completion.chunk", choices: [], usage: USAGE };
}

// The chunks of a stream that says ${pieces}; without the usage.
export function chunks(pieces) {
  return [
    chunk({ role: "assistant", content: "", refusal: null }),
    ...pieces.map((content) => chunk({ content })),
    chunk({}, "stop"),
  ];
}

export function toolCall(id, name, args) {
  return { id, type: "function", function: { name, arguments: JSON.stringify(args) } };
}

// A call streamed as providers do: first the name, then pieces of the arguments.
export function toolChunks(calls, size = 5) {
  const out = [chunk({ role: "assistant", content: null })];
  calls.forEach((call, index) => {
    const { name, arguments: args } = call.function;
    out.push(chunk({ tool_calls: [{ index, ...call, function: { name, arguments: "" } }] }));
    for (let at = 0; at < args.length; at += size) {
      const piece = { arguments: args.slice(at, at + size) };
      out.push(chunk({ tool_calls: [{ index, function: piece }] }));
    }
  });
  out.push(chunk({}, "tool_calls"));
  return out;
}

export function streamOf(call, list) {
  call.begin();
  for (const each of list) call.event(each);
  if (call.body.stream_options?.include_usage) call.event(usageChunk());
  call.event("[DONE]");
  call.end();
}

// A behaviour: says ${pieces}, streamed or whole as it is asked.
export function says(...pieces) {
  return (call) => {
    if (call.body.stream) streamOf(call, chunks(pieces));
    else call.json(200, completion({ content: pieces.join("") }));
  };
}

// A behaviour: asks for ${calls}, streamed or whole.
export function asksFor(...calls) {
  return (call) => {
    if (call.body.stream) streamOf(call, toolChunks(calls));
    else call.json(200, completion({ tool_calls: calls }, "tool_calls"));
  };
}

// A behaviour: refuses as OpenAI does.
export function refuses(status, error, headers) {
  return (call) => call.json(status, { error }, headers);
}
