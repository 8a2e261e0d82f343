// SPDX-License-Identifier: Apache-2.0
// Every client family against every provider's wire format, as leme's mock plays it
// and as strict as the real one: the same program works whoever answers. The column
// "itself" is the client without leme, straight at its own vendor's format, which
// proves the mock.
import assert from "node:assert/strict";
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
import { CITY } from "./lib/loop.js";
import { count, ERRORS, pair, PROVIDERS, table } from "./lib/matrix.js";

const FAMILIES = [openai, responses, anthropic, aiOpenai, aiOpenaiChat, aiCompatible, langchain,
  mistral, google];

const SCHEMA = { type: "object", additionalProperties: false, required: ["city", "people"],
  properties: { city: { type: "string", default: CITY }, people: { type: "integer" } } };

const cases = {
  async chat(f, client, model) {
    const r = await f.chat(client, model, "Hello there");
    assert.match(r.text, /^You said: "Hello there"/);
    assert.equal(r.finish, "stop");
    assert.ok(r.input > 0 && r.output === r.text.split(/\s+/).length, JSON.stringify(r));
    const cut = await f.chat(client, model, "Hello there", 16);
    assert.deepEqual([cut.finish, r.text.startsWith(cut.text.trim())], ["length", true]);
  },
  async stream(f, client, model) {
    const r = await f.stream(client, model, "Hello 👋 there");
    assert.match(r.text, /^You said: "Hello 👋 there"/);
    assert.deepEqual([r.finish, r.pieces > 3, r.input > 0], ["stop", true, true]);
    assert.equal(r.output, r.text.split(/\s+/).length);
    assert.equal((await f.stream(client, model, "Hello there", 16)).finish, "length");
  },
  async tools(f, client, model) {
    for (const streamed of [false, true]) {
      const r = await f.loop(client, model, "The weather?", { streamed });
      assert.deepEqual(r.calls, [["weather", CITY]]);
      assert.match(r.text, new RegExp(`"rain in ${CITY}"`));
    }
  },
  async "parallel tools"(f, client, model) {
    for (const streamed of [false, true]) {
      const r = await f.loop(client, model, "The weather and the sunrise?", { streamed });
      assert.deepEqual(r.calls, [["weather", CITY], ["sunrise", CITY]]);
      assert.match(r.text, new RegExp(`at six in ${CITY}"`));
    }
  },
  async object(f, client, model) {
    assert.deepEqual(await f.object(client, model, "Where?", SCHEMA), { city: CITY, people: 1 });
  },
  async thoughts(f, client, model) {
    for (const streamed of [false, true]) {
      const r = await f.loop(client, model, "The weather?", { streamed, thinks: true });
      assert.deepEqual(r.calls, [["weather", CITY]]);
      assert.match(r.text, new RegExp(`"rain in ${CITY}"`));
      if (f.thinks !== false) assert.match(r.thoughts, /They said 12 bytes/);
    }
  },
  async embeddings(f, client, model) {
    const [a, b, again] = await f.embed(client, model, ["one", "two", "one"]);
    assert.deepEqual([a.length, a], [256, again]);
    assert.notDeepEqual(a, b);
    assert.ok(Math.abs(a.reduce((sum, x) => sum + x * x, 0) - 1) < 1e-4);
  },
};

// A tool loop that another provider has begun.
async function moves(f, client, name, before, thinks) {
  const use = thinks ? "-think" : "";
  for (const streamed of [false, true]) {
    const r = await f.loop(client, [`${before}${use}`, `${name}${use}`],
      "The weather and the sunrise?", { streamed, thinks });
    assert.deepEqual(r.calls, [["weather", CITY], ["sunrise", CITY]]);
    assert.match(r.text, new RegExp(`at six in ${CITY}"`));
  }
}

// Which model a case is about.
const USES = { thoughts: "think", embeddings: "embed" };
const CALLS = { chat: "chat", stream: "stream", tools: "loop", "parallel tools": "loop",
  object: "object", thoughts: "loop", embeddings: "embed" };

function checkFault(f, e, kind, own) {
  const row = ERRORS[kind];
  const got = f.fault(e);
  const status = own ? f.OWN?.[kind] ?? row.own ?? row.status : row.status;
  assert.equal(got.status, status, `${e}`);
  if (f.CLASSES[status]) assert.equal(got.name, f.CLASSES[status]);
  if (own || f.face !== "openai") return;
  if (row.code) assert.equal(got.code, row.code, `${e}`);
  if (row.type) assert.equal(got.type, row.type, `${e}`);
}

