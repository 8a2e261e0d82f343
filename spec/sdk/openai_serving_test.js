// SPDX-License-Identifier: Apache-2.0
// The official client while things change: providers die, policies are edited,
// many streams run beside each other.
import assert from "node:assert/strict";
import { once } from "node:events";
import net from "node:net";
import { chunk, chunks, refuses, says } from "./lib/answers.js";
import { test } from "./lib/harness.js";
import { until } from "./lib/world.js";

const ask = { model: "m", messages: [{ role: "user", content: "Say hello" }] };

async function text(openai, stream, more = {}) {
  const answer = await openai.chat.completions.create({ ...ask, stream, ...more });
  if (!stream) return answer.choices[0].message.content;
  let out = "";
  for await (const c of answer) out += c.choices[0]?.delta.content ?? "";
  return out;
}

// A port where nobody listens.
async function deadPort() {
  const server = net.createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address();
  server.close();
  await once(server, "close");
  return port;
}

// -- what a format has no word for --------------------------------------------------

test("anthropic has no embeddings: another target serves them, alone it says so", async (w) => {
  const up = await w.upstream((call) => call.json(200, {
    object: "list", model: "y", data: [{ object: "embedding", index: 0, embedding: [0.5] }] }));
  const leme = await w.leme({}, { config: `
    provider "a" { base = "http://127.0.0.1:${await deadPort()}", key = "k",
                   dialect = "anthropic" }
    provider "b" { base = "http://127.0.0.1:${up.port}/v1", key = "k" }
    model "m" { "a/x", "b/x" }
    model "alone" { "a/x" }` });
  const openai = w.openai(leme), ask = { input: "x", encoding_format: "float" };
  await openai.embeddings.create({ model: "m", ...ask });
  assert.deepEqual(up.calls.map((call) => call.path), ["/v1/embeddings"]);
  await assert.rejects(openai.embeddings.create({ model: "alone", ...ask }), (e) =>
    e.status === 404 && e.message.includes("anthropic has no embeddings"));
});

// -- fallback ----------------------------------------------------------------------

const failures = {
  "a dead port": null,
  "a 500": refuses(500, { message: "no" }),
  "a 429": refuses(429, { message: "slow down" }),
  "a wrong key": refuses(401, { message: "no" }),
  "a model that is gone": refuses(404, { message: "no such model", code: "model_not_found" }),
  "a closed connection": (call) => call.cut(),
  "a page of HTML with 200": (call) => call.json(200, "<html>welcome</html>"),
  "a 200 that holds an error": (call) => {
    if (!call.body.stream) {
      call.json(200, { error: { message: "overloaded" } });
      return;
    }
    call.begin();
    call.event({ error: { message: "overloaded" } });
    call.end();
  },
  "an empty answer": (call) => {
    if (call.body.stream) call.begin();
    else call.response.writeHead(200, { "content-type": "application/json" });
    call.end();
  },
  "a role without a word": (call) => {
    if (!call.body.stream) {
      call.json(200, {});
      return;
    }
    call.begin();
    call.event(chunk({ role: "assistant", content: "" }));
    call.end();
  },
};

for (const [name, behaviour] of Object.entries(failures)) {
  test(`${name} at the first provider is not seen by the client`, async (w) => {
    const first = behaviour ? await w.upstream(behaviour) : await deadPort();
    const second = await w.upstream(says("the ", "second"));
    for (const stream of [false, true]) {
      const leme = await w.leme({ a: first, b: second });
      const openai = w.openai(leme);
      const { data, response } = await openai.chat.completions
        .create({ ...ask, stream }).withResponse();
      let out = "";
      if (stream) for await (const c of data) out += c.choices[0].delta.content ?? "";
      else out = data.choices[0].message.content;
      assert.equal(out, "the second");
      assert.equal(response.headers.get("x-leme-target"), "b/x");
      assert.equal(response.headers.get("x-leme-attempts"), "2");
    }
    assert.equal(second.calls.length, 2);
    if (behaviour) assert.equal(first.calls.length, 2);
  });
}

