// SPDX-License-Identifier: Apache-2.0
// A stream through leme: the words as they come, then who said them.
//   npm install openai && node stream.mjs "Why is the sky blue?"
import OpenAI from "openai";

const openai = new OpenAI({
  baseURL: process.env.LEME_URL ?? "http://127.0.0.1:8080/v1",
  apiKey: process.env.LEME_CLIENT_KEY ?? "none",
});

const { data: stream, response } = await openai.chat.completions.create({
  model: process.env.LEME_MODEL ?? "chat",
  messages: [{ role: "user", content: process.argv[2] ?? "Hello" }],
  stream: true,
  stream_options: { include_usage: true },
}).withResponse();

let usage;
for await (const chunk of stream) {
  process.stdout.write(chunk.choices[0]?.delta.content ?? "");
  usage = chunk.usage ?? usage;
}

const header = (name) => response.headers.get(name);
console.log(`\n\n${header("x-leme-target")} by ${header("x-leme-policy")}, ` +
  `${usage?.completion_tokens ?? "?"} tokens, request ${header("x-request-id")}`);
