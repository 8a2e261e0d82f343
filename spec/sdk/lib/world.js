// SPDX-License-Identifier: Apache-2.0
// world: what one test plays in: upstreams, a leme before them, clients. When the
// test has ended, everything stops and is looked at: a clean exit, no secret said.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import OpenAI from "openai";
import { Upstream } from "./upstream.js";

const HERE = dirname(fileURLToPath(import.meta.url));
export const ROOT = join(HERE, "../../..");
const BINARY = resolve(process.env.LEME ?? join(ROOT, "build/leme"));
const START_MS = 10000;
const STOP_MS = 5000;
// Set, it would make a provider of the quickstart real.
const NO_KEYS = Object.fromEntries(
  Object.entries(process.env).filter(([name]) => !name.endsWith("_API_KEY")));
const WRONG = /AddressSanitizer|LeakSanitizer|ThreadSanitizer|runtime error:|gateway_internal/;

export const SECRET = "sk-upstream-secret-0123456789";

export function within(ms, what, promise) {
  let timer;
  const late = new Promise((_, fail) => {
    timer = setTimeout(() => fail(new Error(`not within ${ms} ms: ${what}`)), ms);
  });
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}

// For what nothing announces: asks until ${holds} gives something true.
export async function until(what, holds, ms = 5000) {
  for (const end = Date.now() + ms; ;) {
    const value = await holds();
    if (value) return value;
    if (Date.now() > end) throw new Error(`not within ${ms} ms: ${what}`);
    await new Promise((done) => setTimeout(done, 5));
  }
}

// A command of leme that serves until it is stopped.
export class Program {
  constructor(...args) {
    this.arguments = args;
    this.text = "";
  }

  async start() {
    this.process = spawn(BINARY, this.arguments,
      { env: NO_KEYS, stdio: ["ignore", "ignore", "pipe"] });
    this.gone = once(this.process, "close");
    this.gone.catch(() => {});
    this.process.stderr.setEncoding("utf8");
    const listening = new Promise((done, fail) => {
      this.process.stderr.on("data", (said) => {
        this.text += said;
        const found = /listening on (127\.0\.0\.1:\d+)/.exec(this.text);
        if (found) done(found[1]);
      });
      this.process.on("error", fail);
      this.process.on("close", (code) => fail(new Error(`leme exits with ${code}: ${this.text}`)));
    });
    this.address = await within(START_MS, `leme listens; it said ${this.text}`, listening);
    this.root = `http://${this.address}`;
    this.url = `${this.root}/v1`;
  }

  async stop() {
    const wrong = [];
    if (!this.address) return wrong;    // start has said why
    if (this.process.exitCode === null) this.process.kill("SIGTERM");
    try {
      const [code, signal] = await within(STOP_MS, "leme stops", this.gone);
      if (code !== 0) wrong.push(new Error(`leme ends with ${code ?? signal}: ${this.text}`));
    } catch (e) {
      this.process.kill("SIGKILL");
      wrong.push(e);
    }
    if (WRONG.test(this.text)) wrong.push(new Error(this.text));
    if (this.text.includes(SECRET)) wrong.push(new Error("a secret stands in the log"));
    return wrong;
  }
}

class Leme extends Program {
  constructor(folder, config, ...flags) {
    super("run", config, ...flags);
    this.folder = folder;
  }

  // By a rename, as editors do, so that nobody reads half of it.
  write(name, text) {
    const path = join(this.folder, name);
    writeFileSync(`${path}.new`, text);
    renameSync(`${path}.new`, path);
  }

  // `leme reload`: answers when the last worker has changed over, or why not.
  async reload() {
    const child = spawn(BINARY, ["reload", "--admin", `unix:${this.folder}/admin.sock`],
      { stdio: ["ignore", "pipe", "pipe"] });
    let said = "";
    child.stdout.on("data", (d) => { said += d; });
    child.stderr.on("data", (d) => { said += d; });
    const [code] = await once(child, "close");
    return { code, said };
  }

  // The lines of the access log so far.
  log() {
    return this.text.split("\n").filter((line) => line.includes('"msg":"request"'))
      .map((line) => JSON.parse(line.slice(line.indexOf("{"))));
  }

  // Settled when ${n} requests have been logged; the log is written behind.
  logged(n) {
    return until(`${n} requests in the log`, () => {
      const lines = this.log();
      return lines.length >= n && lines;
    });
  }
}

export class World {
  constructor() {
    this.upstreams = [];
    this.servers = [];
  }

  // Made on first use: most cases of the matrix need none.
  get folder() {
    this.made ??= mkdtempSync(join(tmpdir(), "leme-sdk-"));
    return this.made;
  }

  async upstream(behaviour) {
    const up = await Upstream.start(behaviour);
    this.upstreams.push(up);
    return up;
  }

  // A leme before ${providers}: an Upstream or a port each. Without models in
  // ${more.config}, one model "m" takes them in order; null: the configuration has them
  // all. ${more.files}: policies.
  async leme(providers, { config = "", files = {} } = {}) {
    const names = Object.keys(providers ?? {});
    const blocks = names.map((name) => {
      const port = providers[name].port ?? providers[name];
      return `provider "${name}" { base = "http://127.0.0.1:${port}/v1", key = "${SECRET}" }`;
    });
    const model = `model "m" { ${names.map((name) => `"${name}/x"`).join(", ")} }`;
    const folder = mkdtempSync(join(this.folder, "leme-"));
    const source = [
      `listen { "127.0.0.1:0" }`,
      `admin { "unix:${folder}/admin.sock" }`,
      config.includes("settings {") ? "" : `settings { workers = 2, log = "stderr" }`,
      ...blocks,
      !providers || config.includes("model \"m\"") ? "" : model,
      config, ""].join("\n");
    const leme = new Leme(folder, join(folder, "leme.lua"));
    leme.source = source;
    leme.write("leme.lua", source);
    for (const name of Object.keys(files)) leme.write(name, files[name]);
    return this.#begin(leme);
  }

  // A leme on a configuration of the project, elsewhere than it says.
  async installed(path) {
    const folder = mkdtempSync(join(this.folder, "leme-"));
    return this.#begin(new Leme(folder, join(ROOT, path), "--listen", "127.0.0.1:0",
      "--admin", `unix:${folder}/admin.sock`));
  }

  async #begin(leme) {
    this.servers.push(leme);
    await leme.start();
    return leme;
  }

  // The official client; without retries unless told otherwise.
  openai(leme, options = {}) {
    return new OpenAI({ baseURL: leme.url, apiKey: "none", maxRetries: 0, ...options });
  }

  // The usual: one upstream, one leme, one client.
  async simple(behaviour, more) {
    const up = await this.upstream(behaviour);
    const leme = await this.leme({ a: up }, more);
    return { up, leme, openai: this.openai(leme) };
  }

  said() {
    return this.servers.map((s) => s.text).join("\n");
  }

  async end() {
    const wrong = this.upstreams.flatMap((up) => up.stop());
    for (const leme of this.servers) wrong.push(...await leme.stop());
    if (this.made) rmSync(this.made, { recursive: true, force: true });
    return wrong;
  }
}
