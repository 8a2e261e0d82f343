// SPDX-License-Identifier: Apache-2.0
// What can go wrong, and how a program tells: the class of the error says what to
// do, `code` says why, `requestID` finds it in leme's log.
//   npm install openai && node errors.mjs
import OpenAI from "openai";

const openai = new OpenAI({
  baseURL: process.env.LEME_URL ?? "http://127.0.0.1:8080/v1",
  apiKey: process.env.LEME_CLIENT_KEY ?? "none",
  maxRetries: 2,    // where leme says x-should-retry: true, waiting as long as it says
});

try {
  const answer = await openai.chat.completions.create({
    model: process.argv[2] ?? "no-such-model",
    messages: [{ role: "user", content: "Hello" }],
  });
  console.log(answer.choices[0].message.content);
} catch (e) {
  if (!(e instanceof OpenAI.APIError)) throw e;
  console.log(`${e.constructor.name} ${e.status} ${e.code}: ${e.message}`);
  console.log(`request ${e.requestID}`);
  process.exitCode = 1;
}
