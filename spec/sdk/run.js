// SPDX-License-Identifier: Apache-2.0
// node run.js [PATTERN]: clients of the field against leme (env LEME, or
// build/leme). Ends with "N passed, N failed". VERBOSE=1 tells more.
import { webcrypto } from "node:crypto";
import { readdirSync } from "node:fs";
import { dirname } from "node:path";
import { fileURLToPath } from "node:url";

const OLDEST = 18;

if (Number(process.versions.node.split(".")[0]) < OLDEST) {
  console.error(`Node ${OLDEST} or newer is needed; this is ${process.version}`);
  process.exit(2);
}

// Node 18 does not offer it globally yet; LangChain expects it.
globalThis.crypto ??= webcrypto;

// No client may send anything elsewhere, whatever this machine is set up for.
for (const name of Object.keys(process.env))
  if (/^(LANGSMITH|LANGCHAIN|OPENAI|AI_GATEWAY|AI_SDK|OTEL)_/.test(name)) delete process.env[name];

// Warnings of others' packages about the age of Node would drown ours.
process.removeAllListeners("warning");

const folder = dirname(fileURLToPath(import.meta.url));
for (const name of readdirSync(folder).sort())
  if (name.endsWith("_test.js")) await import(`./${name}`);

const { run } = await import("./lib/harness.js");
const failed = await run(new RegExp(process.argv[2] ?? ""));
process.exit(failed > 0 ? 1 : 0);