test("the caller's own mistake is not tried elsewhere", async (w) => {
  const first = await w.upstream(refuses(400, { message: "temperature must be below 2" }));
  const second = await w.upstream(says("yes"));
  const leme = await w.leme({ a: first, b: second });
  await assert.rejects(text(w.openai(leme), false), /temperature must be below 2/);
  assert.deepEqual([first.calls.length, second.calls.length], [1, 0]);
});

test("when all providers fail the client hears of it once", async (w) => {
  const first = await w.upstream(refuses(500, { message: "first" }));
  const second = await w.upstream(refuses(503, { message: "second" }));
  const leme = await w.leme({ a: first, b: second });
  await assert.rejects(text(w.openai(leme), true), (e) => e.status >= 500 && !!e.requestID);
  assert.deepEqual([first.calls.length, second.calls.length], [1, 1]);
});

test("a provider that comes back is used again", async (w) => {
  let well = false;
  const first = await w.upstream((call) => (well ? says("first") : refuses(500, {}))(call));
  const second = await w.upstream(says("second"));
  const leme = await w.leme({ a: first, b: second });
  const openai = w.openai(leme);
  assert.equal(await text(openai, false), "second");
  well = true;
  assert.equal(await text(openai, false), "first");
});

// -- policies that change -----------------------------------------------------------

function policy(word) {
  return `local leme = require "leme"
return leme.policy {
  name = "edited",
  route = function(req)
    req:prepend_system("${word}")
    return req:try "a/x"
  end,
}
`;
}

const edited = {
  config: "model \"m\" { policy = \"edited.lua\", default_route = { \"a/x\" } }",
  files: { "edited.lua": policy("before") },
};
const watched = { ...edited,
  config: `${edited.config} settings { watch = true, workers = 2, log = "stderr" }` };

// A provider that repeats the system prompt.
const echo = (call) => says(call.body.messages[0].content)(call);

test("after leme reload the next request follows the edited policy", async (w) => {
  const { leme, openai } = await w.simple(echo, edited);
  for (const word of ["first edit", "second edit", "third edit"]) {
    leme.write("edited.lua", policy(word));
    const { code, said } = await leme.reload();
    assert.equal(code, 0, said);
    for (let i = 0; i < 4; i += 1) assert.equal(await text(openai, i % 2 === 0), word);
  }
});

test("a broken policy is refused with its line, and the old one serves on", async (w) => {
  const { leme, openai } = await w.simple(echo, edited);
  const broken = [policy("x").replace("return req", "retrun req"), "return 7", "error(\"no\")",
    policy("x").replace("name =", "nmae =")];
  for (const source of broken) {
    leme.write("edited.lua", source);
    const { code, said } = await leme.reload();
    assert.equal(code, 1, said);
    assert.match(said, /edited\.lua/);
    assert.equal(await text(openai, false), "before");
    assert.equal(await text(openai, true), "before");
  }
  leme.write("edited.lua", policy("after"));
  assert.equal((await leme.reload()).code, 0);
  assert.equal(await text(openai, false), "after");
});

test("SIGHUP loads the edited policy", async (w) => {
  const { leme, openai } = await w.simple(echo, edited);
  assert.equal(await text(openai, false), "before");
  leme.write("edited.lua", policy("after"));
  leme.process.kill("SIGHUP");
  await until("the edit is followed", async () => (await text(openai, false)) === "after");
});

test("a saved file is followed without being told", async (w) => {
  const { leme, openai } = await w.simple(echo, watched);
  assert.equal(await text(openai, false), "before");
  leme.write("edited.lua", policy("after"));
  await until("the edit is followed", async () => (await text(openai, false)) === "after");
  assert.equal(await text(openai, true), "after");
});

test("a stream that began before an edit ends as it began", async (w) => {
  let proceed;
  const held = new Promise((done) => { proceed = done; });
  const { leme, openai } = await w.simple(async (call, n) => {
    if (n > 1) {
      echo(call);
      return;
    }
    const [head, ...rest] = chunks([call.body.messages[0].content, " and whole"]);
    call.begin();
    call.event(head);
    call.event(rest.shift());
    await held;
    for (const c of rest) call.event(c);
    call.event("[DONE]");
    call.end();
  }, edited);
  const stream = await openai.chat.completions.create({ ...ask, stream: true });
  leme.write("edited.lua", policy("after"));
  assert.equal((await leme.reload()).code, 0);
  assert.equal(await text(openai, false), "after");
  proceed();
  let out = "";
  for await (const c of stream) out += c.choices[0].delta.content ?? "";
  assert.equal(out, "before and whole");
});

