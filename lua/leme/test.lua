-- leme.test: a policy in a virtual world: its requests, scripted targets, a
-- clock that jumps. What policy.test gets and what the specs use:
--
--   test = function(world)
--     world:script("a/b", { error = "provider_overloaded", status = 503 })
--     local r = world:request { question = "hi" }
--     assert(r.target == "c/d" and #r.attempts == 2)
--   end
--
-- A script is one behaviour, or several for one call each (the last stays):
--   first_token, total   seconds (default 0.1 and 0.3)
--   error, status, retry_after, after   fails after so many seconds (0.05)
--   cut                  the stream breaks so many seconds after its first token
--   silent               never answers; only a limit ends it
--   text, finish, usage = { input, output }, cost, body
-- or a function(call) that returns one.

local host = require "leme.host"
local context = require "leme.context"
local fake = require "leme.fake"
local task = require "leme.task"

local test = {}
local World = {}
World.__index = World

-- Failures after which the same target may be repeated, and those after which no
-- other can help; all others allow another target but no repetition.
test.RETRYABLE = {
  policy_rate_limited = true, policy_no_route = true, provider_rate_limited = true,
  provider_overloaded = true, provider_server_error = true, provider_connect = true,
  provider_timeout_connect = true, provider_dns = true, provider_cut_stream = true,
  provider_bad_response = true, gateway_shed = true, gateway_draining = true,
  gateway_oom = true,
}
test.HOPELESS = {
  caller_invalid_request = true, caller_unauthenticated = true, caller_unknown_model = true,
  caller_too_large = true, caller_cancelled = true, caller_timeout = true,
  policy_denied = true, policy_rate_limited = true, policy_budget_exceeded = true,
  policy_attempts_exhausted = true, provider_invalid_request = true, gateway_shed = true,
  gateway_draining = true, gateway_oom = true, gateway_internal = true, _other = true,
}

-- Requests: a table with the fields of req; absent ones follow from others.

local derived = {}
function derived.messages(r)
  return { { role = "user", content = rawget(r, "question") or "Hello" } }
end
function derived.tags() return {} end

-- What a message says: its content, or the texts among its parts.
local function words_in(message)
  local content = message.content
  if type(content) == "string" then return content end
  local words = {}
  for _, part in ipairs(type(content) == "table" and content or {}) do
    if type(part.text) == "string" then words[#words + 1] = part.text end
  end
  return table.concat(words, "\n")
end

function derived.question(r)
  for i = #r.messages, 1, -1 do
    if r.messages[i].role == "user" then return words_in(r.messages[i]) end
  end
  return ""
end
function derived.system(r)
  for _, message in ipairs(r.messages) do
    if message.role == "system" or message.role == "developer" then return words_in(message) end
  end
end
function derived.tokens(r)
  local bytes = 0
  for _, message in ipairs(r.messages) do
    if type(message.content) == "string" then bytes = bytes + #message.content end
  end
  return bytes // 4 + 1
end

local DEFAULTS = { stream = true, client = "test", api = "chat" }

local Req = {}
function Req.__index(r, name)
  local method = host.methods[name]
  if method then return method end
  if name == "remaining" then return host.remaining_time(r) end
  if derived[name] then
    local value = derived[name](r)
    if name == "messages" then rawset(r, name, value) end
    return value
  end
  if name == "headers" then
    rawset(r, "headers", {})
    return r.headers
  end
  return DEFAULTS[name]
end

-- Host functions about a request.

local function request_functions(world, door)
  function door.overlay(req, fields)
    local flow = world.flows[req]
    flow.overlays[#flow.overlays + 1] = fields
    return #flow.overlays
  end
  function door.answer(req, id, what)
    local flow = world.flows[req]
    if not flow then error("the request is over", 2) end
    local call = flow.calls[id]
    local b = call and call.behaviour or {}
    if what == "text" then
      if call and call.service then return b.body or b.text or "" end
      return b.text or "ok"
    end
    if what == "cost" then return b.cost and tostring(b.cost) end
    return b.body or host.encode { choices = { { finish_reason = b.finish or "stop",
      message = { role = "assistant", content = b.text or "ok" } } } }
  end
  function door.remaining_time(req)
    local flow = world.flows[req]
    return flow and flow.deadline - world.clock or 0
  end
  function door.prepend_system(req, text)
    local list = { { role = "system", content = text } }
    for i, message in ipairs(req.messages) do list[i + 1] = message end
    req.messages = list
  end
  function door.append(req, role, text)
    local list = table.move(req.messages, 1, #req.messages, 1, {})
    list[#list + 1] = { role = role, content = text }
    req.messages = list
  end
  function door.insert(list, at, value) table.insert(list, at, value) end
  function door.remove(list, at) return table.remove(list, at) end
end

-- The life of one attempt.

local step

-- A key behaves as its target does, unless it has a script of its own.
local function behaviour_of(world, name, call)
  local script = world.scripts[name] or world.scripts[name:match "^(.*)#" or name]
  if not script then return {} end
  script.at = math.min(script.at + 1, #script)
  local b = script[script.at]
  if type(b) == "function" then return b(call) or {} end
  return b
end

local function answered(world, flow, call, err, status, after)
  fake.later(world, after, function()
    if call.ended or call.answered then return end
    call.answered = true
    local ok, b = err == "", call.behaviour
    call.ok, call.error = ok, err
    if ok and call.t then fake.record(call.t, "first_token", world.clock, world.clock - call.at) end
    step(world, flow, "answered", call.id, ok, err, status, world.clock - call.at,
      not ok and b.retry_after or nil, not ok and test.RETRYABLE[err] or false,
      not ok and not test.HOPELESS[err])
  end)
end

local function finish(world, call, err)
  local t = call.t
  if not t then return end
  fake.hold(t, -1)
  if err == "caller_cancelled" then return end
  local failed = err ~= ""
  fake.record(t, "error", world.clock, failed and 1 or 0)
  if failed then
    t.outage = world.clock
  else
    fake.record(t, "total", world.clock, world.clock - call.at)
  end
end

local function end_now(world, flow, call, err)
  if call.ended then return end
  call.ended = true
  finish(world, call, err)
  call.final = err
  local result = flow.result
  if result.relayed == call.id then
    result.error, result.total = err, world.clock - flow.at
    result.ok = err == ""
  end
  local b = call.behaviour
  local usage = b.usage or { input = 10, output = 5 }
  step(world, flow, "ended", call.id, err, world.clock - call.at, err == "" and (b.finish or "stop")
    or "", usage.input, usage.output, usage.cached, usage.reasoning, b.cost,
    result.relayed == call.id, nil)
end

local function ended(world, flow, call, err, after)
  fake.later(world, after, function() end_now(world, flow, call, err) end)
end

local function fails(world, flow, call, err, status, after)
  answered(world, flow, call, err, status, after)
  ended(world, flow, call, err, after)
end

-- What limits make of a behaviour: error and when, or nil.
local function overrun(call, first, total)
  local limits = call.limits or {}
  local armed = call.stream and limits.first_token
  if armed and first > armed then return "provider_timeout_first_token", armed end
  if limits.total and total > limits.total then return "provider_timeout_total", limits.total end
  if limits.min_speed and call.behaviour.speed and call.behaviour.speed < limits.min_speed then
    return "provider_slow", first
  end
end

local function play(world, flow, call)
  local b = call.behaviour
  if b.error then
    return fails(world, flow, call, b.error, b.status or 500, b.after or 0.05)
  end
  local total = math.max(b.total or 0.3, b.first_token or 0)
  local first = call.stream and (b.first_token or math.min(0.1, total)) or total
  if call.limits and call.limits.hold == "all" then first = total end
  if b.silent then first, total = 600, 600 end
  local err, at = overrun(call, first, total)
  if err then return fails(world, flow, call, err, 504, at) end
  if b.silent then return fails(world, flow, call, "provider_timeout_total", 504, 600) end
  answered(world, flow, call, "", 200, first)
  if b.cut then return ended(world, flow, call, "provider_cut_stream", first + b.cut) end
  call.due = world.clock + total
  fake.later(world, total, function()
    if flow.result.relayed == call.id or call.shadow then end_now(world, flow, call, "") end
  end)
end

-- Operations, checked as the engine checks them.

local perform = {}

-- The short words of operations, as results name them.
local LONG = { ["try"] = "call", give = "relay" }

local function invalid(what, ...) error("invalid operation: " .. what:format(...), 0) end

local function new_call(world, flow, id)
  if math.type(id) ~= "integer" or flow.calls[id] then invalid("id %s is not new", tostring(id)) end
  local call = { id = id, at = world.clock, stream = flow.req.stream, answered = false,
    ended = false }
  flow.calls[id] = call
  return call
end

function perform.call(world, flow, id, index, limits, overlay, flags)
  local call = new_call(world, flow, id)
  local t = world.targets[index] or invalid("target %s", tostring(index))
  call.limits, call.flags, call.fields = limits, flags, overlay and flow.overlays[overlay]
  call.target, call.shadow = t.fact.name, flags and flags.shadow
  local attempts = flow.result.attempts
  attempts[#attempts + 1] = call
  call.behaviour = behaviour_of(world, t.fact.name, call)
  if not call.shadow then flow.count = flow.count + 1 end
  if flow.count > world.max_attempts then
    return fails(world, flow, call, "policy_attempts_exhausted", 503, 0)
  end
  if fake.state_of(t, world.clock) == "saturated" then
    return fails(world, flow, call, "provider_overloaded", 503, 0)
  end
  call.t = t
  fake.hold(t, 1)
  play(world, flow, call)
end

perform["try"] = function(world, flow, id, index) perform.call(world, flow, id, index) end

function perform.fetch(world, flow, id, service, text)
  local call = new_call(world, flow, id)
  call.service, call.sent = service, text
  flow.result.fetches[#flow.result.fetches + 1] = call
  call.behaviour = behaviour_of(world, service, call)
  local b = call.behaviour
  answered(world, flow, call, b.error or "", b.status or 200, b.after or 0.01)
end

function perform.cancel(world, flow, id)
  local call = flow.calls[id] or invalid("cancel of %s", tostring(id))
  call.cancelled = true
  if not call.service then ended(world, flow, call, "caller_cancelled", 0) end
  call.answered = true
end

function perform.wait(world, flow, id, seconds)
  local timer = new_call(world, flow, id)
  fake.later(world, seconds, function() step(world, flow, "timer", timer.id) end)
end

function perform.relay(world, flow, id, resume)
  local call, result = flow.calls[id], flow.result
  if not call or not call.answered then invalid("relay of %s", tostring(id)) end
  if result.relayed and not resume then invalid("second relay") end
  result.relayed, result.target, result.ok, result.error = id, call.target, call.ok, call.error
  result.first_token = world.clock - flow.at
  result.status = call.ok and 200 or call.behaviour.status or 500
  result.text = call.ok and (call.behaviour.text or "ok") or nil
  for _, other in pairs(flow.calls) do
    if other ~= call and other.target and not other.ended and not other.shadow then
      perform.cancel(world, flow, other.id)
    end
  end
  if call.due and call.due <= world.clock then ended(world, flow, call, "", 0) end
end

-- The text of a completion, or of a stream's chunk.
local function text_of(json)
  local choice = type(json) == "table" and type(json.choices) == "table" and json.choices[1]
  if not choice then return nil end
  local part = choice.message or choice.delta or {}
  return part.content or choice.text
end

-- What a client reads in a reply of the policy's own.
local function words_of(body)
  if not body:find("^data: ") then return text_of(host.decode(body)) end
  local words = ""
  for data in body:gmatch("data: ([^\n]*)") do
    words = words .. (data ~= "[DONE]" and text_of(host.decode(data)) or "")
  end
  return words
end

function perform.reply(world, flow, status, body, headers, err)
  local result = flow.result
  result.status, result.body, result.headers = status, body, headers or {}
  result.ok, result.error = status < 400, err or ""
  result.first_token, result.replied = world.clock - flow.at, true
  result.text = words_of(body)
end

function perform.open(world, flow, status, text, headers)
  perform.reply(world, flow, status, text, headers)
end

function perform.write(_, flow, text) flow.result.body = flow.result.body .. text end

function perform.close(_, flow, cut) flow.result.cut = cut end

function perform.give(world, flow, id)
  perform.relay(world, flow, id)
  perform.done(world, flow)
end

function perform.done(world, flow)
  flow.result.done = true
  flow.done = true
  world.flows[flow.req] = nil
  world.open = world.open - 1
end

for _, name in ipairs { "pass", "drop", "replace" } do
  perform[name] = function(_, flow, id, data)
    local out = flow.result.items
    out[#out + 1] = { what = name, id = id, data = data or nil }
  end
end

function step(world, flow, event, ...)
  if flow.done then return end
  local events, ops, now = world.driver.events, task.ops, context.now
  local from = #world.notes
  local used, plan = events[event](flow.plan or flow.req, ...)
  flow.plan = flow.plan or plan
  now.task, now.phase = false, "test"
  for i = from + 1, #world.notes do
    local passed = world.notes[i]
    if passed.kind == "pass" then
      local passes = flow.result.passes
      passes[#passes + 1] = passed.target .. ": " .. passed.text
    end
  end
  local list = table.move(ops, 1, used, 1, {})
  for i = 1, used, 6 do
    local act = perform[list[i]] or invalid("%s", tostring(list[i]))
    flow.result.ops[#flow.result.ops + 1] = LONG[list[i]] or list[i]
    act(world, flow, list[i + 1], list[i + 2], list[i + 3], list[i + 4], list[i + 5])
  end
end

-- What a test calls.

-- How a target (or a service) behaves.
function World:script(name, ...)
  if not self.by_name[name] and not host.services()[name] then
    error(("world:script: %q is neither a target nor a service"):format(tostring(name)), 2)
  end
  self.scripts[name] = { at = 0, ... }
end

-- A target's live numbers: { inflight =, weight =, operator = "drain",
-- max_in_flight =, remaining_requests =, remaining_tokens = }.
function World:set(name, numbers)
  local t = self.by_name[name] or error("world:set: unknown target " .. tostring(name), 2)
  for key, value in pairs(numbers) do t[key] = value end
end

-- Give ${name} a past: ${count} samples of a metric.
function World:sample(name, metric, value, count)
  local t = self.by_name[name] or error("world:sample: unknown target " .. tostring(name), 2)
  for _ = 1, count or 1 do fake.record(t, metric, self.clock, value) end
end

-- Begin a request; its result fills up as time passes.
function World:send(fields)
  local req = { headers = nil }
  for name, value in pairs(fields or {}) do req[name] = value end
  self.sent = self.sent + 1
  req.id = req.id or "req-" .. self.sent
  req.model = req.model or self.model
  req.timeout = nil
  setmetatable(req, Req)
  local result = { attempts = {}, fetches = {}, passes = {}, items = {}, ops = {}, done = false,
    req = req }
  local flow = { req = req, calls = {}, overlays = {}, result = result, count = 0,
    at = self.clock, deadline = self.clock + (fields and fields.timeout or 600) }
  result.flow = flow
  self.flows[req] = flow
  self.open = self.open + 1
  step(self, flow, "begin", self.policy)
  return result
end

-- Send a request and run the world until its plan is done.
function World:request(fields)
  local result = self:send(fields)
  fake.run(self, function() return result.done end)
  if not result.done then error("the request never ended: the policy waits for nothing", 2) end
  return result
end

-- The client of ${result}'s request leaves.
function World:leave(result)
  local flow = result.flow
  if flow.done then return end
  step(self, flow, "gone")
  for _, call in pairs(flow.calls) do
    if call.target and not call.ended then
      call.ended, call.answered = true, true
      finish(self, call, "caller_cancelled")
    end
  end
  perform.done(self, flow)
end

-- An event of attempt ${id} (default: the first) passes the policy's filter.
function World:item(result, data, id)
  step(self, result.flow, "item", id or 1, data)
  return result.items[#result.items]
end

-- Let ${seconds} pass.
function World:advance(seconds) fake.run(self, nil, self.clock + seconds) end

-- Run everything that is still on its way.
function World:finish() fake.run(self) end

-- Run function ${i} of policy.every.
function World:tick(i) self.driver.tick(self.policy, i or 1) end

-- Call ${fn} after ${seconds}.
function World:after(seconds, fn) fake.later(self, seconds, fn) end

-- A world for ${policy}. ${seed} of its dice.
function test.world(policy, seed)
  local world = fake.new(host.catalog(), seed)
  world.policy, world.scripts, world.flows = policy, {}, {}
  world.driver, world.max_attempts, world.sent, world.open = require "leme.driver", 4, 0, 0
  local names = {}
  for name in pairs(host.models()) do names[#names + 1] = name end
  table.sort(names)
  world.model = names[1] or "model"
  request_functions(world, world.door)
  return setmetatable(world, World)
end

-- Put the world in the engine's place; returns a function that undoes it.
function test.enter(world)
  local saved = {}
  for name, fn in pairs(world.door) do
    saved[name] = host[name] or false
    host[name] = fn
  end
  return function()
    for name, fn in pairs(saved) do host[name] = fn or nil end
    local now = context.now
    now.policy, now.plan, now.task, now.phase = false, false, false, "load"
  end
end

-- Run policy.test in a fresh world. True, or raises what it raised.
function test.run(policy)
  local world = test.world(policy)
  local leave = test.enter(world)
  local ok, message = pcall(policy.test, world)
  leave()
  if not ok then error(message, 0) end
  return true
end

return test
