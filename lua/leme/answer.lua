-- leme.answer: what an attempt came back with, and what a policy says itself
-- (a reply). Filled in by the driver; read by everybody.

local host = require "leme.host"
local context = require "leme.context"

local answer = {}

local ANSWER, REPLY = "leme.answer", "leme.reply"

-- What a policy may read; anything else is a misspelling.
answer.FIELDS = {
  "ok", "error", "status", "target", "text", "body", "json", "usage", "cost",
  "first_token", "total", "retry_after", "finish", "retryable", "fallback",
  "committed", "final", "id", "speed", "reason",
}

local known = { -- beside FIELDS: the driver's own
  kind = true, req = true, watcher = true, task = true, answered = true,
  ended = true, chilled = true, shadow = true, filter = true, input = true,
  output = true, cached = true, reasoning = true, cancelled = true,
  plan = true, -- a task has one, an answer has not
}
for _, name in ipairs(answer.FIELDS) do known[name] = true end

local derived = {}

function derived.final(a)
  return a.ok or a.committed or not a.fallback
end

function derived.body(a)
  if not a.kind or a.kind == "fetch" then
    return host.answer(a.req, a.id, a.kind and "text" or "body")
  end
end

function derived.json(a)
  local body = a.body
  return body and (host.decode(body)) or nil
end

-- Of a service: its `text` member, or else the whole body.
function derived.text(a)
  if a.kind == "none" then return nil end
  if a.kind == "fetch" then
    local json = a.json
    if type(json) == "table" and type(json.text) == "string" then return json.text end
    return a.body
  end
  return host.answer(a.req, a.id, "text")
end

-- Before the attempt has ended, only a complete body knows these two.
function derived.finish(a)
  if a.ended or not a.ok or a.kind then return nil end
  local json = a.json
  local choice = type(json) == "table" and json.choices and json.choices[1]
  return type(choice) == "table" and choice.finish_reason or nil
end

function derived.usage(a)
  if not a.ended then
    local json = a.ok and not a.kind and a.json
    local said = type(json) == "table" and json.usage
    if type(said) ~= "table" then return nil end
    return { input = said.prompt_tokens, output = said.completion_tokens,
      total = said.total_tokens }
  end
  if not a.input and not a.output then return nil end
  local usage = { input = a.input or 0, output = a.output or 0,
    cached = a.cached or 0, reasoning = a.reasoning or 0 }
  usage.total = usage.input + usage.output
  return usage
end

local Answer = { __metatable = ANSWER, __name = ANSWER }

function Answer.__index(a, name)
  local read = derived[name]
  if read then return read(a) end
  if known[name] then return nil end
  context.blame(("an answer has no field %q%s"):format(tostring(name),
    context.hint(name, answer.FIELDS)))
end

function Answer.__tostring(a)
  return ("answer of %s: %s"):format(tostring(a.target or "no target"),
    a.ok and "ok" or a.error)
end

-- The answer of attempt ${id}, before anything is known. The absent fields make
-- room for what `answered` will bring, so that the table does not grow then.
function answer.new(id, req, target)
  return setmetatable({
    id = id, req = req, target = target, ok = false, error = "", status = 0,
    answered = false, ended = false, watcher = false, committed = false,
    kind = false, chilled = false, -- read for each request, so not left to __index
    first_token = nil, retry_after = nil, retryable = nil, fallback = nil,
  }, Answer)
end

-- A side call: same life, other meaning of text.
function answer.fetch(id, req)
  local a = answer.new(id, req, nil)
  a.kind = "fetch"
  return a
end

-- A failed answer without an attempt. ${chilled}: a candidate was passed over
-- only because it cools down, so asking again with force may work.
function answer.none(reason, chilled)
  return setmetatable({
    kind = "none", ok = false, error = "policy_no_route", status = 503,
    answered = true, ended = true, watcher = false, committed = false,
    retryable = false, fallback = true, chilled = chilled or false,
    reason = reason,
  }, Answer)
end

function answer.is(value)
  local meta = getmetatable(value)
  return meta == ANSWER or meta == REPLY
end

function answer.is_reply(value)
  return getmetatable(value) == REPLY
end

local Reply = { __metatable = REPLY, __name = REPLY }

-- The policy's own words to the client. ${error_type} "" for a success.
function answer.reply(status, body, headers, error_type)
  return setmetatable({
    kind = "reply", ok = status < 400, status = status, body = body,
    headers = headers or false, error = error_type or "", fallback = false,
    final = true, ended = true, answered = true, retryable = false,
    committed = false,
  }, Reply)
end

return answer