test("an edit of the configuration adds a model", async (w) => {
  const up = await w.upstream((call) => says(call.body.model)(call));
  const leme = await w.leme({ a: up });
  const openai = w.openai(leme);
  await assert.rejects(text(openai, false, { model: "new" }), /404/);
  leme.write("leme.lua", `${leme.source}\nmodel "new" { "a/fresh" }\n`);
  const { code, said } = await leme.reload();
  assert.equal(code, 0, said);
  assert.equal(await text(openai, false, { model: "new" }), "fresh");
  assert.equal(await text(openai, false), "x");
});

// -- many at once --------------------------------------------------------------------

test("200 streams beside each other are never mixed", async (w) => {
  const MANY = 200;
  let here = 0;
  let open;
  const all = new Promise((done) => { open = done; });
  const { openai } = await w.simple(async (call) => {
    const id = call.body.messages[0].content;
    call.begin();
    call.event({ ...chunk({ role: "assistant", content: "" }), id });
    here += 1;
    if (here === MANY) open();
    await all;      // so that they truly run beside each other
    for (let i = 0; i < 20; i += 1) {
      call.event({ ...chunk({ content: `${id}.${i} ` }), id });
      if (i % 5 === 0) await call.flushed();
    }
    call.event({ ...chunk({}, "stop"), id });
    call.event("[DONE]");
    call.end();
  });
  const one = async (_, n) => {
    const id = `stream-${n}`;
    const stream = await openai.chat.completions.create({
      model: "m", stream: true, messages: [{ role: "user", content: id }] });
    let out = "";
    for await (const c of stream) {
      assert.equal(c.id, id);
      out += c.choices[0].delta.content ?? "";
    }
    assert.equal(out, Array.from({ length: 20 }, (__, i) => `${id}.${i} `).join(""));
  };
  await Promise.all(Array.from({ length: MANY }, one));
});

test("200 answers beside each other go to who asked", async (w) => {
  const { openai } = await w.simple((call) => says(call.body.messages[0].content)(call));
  const one = async (_, n) => {
    const content = `call ${n} ${"x".repeat((n * 37) % 3000)}`;
    assert.equal(await text(openai, false, { messages: [{ role: "user", content }] }), content);
  };
  await Promise.all(Array.from({ length: 200 }, one));
});

test("streams, answers, errors and aborts beside each other do not disturb", async (w) => {
  const { openai } = await w.simple((call) => {
    const said = call.body.messages[0].content;
    if (said.startsWith("wrong")) refuses(400, { message: said })(call);
    else if (!said.startsWith("silent")) says(said)(call);
  });
  const kinds = [
    async (n) => assert.equal(await text(openai, true, turn(`stream ${n}`)), `stream ${n}`),
    async (n) => assert.equal(await text(openai, false, turn(`call ${n}`)), `call ${n}`),
    async (n) => assert.rejects(text(openai, n % 8 < 4, turn(`wrong ${n}`)),
      (e) => e.status === 400 && e.message.includes(`wrong ${n}`)),
    async (n) => assert.rejects(openai.chat.completions.create({ ...ask, ...turn(`silent ${n}`) },
      { timeout: 50 }), /timed out/),
  ];
  await Promise.all(Array.from({ length: 120 }, (_, n) => kinds[n % kinds.length](n)));
});

function turn(content) {
  return { messages: [{ role: "user", content }] };
}

// -- limits, connections, the end ------------------------------------------------------

test("calls one after another share one connection to the provider", async (w) => {
  const { up, openai } = await w.simple(says("yes"),
    { config: "settings { workers = 1, log = \"stderr\" }" });
  let connections = 0;
  up.server.on("connection", () => { connections += 1; });
  for (let i = 0; i < 20; i += 1) assert.equal(await text(openai, false), "yes");
  assert.equal(connections, 1);
  for (let i = 0; i < 20; i += 1) assert.equal(await text(openai, true), "yes");
  // The next call may begin before the end behind [DONE] has been read.
  assert.ok(connections <= 2, `${connections} connections`);
});

