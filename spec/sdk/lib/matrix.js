// SPDX-License-Identifier: Apache-2.0
// matrix: one leme before one mock that plays every provider, for all cases of
// matrix_test.js; and what passed, as a table.
import { Program, World } from "./world.js";

// name -> dialect, models: of a chat, that thinks, that embeds. Absent: it has none.
// filters: it refuses content with an error.
export const PROVIDERS = {
  openai: { chat: "gpt-4.1", embed: "text-embedding-3-small", filters: true },
  qwen: { filters: true, chat: "qwen-plus", think: "qwen3-max", embed: "text-embedding-v4" },
  anthropic: { chat: "claude-sonnet-4-5", think: "claude-sonnet-4-5", filters: true },
  gemini: { filters: true, chat: "gemini-2.5-flash", think: "gemini-3-flash-preview",
    embed: "gemini-embedding-001" },
  mistral: { chat: "mistral-large-latest", think: "magistral-medium-latest",
    embed: "mistral-embed" },
  deepseek: { chat: "deepseek-chat", think: "deepseek-reasoner", filters: true },
  openrouter: { filters: true, chat: "openai/gpt-4.1", think: "anthropic/claude-sonnet-4.5",
    embed: "openai/text-embedding-3-small" },
  vllm: { chat: "Qwen/Qwen3-8B", think: "Qwen/QwQ-32B", embed: "BAAI/bge-m3" },
  ollama: { chat: "llama3.2", think: "deepseek-r1", embed: "nomic-embed-text" },
  cohere: { chat: "command-a-03-2025", think: "command-a-reasoning-08-2025",
    embed: "embed-v4.0" },
  xai: { chat: "grok-4", think: "grok-4" },
  groq: { chat: "llama-3.3-70b-versatile", think: "openai/gpt-oss-20b" },
  moonshot: { chat: "kimi-k2.6" },
  zai: { chat: "glm-4.7", think: "glm-4.7", filters: true },
  llamacpp: { chat: "qwen", think: "qwq" },
  litellm: { chat: "any", embed: "any" },
  "gemini-openai": { chat: "gemini-2.5-flash" },
  azure: { filters: true, chat: "gpt-4.1", embed: "text-embedding-3-small" },
};

// What a model called error-KIND does, as leme tells it, and as its own vendor does.
export const ERRORS = {
  400: { status: 400, type: "invalid_request_error" },
  401: { status: 502, type: "server_error", own: 401 },
  404: { status: 404, code: "model_not_found" },
  429: { status: 429, code: "rate_limit_exceeded" },
  500: { status: 502, code: "provider_server_error", own: 500 },
  503: { status: 503, code: "provider_overloaded", own: 503 },
  context: { status: 400, code: "context_length_exceeded" },
  filter: { status: 400, code: "content_filter" },
};

const BREAKS = ["midway", "cut", "inside"];

function provider(name, port) {
  const { dialect = name } = PROVIDERS[name];
  const models = ["chat", "think", "embed"].filter((use) => PROVIDERS[name][use])
    .map((use) => `model "${name}${use === "chat" ? "" : `-${use}`}" `
      + `{ "${name}/${PROVIDERS[name][use]}" }`);
  return [`provider "${name}" { dialect = "${dialect}", key = "sk-matrix",`
    + ` base = "http://127.0.0.1:${port}/${name}/v1" }`, ...models,
    `for _, kind in ipairs { ${[...Object.keys(ERRORS), ...BREAKS].map((k) => `"${k}"`)} } do`,
    `  model("${name}-error-" .. kind) { "${name}/error-" .. kind }`,
    "end"].join("\n");
}

// A mock and a leme before it, started on first use. ${config} makes its configuration,
// given the mock's port; ${flags} are the mock's.
export class Pair {
  constructor(config, ...flags) {
    this.config = config;
    this.flags = flags;
  }

  start() {
    this.started ??= this.#start();
    return this.started;
  }

  async #start() {
    this.world = new World();
    this.mock = new Program("mock", "--listen", "127.0.0.1:0", "--latency", "0", "--pace", "0",
      ...this.flags);
    this.world.servers.push(this.mock);
    await this.mock.start();
    const port = this.mock.address.split(":")[1];
    this.leme = await this.world.leme(null, { config: this.config(port) });
    return this;
  }

  async end() {
    if (!this.started) return [];
    await this.started.catch(() => {});
    return this.world.end();
  }
}

export const pair = new Pair((port) => Object.keys(PROVIDERS)
  .map((name) => provider(name, port)).join("\n"));

const tables = new Map();

// One more case of a row and a column of the table ${name}.
export function count(row, column, passed, name = "matrix") {
  const cells = tables.get(name) ?? new Map();
  tables.set(name, cells);
  const key = `${row}\n${column}`;
  const cell = cells.get(key) ?? { passed: 0, all: 0 };
  cell.all += 1;
  if (passed) cell.passed += 1;
  cells.set(key, cell);
}

// Rows of clients, columns of providers: passed of all.
export function table(name = "matrix") {
  const cells = tables.get(name);
  if (!cells) return "";
  const keys = [...cells.keys()].map((key) => key.split("\n"));
  const rows = [...new Set(keys.map(([row]) => row))];
  const columns = [...new Set(keys.map(([, column]) => column))];
  const width = Math.max(...rows.map((row) => row.length));
  const wide = columns.map((column) => Math.max(column.length, 5));
  const lines = [" ".repeat(width) + columns.map((c, i) => `  ${c.padStart(wide[i])}`).join("")];
  for (const row of rows)
    lines.push(row.padEnd(width) + columns.map((column, i) => {
      const cell = cells.get(`${row}\n${column}`);
      return `  ${(cell ? `${cell.passed}/${cell.all}` : "-").padStart(wide[i])}`;
    }).join(""));
  return lines.join("\n");
}
