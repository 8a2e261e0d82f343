// SPDX-License-Identifier: Apache-2.0
// The official client where something is wrong: the class of the error, what it
// says, and whether the client asks again.
import assert from "node:assert/strict";
import http from "node:http";
import OpenAI from "openai";
import { chunk, chunks, completion, refuses, says } from "./lib/answers.js";
import { test } from "./lib/harness.js";
import { SECRET, until, within } from "./lib/world.js";

const ask = { model: "m", messages: [{ role: "user", content: "Say hello" }] };
const streamed = { ...ask, stream: true };

async function failure(promise) {
  try {
    await promise;
  } catch (e) {
    return e;
  }
  throw new Error("nothing was thrown");
}

// The text so far, and what the stream threw.
async function drained(stream) {
  let text = "";
  try {
    for await (const c of stream) text += c.choices[0]?.delta.content ?? "";
  } catch (error) {
    return { text, error };
  }
  return { text, error: null };
}

// A model "m" whose policy refuses or answers by itself.
function saying(route) {
  return {
    config: "model \"m\" { policy = \"own.lua\", default_route = { \"a/x\" } }",
    files: { "own.lua": `local leme = require "leme"
return leme.policy { name = "own", route = function(req) ${route} end }
` },
  };
}

// -- classes ---------------------------------------------------------------------

const wrong = { message: "no such thing as temperature 9", type: "invalid_request_error",
  param: "temperature", code: "unsupported_value" };

// What the provider answers, what the client's error is.
const answered = [
  [400, wrong, OpenAI.BadRequestError, 400, "invalid_request_error"],
  [422, wrong, OpenAI.UnprocessableEntityError, 422, "invalid_request_error"],
  [404, { ...wrong, code: "model_not_found", param: "model" }, OpenAI.NotFoundError, 404,
    "invalid_request_error", "model_not_found"],
  [400, { ...wrong, code: "context_length_exceeded" }, OpenAI.BadRequestError, 400,
    "invalid_request_error", "context_length_exceeded"],
  [400, { ...wrong, code: "content_filter" }, OpenAI.BadRequestError, 400,
    "invalid_request_error", "content_filter"],
  [429, { message: "slow down", type: "requests", code: "rate_limit_exceeded" },
    OpenAI.RateLimitError, 429, "rate_limit_error", "rate_limit_exceeded"],
  [429, { message: "You exceeded your current quota", type: "insufficient_quota",
    code: "insufficient_quota" }, OpenAI.RateLimitError, 429, "insufficient_quota",
  "insufficient_quota"],
  [401, { message: "Incorrect API key", code: "invalid_api_key" },
    OpenAI.InternalServerError, 502, "server_error", "provider_auth"],
  [403, { message: "Country not supported" },
    OpenAI.InternalServerError, 502, "server_error", "provider_auth"],
  [500, { message: "The server had an error" },
    OpenAI.InternalServerError, 502, "server_error", "provider_server_error"],
  [503, { message: "Overloaded" }, OpenAI.InternalServerError, 503, "server_error",
    "provider_overloaded"],
  [529, { message: "Overloaded" }, OpenAI.InternalServerError, 503, "server_error",
    "provider_overloaded"],
];

for (const [status, error, type, expected, kind, code] of answered) {
  const name = `${status} ${error.code ?? ""}`.trim();
  for (const stream of [false, true]) {
    const how = stream ? " for a stream" : "";
    test(`a provider's ${name} is a ${type.name}${how}`, async (w) => {
      const { up, openai } = await w.simple(refuses(status, error));
      const e = await failure(openai.chat.completions.create({ ...ask, stream }));
      assert.equal(e.constructor, type, e.stack);
      assert.equal(e.status, expected);
      assert.equal(e.type, kind);
      if (code) assert.equal(e.code, code);
      assert.match(e.requestID, /^req_/);
      assert.ok(e.message.includes(error.message), e.message);
      if (expected < 429) assert.equal(e.param, error.param);
      assert.equal(up.calls.length, 1);
    });
  }
}

test("a caller's own mistake comes with the provider's code", async (w) => {
  const { openai } = await w.simple(refuses(400, wrong));
  const e = await failure(openai.chat.completions.create(ask));
  assert.equal(e.code, "unsupported_value");
});