test("a body that is too large is a 413 that the client sees", async (w) => {
  const { up, openai } = await w.simple(says("yes"),
    { config: "settings { body_max = 1024 * 1024, log = \"stderr\" }" });
  const large = turn("x".repeat(3 * 1024 * 1024));
  for (let i = 0; i < 3; i += 1)
    await assert.rejects(text(openai, false, large),
      (e) => e.status === 413 && e.code === "request_too_large");
  assert.equal(up.calls.length, 0);
  assert.equal(await text(openai, false), "yes");
});

test("a client that reads only when it has sent 8 MB sees the 413 too", async (w) => {
  const { leme } = await w.simple(says("yes"),
    { config: "settings { body_max = 1024 * 1024, log = \"stderr\" }" });
  const socket = net.connect(leme.address.split(":")[1], "127.0.0.1");
  const body = Buffer.alloc(8 * 1024 * 1024, " ");
  socket.pause();
  const sent = new Promise((done, fail) => {
    socket.on("error", fail);
    socket.write(`POST /v1/chat/completions HTTP/1.1\r\nHost: ${leme.address}\r\n` +
      `Content-Length: ${body.length}\r\n\r\n`);
    socket.write(body, done);
  });
  await sent;
  let said = "";
  for await (const part of socket.setEncoding("utf8")) said += part;
  assert.match(said, /^HTTP\/1.1 413 /);
});

test("a wrong key under a large body is a 401 that the client sees", async (w) => {
  const { leme } = await w.simple(says("yes"),
    { config: "client { name = \"web\", key = \"key-of-the-web-client\" }" });
  const openai = w.openai(leme, { apiKey: "key-of-somebody-else" });
  for (let i = 0; i < 5; i += 1)
    await assert.rejects(text(openai, false, turn("x".repeat(4 * 1024 * 1024))),
      (e) => e.status === 401);
});

test("a client at its limit is told to come again", async (w) => {
  const up = await w.upstream((call, n) => { if (n > 1) says("yes")(call); });
  const leme = await w.leme({ a: up }, { config:
    "client { name = \"web\", key = \"key-of-the-web-client\", max_in_flight = 1 }" });
  const openai = w.openai(leme, { apiKey: "key-of-the-web-client" });
  const abort = new AbortController();
  const first = openai.chat.completions.create(ask, { signal: abort.signal });
  first.catch(() => {});
  await up.called(1);
  await assert.rejects(text(openai, false), (e) => e.status === 429 &&
    e.code === "policy_rate_limited" && e.headers.get("x-should-retry") === "true" &&
    e.headers.get("retry-after") === "1");
  abort.abort();
  await up.calls[0].left;
  await until("the place is free", () => text(openai, false).catch(() => null));
});

test("headers that come early and comments do not disturb a stream", async (w) => {
  const { openai } = await w.simple(async (call, n) => {
    await new Promise((done) => setTimeout(done, 250));
    if (n === 1) says("after ", "a while")(call);
    else refuses(500, { message: "too late" })(call);
  }, { config: `model "m" { "a/x", early_headers = 0.05 }
    settings { keepalive_comment = 0.05, log = "stderr" }` });
  assert.equal(await text(openai, true), "after a while");
  const stream = await openai.chat.completions.create({ ...ask, stream: true });
  await assert.rejects(async () => {
    for await (const c of stream) assert.fail(JSON.stringify(c));
  }, (e) => e.code === "provider_server_error");
});

test("a stream that runs when leme is told to stop ends whole", async (w) => {
  let proceed;
  const held = new Promise((done) => { proceed = done; });
  const { leme, openai } = await w.simple(async (call) => {
    const [head, word, ...rest] = chunks(["begun ", "and ended"]);
    call.begin();
    call.event(head);
    call.event(word);
    await held;
    for (const c of rest) call.event(c);
    call.event("[DONE]");
    call.end();
  });
  const stream = await openai.chat.completions.create({ ...ask, stream: true });
  leme.process.kill("SIGTERM");
  await until("new calls are refused", () => text(openai, false).then(() => false, () => true));
  proceed();
  let out = "";
  for await (const c of stream) out += c.choices[0].delta.content ?? "";
  assert.equal(out, "begun and ended");
  const [code] = await leme.gone;
  assert.equal(code, 0);
});
