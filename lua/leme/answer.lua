-- leme.answer: what an attempt came back with, and what a policy says itself
-- (a reply). Filled in by leme.task; read by everybody. A policy reads fields by
-- name; our own files by their places in an array, which is made in one go.

local host = require "leme.host"
local context = require "leme.context"
local target = require "leme.target"

local answer = {}

local ANSWER, REPLY = "leme.answer", "leme.reply"

-- What a policy may read; anything else is a misspelling.
answer.FIELDS = {
  "ok", "error", "status", "target", "text", "body", "json", "usage", "cost",
  "first_token", "total", "retry_after", "finish", "retryable", "fallback",
  "committed", "final", "id", "speed", "reason", "key",
}

-- Places. Most are nil until something is known; `defaults` has what is read then.
local PLACES = {
  "id", "req", "target", "ok", "error", "status", "watcher", "answered", "kind", "fallback",
  "first_token", "retry_after", "retryable",
  "ended", "committed", "chilled", "task", "filter", "shadow", "cancelled",
  "total", "finish", "input", "output", "cached", "reasoning", "cost", "speed",
}
answer.PLACES = PLACES

local at = {}
for i, name in ipairs(PLACES) do at[name] = i end
at.target, at.finish, at.cost = nil, nil, nil -- derived below

local ID <const>, REQ <const>, TARGET <const>, OK <const>, ERROR <const> = 1, 2, 3, 4, 5
local STATUS <const>, ANSWERED <const>, ENDED <const>, KIND <const> = 6, 8, 14, 9
local FALLBACK <const>, COMMITTED <const>, CHILLED <const>, RETRYABLE <const> = 10, 15, 16, 13
local FINISH <const>, INPUT <const>, OUTPUT <const> = 22, 23, 24
local CACHED <const>, REASONING <const>, COST <const> = 25, 26, 27

local defaults = { [OK] = false, [ERROR] = "", [STATUS] = 0, [KIND] = false,
  [FALLBACK] = false, [COMMITTED] = false, [CHILLED] = false, [RETRYABLE] = false }

-- Absent ones: nil, not a misspelling. A task has a plan, an answer has none.
local known = { plan = true }
for i, name in ipairs(PLACES) do known[i], known[name] = true, true end
for _, name in ipairs(answer.FIELDS) do known[name] = true end

local derived = {}

function derived.target(a)
  local view = a[TARGET]
  return view and target.whole(view) or nil
end

function derived.key(a)
  local view = a[TARGET]
  return view and target.facts[view].key or nil
end

function derived.final(a)
  return a[OK] or a[COMMITTED] or not a[FALLBACK]
end

function derived.body(a)
  local kind = a[KIND]
  if not kind or kind == "fetch" then
    return host.answer(a[REQ], a[ID], kind and "text" or "body")
  end
end

function derived.json(a)
  local body = a.body
  return body and (host.decode(body)) or nil
end

-- Of a service: its `text` member, or else the whole body.
function derived.text(a)
  if a[KIND] == "none" then return nil end
  if a[KIND] == "fetch" then
    local json = a.json
    if type(json) == "table" and type(json.text) == "string" then return json.text end
    return a.body
  end
  return host.answer(a[REQ], a[ID], "text")
end

-- What the engine read in an answer that passes in its client's own format.
local function facts_of(a)
  local text = host.answer(a[REQ], a[ID], "facts")
  return text and host.decode(text) or {}
end

-- Before the attempt has ended, only a complete body knows these two.
function derived.finish(a)
  if a[ENDED] then return a[FINISH] or nil end
  if not a[OK] or a[KIND] then return nil end
  local json = a.json
  if type(json) ~= "table" then return nil end
  if not json.choices then
    local finish = facts_of(a).finish
    return finish ~= "" and finish or nil
  end
  local choice = json.choices[1]
  return type(choice) == "table" and choice.finish_reason or nil
end

-- Known as soon as the counts are: at the end of a stream.
function derived.cost(a)
  if a[ENDED] or not a[OK] or a[KIND] then return a[COST] end
  return tonumber(host.answer(a[REQ], a[ID], "cost"))
end

function derived.usage(a)
  if not a[ENDED] then
    local json = a[OK] and not a[KIND] and a.json
    local said = type(json) == "table" and json.usage
    if type(said) ~= "table" then return nil end
    if not json.choices and not said.prompt_tokens then
      said = facts_of(a)
      if (said.input or -1) < 0 then return nil end
      said.output = math.max(said.output, 0)
      return { input = said.input, output = said.output, total = said.input + said.output }
    end
    return { input = said.prompt_tokens, output = said.completion_tokens,
      total = said.total_tokens }
  end
  if not a[INPUT] and not a[OUTPUT] then return nil end
  local usage = { input = a[INPUT] or 0, output = a[OUTPUT] or 0,
    cached = a[CACHED] or 0, reasoning = a[REASONING] or 0 }
  usage.total = usage.input + usage.output
  return usage
end

local Answer = { __metatable = ANSWER, __name = ANSWER }

function Answer.__index(a, name)
  local place = at[name]
  if place then return a[place] end
  local read = derived[name]
  if read then return read(a) end
  if known[name] then return defaults[name] end
  context.blame(("an answer has no field %q%s"):format(tostring(name),
    context.hint(name, answer.FIELDS)))
end

function Answer.__tostring(a)
  return ("answer of %s: %s"):format(tostring(a[TARGET] or "no target"),
    a[OK] and "ok" or a[ERROR])
end

answer.meta = Answer

-- The answer of attempt ${id}, before anything is known. With room for all that
-- `answered` and `ended` will bring, so that the table does not grow then.
function answer.new(id, req, view)
  return setmetatable({
    id, req, view, nil, nil, nil, nil, nil, false, nil, nil, nil, nil, nil, nil, nil,
    nil, nil, nil, nil, nil, nil, nil, nil, nil, nil, nil, nil,
  }, Answer)
end

-- A side call: same life, other meaning of text.
function answer.fetch(id, req)
  local a = answer.new(id, req, false)
  a[KIND] = "fetch"
  return a
end

-- A failed answer without an attempt. ${chilled}: a candidate was passed over
-- only because it cools down, so asking again with force may work.
function answer.none(reason, chilled)
  return setmetatable({
    [OK] = false, [ERROR] = "policy_no_route", [STATUS] = 503, [ANSWERED] = true,
    [ENDED] = true, [KIND] = "none", [FALLBACK] = true, [CHILLED] = chilled or false,
    reason = reason,
  }, Answer)
end

-- Can a route come to ${value}? What a service answered is for the policy only.
function answer.is(value)
  local meta = getmetatable(value)
  return meta == ANSWER and value[KIND] ~= "fetch" or meta == REPLY
end

function answer.is_reply(value)
  return getmetatable(value) == REPLY
end

local Reply = { __metatable = REPLY, __name = REPLY }

function Reply.__index(a, name)
  if name == "final" then return true end
  local place = at[name]
  if place then return a[place] end
  return defaults[name]
end

-- The policy's own words to the client. ${error_type} "" for a success. ${body}
-- false: it has said them already.
function answer.reply(status, body, headers, error_type)
  return setmetatable({
    [OK] = status < 400, [ERROR] = error_type or "", [STATUS] = status,
    [ANSWERED] = true, [ENDED] = true, [KIND] = "reply", [FALLBACK] = false,
    body = body, headers = headers or false,
  }, Reply)
end

-- ${text} in whatever format the client expects.
function answer.words(text)
  local reply = answer.reply(200, text)
  reply.words = text
  return reply
end

return answer