test("a page of HTML instead of an answer is a plain error", async (w) => {
  const { openai } = await w.simple((call) =>
    call.json(502, "<html><body><h1>502 Bad Gateway</h1></body></html>"));
  const e = await failure(openai.chat.completions.create(ask));
  assert.equal(e.constructor, OpenAI.InternalServerError);
  assert.equal(e.code, "provider_server_error");
});

test("the provider's words come without our key", async (w) => {
  const { openai } = await w.simple(refuses(400, { ...wrong, message: `bad key ${SECRET} given` }));
  const e = await failure(openai.chat.completions.create(ask));
  assert.match(e.message, /bad key .* given/);
  assert.ok(!JSON.stringify([e.message, e.error]).includes(SECRET));
});

test("an unknown model is a NotFoundError that names it", async (w) => {
  const { openai, up } = await w.simple(says(""));
  for (const body of [{ ...ask, model: "nope" }, { ...streamed, model: "nope" }]) {
    const e = await failure(openai.chat.completions.create(body));
    assert.equal(e.constructor, OpenAI.NotFoundError);
    assert.deepEqual([e.code, e.type], ["model_not_found", "invalid_request_error"]);
    assert.match(e.message, /nope/);
    assert.match(e.requestID, /^req_/);
  }
  assert.equal(up.calls.length, 0);
});

test("a model that is not listed is a NotFoundError with an id", async (w) => {
  const { openai } = await w.simple(says(""));
  const e = await failure(openai.models.retrieve("nope"));
  assert.equal(e.constructor, OpenAI.NotFoundError);
  assert.equal(e.code, "model_not_found");
  assert.match(String(e.requestID), /^req_/);
});

test("a path that is not served is a NotFoundError", async (w) => {
  const { openai } = await w.simple(says(""));
  const e = await failure(openai.moderations.create({ input: "x" }));
  assert.equal(e.constructor, OpenAI.NotFoundError);
  assert.equal(e.type, "invalid_request_error");
  assert.match(e.requestID, /^req_/);
});

test("a body without a model is a BadRequestError", async (w) => {
  const { openai } = await w.simple(says(""));
  const e = await failure(openai.chat.completions.create({ messages: [] }));
  assert.equal(e.constructor, OpenAI.BadRequestError);
  assert.match(e.message, /model/);
});

test("a key that is not configured is an AuthenticationError", async (w) => {
  const up = await w.upstream(says("yes"));
  const leme = await w.leme({ a: up },
    { config: "client { name = \"web\", key = \"key-of-the-web-client\" }" });
  const openai = w.openai(leme, { apiKey: "key-of-somebody-else", maxRetries: 2 });
  for (const ask1 of [ask, streamed]) {
    const e = await failure(openai.chat.completions.create(ask1));
    assert.equal(e.constructor, OpenAI.AuthenticationError);
    assert.deepEqual([e.code, e.type, e.param], ["invalid_api_key", "authentication_error", null]);
    assert.match(e.requestID, /^req_/);
    assert.ok(!e.message.includes("key-of-somebody-else"));
  }
  await failure(openai.models.list());
  assert.equal((await leme.logged(3)).length, 3);
  assert.equal(up.calls.length, 0);
  const known = w.openai(leme, { apiKey: "key-of-the-web-client" });
  await known.chat.completions.create(ask);
  assert.equal(up.calls.length, 1);
});

const refused = [
  [400, OpenAI.BadRequestError], [401, OpenAI.AuthenticationError],
  [403, OpenAI.PermissionDeniedError], [404, OpenAI.NotFoundError],
  [409, OpenAI.ConflictError], [422, OpenAI.UnprocessableEntityError],
  [429, OpenAI.RateLimitError], [500, OpenAI.InternalServerError],
  [503, OpenAI.InternalServerError],
];

test("a policy's refusal is the class of its status, with its words", async (w) => {
  const { leme, openai, up } = await w.simple(says(""),
    saying("return leme.reject(tonumber(req.question), \"not for \" .. req.question)"));
  for (const [status, type] of refused) {
    for (const stream of [false, true]) {
      const e = await failure(openai.chat.completions.create({
        ...ask, stream, messages: [{ role: "user", content: String(status) }] }));
      assert.equal(e.constructor, type, `${status}: ${e}`);
      assert.equal(e.status, status);
      assert.match(e.message, new RegExp(`not for ${status}`));
      assert.match(e.requestID, /^req_/);
      assert.equal(typeof e.type, "string");
      assert.equal(typeof e.code, "string");
    }
  }
  assert.equal(up.calls.length, 0);
  assert.equal(leme.text.includes("policy_bad_result"), false);
});

