// SPDX-License-Identifier: Apache-2.0
// Recorded exchanges, played byte by byte by leme's mock, as each client family sees
// them through leme: every recording by one family, in turn, so that all families meet
// all providers. RECORDINGS names their folder; without one nothing is here to run.
import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { resolve } from "node:path";
import * as aiCompatible from "./family/ai_compatible.js";
import * as aiOpenai from "./family/ai_openai.js";
import * as aiOpenaiChat from "./family/ai_openai_chat.js";
import * as anthropic from "./family/anthropic.js";
import * as google from "./family/google.js";
import * as langchain from "./family/langchain.js";
import * as mistral from "./family/mistral.js";
import * as openai from "./family/openai.js";
import * as responses from "./family/responses.js";
import { atEnd, test } from "./lib/harness.js";
import { count, Pair, table } from "./lib/matrix.js";
import { cases, reading } from "./lib/recorded.js";

const FAMILIES = [openai, responses, anthropic, aiOpenai, aiOpenaiChat, aiCompatible, langchain,
  mistral, google];
const folder = process.env.RECORDINGS && resolve(process.env.RECORDINGS);
const all = folder && existsSync(folder) ? cases(folder) : [];

function config(port) {
  const dialects = [...new Set(all.map((it) => it.dialect))];
  return [...dialects.map((dialect) => `provider "${dialect}" { dialect = "${dialect}", `
    + `key = "sk-recorded", base = "http://127.0.0.1:${port}/${dialect}/v1" }`),
  ...all.map((it, i) => `model "case-${i}" { "${it.dialect}/${it.name}" }`), ""].join("\n");
}

const pair = new Pair(config, "--recordings", folder ?? "");

// Seen by the client as the recording has it: its words, and whether it asks for tools.
async function check(f, client, i, it) {
  const want = reading(it);
  const ask = it.streamed ? f.stream : f.chat;
  const seen = ask(client, `case-${i}`, "Hello there", 8000);
  if (!want) {
    await assert.rejects(seen);
    return;
  }
  const got = await seen;
  assert.equal((got.text ?? "").trim(), want.text.trim());
  if (want.calls.length > 0) assert.equal(got.finish, "tool_calls");
}

// Every family meets every provider: the turns go on within a provider.
const turns = new Map();

all.forEach((it, i) => {
  const turn = turns.get(it.dialect) ?? turns.size;
  turns.set(it.dialect, turn + 1);
  const f = FAMILIES[turn % FAMILIES.length];
  test(`recorded: ${f.name} client, ${it.name}`, async () => {
    const { leme } = await pair.start();
    try {
      await check(f, f.open(leme), i, it);
    } catch (e) {
      count(it.dialect, f.name, false, "recorded");
      throw e;
    }
    count(it.dialect, f.name, true, "recorded");
  });
});

if (all.length === 0) console.log("no RECORDINGS: what was recorded is not played");

atEnd(async () => {
  console.log(table("recorded"));
  return pair.end();
});
