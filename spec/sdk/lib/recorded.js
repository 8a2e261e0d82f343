// SPDX-License-Identifier: Apache-2.0
// recorded: exchanges that others recorded with the providers, and a plain reading of
// what was said in them, which knows nothing of leme.
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

// Folder -> dialect, where it is not of the same name.
const DIALECTS = { dashscope: "qwen", google: "gemini" };

// Kind of an exchange -> how its answers are read.
const KINDS = { chat: "openai", messages: "anthropic", generate: "gemini",
  "cohere-chat": "cohere" };

function* folders(root, below = "") {
  for (const entry of readdirSync(join(root, below), { withFileTypes: true })) {
    if (!entry.isDirectory()) continue;
    const name = below ? `${below}/${entry.name}` : entry.name;
    yield name;
    yield* folders(root, name);
  }
}

// What the request was: by the address it went to, else by its shape.
function kindOf(url, request) {
  if (/:(stream)?generateContent/i.test(url)) return "generate";
  if (/\/messages(\?|$)/.test(url)) return "messages";
  if (/\/v2\/chat$/.test(url)) return "cohere-chat";
  if (/\/chat\/completions/.test(url)) return "chat";
  return url === "" && request.messages && !request.max_tokens_to_sample ? "chat" : null;
}

function read(path) {
  return existsSync(path) ? JSON.parse(readFileSync(path, "utf8")) : null;
}

function caseOf(root, folder, name, file) {
  const place = join(root, folder, name);
  const meta = read(`${place}.meta.json`);
  if (!meta) return null;
  const kind = kindOf(meta.url ?? "", read(`${place}.req.json`) ?? {});
  if (!kind) return null;
  const vendor = folder.split("/").at(-1);
  const native = kind !== "chat" || vendor !== "google";
  return { name: `${folder}/${name}`, vendor: folder, status: meta.status ?? 200,
    dialect: native ? DIALECTS[vendor] ?? vendor : "gemini-openai",
    kind: KINDS[kind], streamed: file.endsWith(".sse"),
    said: () => readFileSync(join(root, folder, file), "utf8") };
}

// All cases below ${root} whose bytes can be played and are an answer of a chat.
export function cases(root) {
  const list = [];
  for (const folder of folders(root))
    for (const file of readdirSync(join(root, folder)).sort()) {
      const found = /^(.*)\.resp\.(json|sse)$/.exec(file);
      const made = found && caseOf(root, folder, found[1], file);
      if (made) list.push(made);
    }
  return list;
}

// --- what was said ----------------------------------------------------------------------

function textOf(content) {
  if (typeof content === "string") return content;
  if (!Array.isArray(content)) return "";
  return content.filter((part) => part.type === "text").map((part) => part.text).join("");
}

// Value of a body or of an event -> what it says. ${streamed}: it is an event.
const READ = {
  openai(body, streamed) {
    const choice = (body.choices ?? []).find((each) => !each.index) ?? {};
    const message = (streamed ? choice.delta : choice.message) ?? {};
    return { text: textOf(message.content), calls: (message.tool_calls ?? [])
      .map((call) => call.function?.name).filter(Boolean) };
  },
  anthropic(body) {
    const blocks = body.content ?? [body.content_block ?? {}];
    return { text: body.delta?.text ?? textOf(blocks),
      calls: blocks.filter((block) => block.type === "tool_use").map((block) => block.name) };
  },
  gemini(body) {
    const parts = body.candidates?.[0]?.content?.parts ?? [];
    return { text: parts.filter((part) => !part.thought).map((part) => part.text ?? "").join(""),
      calls: parts.map((part) => part.functionCall?.name).filter(Boolean) };
  },
  cohere(body) {
    const message = body.message ?? body.delta?.message ?? {};
    const text = Array.isArray(message.content) ? textOf(message.content)
      : message.content?.text ?? "";
    return { text, calls: [message.tool_calls ?? []].flat().map((call) => call.function?.name)
      .filter(Boolean) };
  },
};

function values(it) {
  if (!it.streamed) return [JSON.parse(it.said())].flat();
  return it.said().split(/\r?\n/).filter((line) => /^data: ?\{/.test(line))
    .map((line) => JSON.parse(line.slice(5)));
}

// An error, or an answer of which a filter has left nothing.
function refuses(value) {
  const [candidate] = value.candidates ?? [];
  if (value.error || value.type === "error") return true;
  if (!candidate) return Boolean(value.promptFeedback?.blockReason);
  return !candidate.content?.parts && /SAFETY|ARMOR|PROHIBITED/.test(candidate.finishReason);
}

// Text and names of called tools of a case; null: it is an error.
export function reading(it) {
  const list = values(it);
  if (it.status >= 400 || list.some(refuses)) return null;
  const said = list.map((value) => READ[it.kind](value, it.streamed));
  return { text: said.map((each) => each.text ?? "").join(""),
    calls: said.flatMap((each) => each.calls) };
}