test("a policy's own answer is an answer", async (w) => {
  const said = completion({ content: "from the policy" });
  const text = JSON.stringify(said);
  const { openai } = await w.simple(says(""), saying(`return leme.respond(200, [[${text}]])`));
  const answer = await openai.chat.completions.create(ask);
  assert.deepEqual({ ...answer }, said);
});

// -- asking again ------------------------------------------------------------------

// A client that notes when it sent what.
function patient(w, leme, options = {}) {
  const sent = [];
  const openai = w.openai(leme, { maxRetries: 2, ...options, fetch: (url, init) => {
    sent.push({ at: performance.now(), headers: new Headers(init.headers) });
    return fetch(url, init);
  } });
  return { openai, sent };
}

test("retry-after-ms of a busy provider is what the client waits", async (w) => {
  const { up, leme } = await w.simple((call, n) => (n === 1
    ? refuses(429, { message: "slow down" }, { "retry-after-ms": "40" })
    : says("at last"))(call));
  const { openai, sent } = patient(w, leme);
  const answer = await openai.chat.completions.create(ask);
  assert.equal(answer.choices[0].message.content, "at last");
  assert.equal(up.calls.length, 2);
  const lines = await leme.logged(2);
  assert.deepEqual(lines.map((l) => l.code), [429, 200]);
  const waited = sent[1].at - sent[0].at;
  assert.ok(waited >= 40 && waited < 400, `waited ${waited} ms`);
});

test("retry-after in seconds is passed on in both forms", async (w) => {
  const { openai } = await w.simple(refuses(429, { message: "slow down" }, { "retry-after": "7" }));
  const e = await failure(openai.chat.completions.create(ask));
  assert.equal(e.headers.get("retry-after"), "7");
  assert.equal(e.headers.get("retry-after-ms"), "7000");
  assert.equal(e.headers.get("x-should-retry"), "true");
});

test("x-should-retry true is asked again twice", async (w) => {
  const { up, leme } = await w.simple(refuses(503, { message: "busy" }, { "retry-after-ms": "5" }));
  const { openai } = patient(w, leme);
  const e = await failure(openai.chat.completions.create(ask));
  assert.equal(e.status, 503);
  assert.equal(e.headers.get("x-should-retry"), "true");
  assert.equal((await leme.logged(3)).length, 3);
  assert.ok(up.calls.length <= 3);
});

test("x-should-retry false is asked once", async (w) => {
  const { up, leme } = await w.simple(refuses(401, { message: "no" }));
  const { openai, sent } = patient(w, leme);
  const e = await failure(openai.chat.completions.create(ask));
  assert.equal(e.status, 502);
  assert.equal(e.headers.get("x-should-retry"), "false");
  assert.equal(sent.length, 1);
  assert.equal((await leme.logged(1)).length, 1);
  assert.equal(up.calls.length, 1);
});

test("a policy says when the client may come again", async (w) => {
  const { leme } = await w.simple(says(""),
    saying("return leme.reject(429, \"later\", { retry_after = 0.02 })"));
  const { openai, sent } = patient(w, leme);
  const e = await failure(openai.chat.completions.create(ask));
  assert.equal(e.status, 429);
  assert.equal(e.headers.get("retry-after-ms"), "20");
  assert.equal(sent.length, 3);
  assert.ok(sent[2].at - sent[0].at < 400, "the client waits as it is told");
});

// -- in the middle of a stream ---------------------------------------------------------

// Begins well, and ends as ${ending} does when the client has the words.
function breaking(ending) {
  return async (call) => {
    call.begin();
    for (const c of chunks(["one ", "two"]).slice(0, 3)) call.event(c);
    await call.flushed();
    await call.read;
    ending(call);
  };
}

// The text is at the client before the provider goes on.
async function broken(w, ending) {
  let proceed;
  const read = new Promise((done) => { proceed = done; });
  const { up, leme, openai } = await w.simple(async (call) => {
    call.read = read;
    await breaking(ending)(call);
  });
  const stream = await openai.chat.completions.create(streamed);
  let text = "";
  let error = null;
  try {
    for await (const c of stream) {
      text += c.choices[0]?.delta.content ?? "";
      if (text === "one two") proceed();
    }
  } catch (e) {
    error = e;
  }
  return { up, leme, text, error };
}