// To Google's client a prompt that is blocked is an answer without candidates.
const throwsFilters = (f) => f.face !== "gemini";

// Streamed or not: for each family and kind the other one, and the next time again.
const turns = new Map();
function turn(f, kind) {
  const key = `${f.name} ${kind}`;
  turns.set(key, !turns.get(key));
  return turns.get(key) ? f.stream : f.chat;
}

async function errors(f, client, modelOf, filters, own) {
  for (const kind of Object.keys(ERRORS).filter((each) => each !== "filter" || filters))
    for (const call of process.env.EVERY || own ? [f.chat, f.stream] : [turn(f, kind)])
      await assert.rejects(call(client, modelOf(kind), "Hello there"), (e) => {
        checkFault(f, e, kind, own);
        return true;
      }, `error-${kind}`);
}

async function breaks(f, client, modelOf) {
  for (const kind of ["midway", "cut", "inside"])
    await assert.rejects(f.stream(client, modelOf(kind), "Hello there"), undefined, kind);
}

function add(f, column, what, run) {
  test(`matrix: ${f.name} client, ${column}: ${what}`, async () => {
    const both = await pair.start();
    try {
      await run(both);
    } catch (e) {
      count(f.name, column, false);
      throw e;
    }
    count(f.name, column, true);
  });
}

// Those whose loops ${name} takes over: all of them when asked for by EVERY=1, else
// one, for each family another.
function others(f, name, thinks) {
  const names = Object.keys(PROVIDERS).filter((each) => !thinks || PROVIDERS[each].think);
  const own = names.indexOf(name);
  const turn = FAMILIES.indexOf(f);
  const rest = [...names.slice(own + 1), ...names.slice(0, own)];
  return process.env.EVERY ? rest : [rest[turn % rest.length]];
}

for (const f of FAMILIES) {
  for (const [name, models] of Object.entries(PROVIDERS)) {
    for (const [what, run] of Object.entries(cases)) {
      const use = USES[what] ?? "chat";
      if (!f[CALLS[what]] || !models[use]) continue;
      add(f, name, what, ({ leme }) =>
        run(f, f.open(leme), use === "chat" ? name : `${name}-${use}`));
    }
    for (const thinks of models.think ? [false, true] : [false])
      for (const before of others(f, name, thinks))
        add(f, name, `a ${thinks ? "thinking " : ""}loop begun by ${before}`, ({ leme }) =>
          moves(f, f.open(leme), name, before, thinks));
    const modelOf = (kind) => `${name}-error-${kind}`;
    add(f, name, "errors", ({ leme }) =>
      errors(f, f.open(leme), modelOf, models.filters && throwsFilters(f)));
    add(f, name, "broken streams", ({ leme }) => breaks(f, f.open(leme), modelOf));
  }
}

// The vendor whose format a client speaks, without leme between them.
const ITSELF = { openai: ["openai", "/v1"], anthropic: ["anthropic", ""], mistral: ["mistral", ""],
  gemini: ["gemini", ""] };

for (const f of FAMILIES) {
  const [vendor, base] = ITSELF[f.face];
  const at = ({ mock: { root } }) =>
    f.open({ root: `${root}/${vendor}`, url: `${root}/${vendor}${base}` });
  for (const [what, run] of Object.entries(cases)) {
    // Its client warns of models that will be gone.
    const model = vendor === "anthropic" ? what !== "embeddings" && "claude-mock"
      : PROVIDERS[vendor][USES[what] ?? "chat"];
    if (f[CALLS[what]] && model) add(f, "itself", what, (both) => run(f, at(both), model));
  }
  add(f, "itself", "errors", (both) =>
    errors(f, at(both), (kind) => `error-${kind}`, throwsFilters(f), true));
  if (f.models) add(f, "itself", "models", async (both) =>
    assert.deepEqual(await f.models(at(both)), ["mock"]));
  if (f.count) add(f, "itself", "counted tokens", async (both) =>
    assert.ok(await f.count(at(both), "m", "Hello there") > 0));
}

for (const f of [openai, anthropic, mistral, google])
  add(f, "openai", "models", async ({ leme }) =>
    assert.ok((await f.models(f.open(leme))).includes("qwen-think")));

atEnd(async () => {
  console.log(table());
  return pair.end();
});