const endings = {
  "a cut": (call) => call.cut(),
  "an end without a finish reason": (call) => call.end(),
  "an error event": (call) => {
    call.event({ error: { message: "out of memory", type: "server_error" } });
    call.end();
  },
  "a named error event": (call) => {
    call.bytes("event: error\ndata: {\"error\":{\"message\":\"out of memory\"}}\n\n");
    call.end();
  },
  "half an event": (call) => {
    call.bytes("data: {\"id\":\"chatcmpl-1\",\"choi");
    call.end();
  },
  "an event that is not JSON": (call) => {
    call.event("{not json}");
    call.end();
  },
  "choices together with an error": (call) => {
    call.event({ ...chunk({ content: "" }, "error"), error: { message: "gone", code: 502 } });
    call.end();
  },
};

for (const [name, ending] of Object.entries(endings)) {
  test(`${name} after the first words throws an APIError after those words`, async (w) => {
    const { up, leme, text, error } = await broken(w, ending);
    assert.equal(text, "one two");
    assert.ok(error instanceof OpenAI.APIError, String(error));
    assert.equal(error.type, "server_error");
    assert.match(error.code, /^provider_/);
    assert.equal(up.calls.length, 1);
    const [line] = await leme.logged(1);
    assert.match(line.error_type, /^provider_/);
    assert.equal(line.end, "UD");
  });
}

test("words and a cut in one packet are words, then an APIError", async (w) => {
  const { openai } = await w.simple((call) => {
    call.begin();
    call.bytes(chunks(["one ", "two"]).slice(0, 3)
      .map((c) => `data: ${JSON.stringify(c)}\n\n`).join(""));
    call.end();
  });
  const { text, error } = await drained(await openai.chat.completions.create(streamed));
  assert.equal(text, "one two");
  assert.ok(error instanceof OpenAI.APIError, String(error));
});

// -- the bytes ----------------------------------------------------------------------------

function raw(leme, body) {
  return new Promise((done, fail) => {
    const request = http.request(`${leme.url}/chat/completions`, { method: "POST",
      headers: { "content-type": "application/json" } }, async (response) => {
      let text = "";
      for await (const part of response.setEncoding("utf8")) text += part;
      done({ status: response.statusCode, headers: response.headers, text });
    });
    request.on("error", fail);
    request.end(JSON.stringify(body));
  });
}

test("a broken stream ends with one error event, [DONE], and nothing after it", async (w) => {
  const { leme } = await w.simple((call) => {
    call.begin();
    for (const c of chunks(["one"]).slice(0, 2)) call.event(c);
    call.event({ error: { message: "gone" } });
    for (const c of chunks(["never"])) call.event(c);
    call.end();
  });
  const { text } = await raw(leme, streamed);
  const events = text.split("\n\n").filter((e) => e && !e.startsWith(":"));
  assert.equal(events.at(-1), "data: [DONE]");
  const { error, ...rest } = JSON.parse(events.at(-2).slice("data: ".length));
  assert.deepEqual(rest, {});
  assert.equal(typeof error.message, "string");
  assert.equal(error.param, null);
  assert.equal(events.filter((e) => e.includes("\"error\":")).length, 1);
  assert.ok(!text.includes("never"));
});

test("what a provider says after [DONE] is not passed on", async (w) => {
  const { leme } = await w.simple((call) => {
    call.begin();
    for (const c of chunks(["one"])) call.event(c);
    call.bytes(`data: [DONE]\n\ndata: ${JSON.stringify(chunk({ content: "late" }))}\n\n`);
    call.end();
  });
  const { text } = await raw(leme, streamed);
  assert.ok(text.endsWith("data: [DONE]\n\n"));
  assert.ok(!text.includes("late"));
});

test("errors are the object that OpenAI's clients know", async (w) => {
  const { leme } = await w.simple(refuses(500, { message: "no" }));
  const { status, headers, text } = await raw(leme, ask);
  assert.equal(status, 502);
  assert.match(headers["content-type"], /^application\/json/);
  const { error } = JSON.parse(text);
  for (const key of ["message", "type", "code"]) assert.equal(typeof error[key], "string", key);
  assert.equal(error.param, null);
});

// -- time -----------------------------------------------------------------------------------

test("a client that waits no longer closes its call to the provider", async (w) => {
  const { up, openai } = await w.simple(() => {});
  const call = up.called(1);
  const e = await failure(openai.chat.completions.create(ask, { timeout: 300 }));
  assert.equal(e.constructor, OpenAI.APIConnectionTimeoutError);
  await within(2000, "the provider's side closes", (await call).left);
});

for (const stream of [false, true]) {
  const how = stream ? " for a stream" : "";
  test(`the deadline of a model is a 504 that is not asked again${how}`, async (w) => {
    const { up, leme } = await w.simple(() => {},
      { config: "model \"m\" { \"a/x\", total = 0.2 }" });
    const { openai, sent } = patient(w, leme);
    const e = await failure(openai.chat.completions.create({ ...ask, stream }));
    assert.equal(e.constructor, OpenAI.InternalServerError);
    assert.deepEqual([e.status, e.code], [504, "provider_timeout_total"]);
    assert.equal(sent.length, 1);
    await within(2000, "the provider's side closes", up.calls[0].left);
  });
}

test("silence in the middle of a stream throws after the words so far", async (w) => {
  const { openai, up } = await w.simple((call) => {
    call.begin();
    for (const c of chunks(["one ", "two"]).slice(0, 3)) call.event(c);
  }, { config: "settings { idle_timeout = 0.3, log = \"stderr\" }" });
  const { text, error } = await drained(await openai.chat.completions.create(streamed));
  assert.equal(text, "one two");
  assert.ok(error instanceof OpenAI.APIError, String(error));
  assert.equal(error.code, "provider_timeout_idle");
  await within(2000, "the provider's side closes", up.calls[0].left);
});

test("a slow stream that never falls silent is not cut", async (w) => {
  const { openai } = await w.simple(async (call) => {
    call.begin();
    for (const c of chunks(["a", "b", "c", "d", "e"])) {
      call.event(c);
      await new Promise((done) => setTimeout(done, 100));
    }
    call.event("[DONE]");
    call.end();
  }, { config: "settings { idle_timeout = 0.4, log = \"stderr\" }" });
  const { text, error } = await drained(await openai.chat.completions.create(streamed));
  assert.deepEqual([text, error], ["abcde", null]);
});

// -- leaving -------------------------------------------------------------------------------

for (const stream of [false, true]) {
  const how = stream ? "stream" : "call";
  test(`an aborted ${how} closes the provider's side before the first word`, async (w) => {
    const { up, leme, openai } = await w.simple(() => {});
    const abort = new AbortController();
    const made = failure(openai.chat.completions.create({ ...ask, stream },
      { signal: abort.signal }));
    const call = await up.called(1);
    abort.abort();
    assert.equal((await made).constructor, OpenAI.APIUserAbortError);
    await within(2000, "the provider's side closes", call.left);
    const [line] = await leme.logged(1);
    assert.equal(line.error_type, "caller_cancelled");
  });
}

test("an aborted stream closes the provider's side in the middle", async (w) => {
  const { up, leme, openai } = await w.simple(async (call) => {
    call.begin();
    for (;;) {
      call.event(chunk({ content: "more " }));
      await Promise.race([call.left, new Promise((done) => setTimeout(done, 20))]);
      if (call.response.destroyed) return;
    }
  });
  const stream = await openai.chat.completions.create(streamed);
  for await (const c of stream) {
    assert.equal(c.choices[0].delta.content, "more ");
    break;      // which aborts
  }
  await within(2000, "the provider's side closes", up.calls[0].left);
  const [line] = await leme.logged(1);
  assert.deepEqual([line.error_type, line.end], ["caller_cancelled", "CD"]);
});

test("after an abort the same client is served", async (w) => {
  const { openai, up } = await w.simple((call, n) => { if (n > 1) says("yes")(call); });
  const abort = new AbortController();
  const made = failure(openai.chat.completions.create(ask, { signal: abort.signal }));
  await up.called(1);
  abort.abort();
  await made;
  const answer = await openai.chat.completions.create(ask);
  assert.equal(answer.choices[0].message.content, "yes");
  await until("the first call is gone", () => up.calls[0].response.destroyed);
});
