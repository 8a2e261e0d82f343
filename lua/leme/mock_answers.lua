-- leme.mock_answers: how the mock provider answers. Pure: the same request, options and
-- dice give the same answer; the engine does the waiting and the sending.
--
--   mock.answer(request, path, options, random, headers) -> plan
--     request  the decoded body (nil for GET)
--     path     with its query; leme.mock.paths says what it means
--     options  latency   seconds before the first byte: a number, { low, high }, or
--                        { median =, sigma = } (log-normal); default 0.05
--              pace      seconds between two events of a stream; default 0.02
--              error_rate  share of the requests that fail (with `status`, default 500);
--                        with status alone every request does
--              retry_after  seconds, on failures
--              cut_after  the connection breaks after so many events
--              text      say this instead;  models  names for /models
--              reasoning  true: think before every answer
--              format    the dialect whose particulars are played where the path names
--                        none: "deepseek"
--              recordings  a folder; leme.mock.recordings says what is in it
--     random   a function giving 0 <= x < 1
--     headers  of the request, by lower-case name
--   plan: { status =, headers = { name = value }, delay = seconds, body = text }
--     or  { status =, headers =, stream = { { delay =, data = }, ... }, cut = bool }
--     (data: whole events, to be sent as they are)
--
-- A model called error-429, error-context, error-midway and so on fails in the words
-- of its vendor: see leme.mock.faults.
--
--   mock.check(options) raises when an option is unknown or wrong.
--   mock.service(name, body) -> table to be encoded: "facts" is a small vector store.

local host = require "leme.host"
local context = require "leme.context"
local dialect = require "leme.dialect"
local faults = require "leme.mock.faults"
local paths = require "leme.mock.paths"
local recordings = require "leme.mock.recordings"
local words = require "leme.mock.words"

local mock = {}

local OPTIONS = { "latency", "pace", "error_rate", "status", "retry_after", "cut_after", "text",
  "models", "reasoning", "format", "recordings" }

local cases     -- of the folder of recordings, once it was read

local formats = {}
local function format_of(name)
  formats[name] = formats[name] or require("leme.mock." .. name)
  return formats[name]
end

function mock.check(options)
  for name in pairs(options) do
    local known = false
    for _, each in ipairs(OPTIONS) do known = known or each == name end
    if not known then
      error(("the mock has no option %q%s"):format(tostring(name),
        context.hint(tostring(name), OPTIONS)), 0)
    end
  end
  if options.format and not paths.vendor(options.format) then
    error(("format: there is no dialect %q%s"):format(tostring(options.format),
      context.hint(tostring(options.format), dialect.names())), 0)
  end
  cases = options.recordings and recordings.index()
end

-- The next of a row of numbers in [0, 1) that follows from ${seed}.
local function row(seed)
  local state = seed
  return function()
    state = (state * 1664525 + 1013904223) & 0xffffffff
    return state / 4294967296
  end
end

local function sample(dist, random, default)
  if dist == nil then return default end
  if type(dist) == "number" then return dist end
  if dist.median then
    local normal = math.sqrt(-2 * math.log(1 - random())) * math.cos(2 * math.pi * random())
    return dist.median * math.exp((dist.sigma or 0.5) * normal)
  end
  local low, high = dist[1] or 0, dist[2] or dist[1] or 0
  return low + (high - low) * random()
end

-- --- plans -------------------------------------------------------------------------------

-- One request on its way to a plan.
local Turn = {}
Turn.__index = Turn

function Turn:latency() return sample(self.options.latency, self.random, 0.05) end

function Turn:send(status, body, headers)
  local text = type(body) == "table" and host.encode(body) or body
  headers = headers or {}
  headers["content-type"] = headers["content-type"] or "application/json"
  return { status = status, headers = headers, delay = self:latency(), body = text }
end

function Turn:fail(fault)
  fault.retry_after = self.options.retry_after
  local status, body, headers = self.format.failure(fault, self.ctx)
  -- What is no error there comes as the only event of a stream.
  if status == 200 and self:streams(self.ctx.body) then
    return self:events({ self.format.midway(fault, self.ctx) },
      { ["content-type"] = "text/event-stream" })
  end
  headers = headers or {}
  if fault.retry_after then headers["retry-after"] = tostring(fault.retry_after) end
  return self:send(fault.where == "inside" and 200 or status, body, headers)
end

function Turn:events(list, headers)
  local stream, cut = {}, false
  local pace, most = self.options.pace or 0.02, self.options.cut_after
  for i, data in ipairs(list) do
    if most and i > most then
      cut = true
      break
    end
    stream[i] = { data = data,
      delay = i == 1 and self:latency() or sample(pace, self.random, 0.02) }
  end
  return { status = 200, headers = headers, stream = stream, cut = cut }
end

-- A stream that fails after half of what it had to say.
function Turn:spoil(list, fault)
  local kept = {}
  for i = 1, fault.where == "inside" and 0 or #list // 2 + 1 do kept[i] = list[i] end
  if fault.where ~= "cut" then kept[#kept + 1] = self.format.midway(fault, self.ctx) end
  return kept
end

function Turn:stream(reply, fault)
  local events = self.ctx.events ~= false
  local headers = { ["content-type"] = events and "text/event-stream" or "application/json" }
  local list = self.format.stream(reply, self.ctx)
  if not fault then return self:events(list, headers) end
  local plan = self:events(self:spoil(list, fault), headers)
  plan.cut = fault.where == "cut"
  return plan
end

local function half(turn, body)
  local plan = turn:events({ body:sub(1, #body // 2) }, { ["content-type"] = "application/json" })
  plan.cut = true
  return plan
end

-- --- what was asked ----------------------------------------------------------------------

function Turn:streams(body)
  local kind = self.asked.kind
  if self.asked.format ~= "gemini" then
    return body.stream == true or self.asked.path:find ":streamRawPredict$" ~= nil
  end
  self.ctx.events = self.asked.query:find("alt=sse", 1, true) ~= nil
  return kind == "stream"
end

function Turn:converse(body, options)
  local ctx = self.ctx
  local question, fault = self.format.read(body, ctx)
  if not question then return self:fail(fault) end
  if self.asked.kind == "count" then return self:send(200, self.format.count(question)) end
  ctx.id = ("%s-mock%08x"):format(ctx.legacy and "cmpl" or "chatcmpl",
    words.hash(ctx.model .. question.said))
  local reply, planned = words.compose(question, options), faults.named(ctx.model)
  if self:streams(body) then return self:stream(reply, planned) end
  if planned then
    if planned.where == "cut" then return half(self, self.format.whole(reply, ctx)) end
    return self:fail(planned)
  end
  return self:send(200, self.format.whole(reply, ctx))
end

function Turn:embed(body)
  self.ctx.id = "embd-mock"
  local made, fault = self.format.embeddings(body, self.ctx)
  if not made then return self:fail(fault) end
  return self:send(200, made)
end

function Turn:play(case)
  local made, why = recordings.read(case)
  if not made then return self:fail(faults.of(500, why)) end
  if made.body then return self:send(made.status, made.body, made.headers) end
  local plan = self:events(made.events, made.headers)
  plan.status = made.status
  return plan
end

function Turn:recorded()
  if not self.options.recordings then return nil end
  return recordings.find(cases, self.ctx.model, self.asked.vendor)
end

function Turn:serve(body)
  local kind = self.asked.kind
  if kind == "models" then
    return self:send(200, self.format.models(self.options.models or { "mock" }, self.asked.name,
      self.asked.vendor))
  end
  if type(body) ~= "table" then
    return self:fail(faults.invalid "the body is not a JSON object")
  end
  local case = self:recorded()
  if case then return self:play(case) end
  local planned = faults.named(self.ctx.model)
  if planned and not planned.where then return self:fail(planned) end
  if kind == "embeddings" then return self:embed(body) end
  return self:converse(body, self.options)
end

local function model_of(asked, body)
  if asked.format == "gemini" then return asked.name or "" end
  return type(body) == "table" and type(body.model) == "string" and body.model or "mock"
end

function mock.answer(body, path, options, random, headers)
  options = options or {}
  local asked = paths.find(path, headers or {}, options.format and paths.vendor(options.format))
  local turn = setmetatable({ options = options, random = random or row(1), asked = asked,
    format = format_of(asked.format ~= "service" and asked.format or "openai"),
    ctx = { model = model_of(asked, body), body = body, kind = asked.kind, id = "mock",
      vertex = asked.vertex, vendor = paths.particulars(asked.vendor) } }, Turn)
  if asked.format == "service" then return turn:send(200, mock.service(asked.name, body)) end
  local failed = faults.scripted(options, turn.random)
  if failed then return turn:fail(failed) end
  if not asked.format then
    return turn:fail(faults.of(404, "the mock does not serve " .. asked.path))
  end
  return turn:serve(body)
end

-- --- services ----------------------------------------------------------------------------

local FACTS = {
  "A rudder turns a ship; its Portuguese name is leme.",
  "A circuit breaker stops calls to something that keeps failing.",
  "The first token is the commit point of a streamed answer.",
  "Water boils at 100 degrees Celsius at sea level.",
  "Support is open from Monday to Friday.",
}

-- The facts that share most words with body.query, best first, body.top of them.
function mock.service(name, body)
  if name ~= "facts" then return { error = ("the mock has no service %q"):format(name) } end
  local query = type(body) == "table" and tostring(body.query or "") or ""
  local ranked = {}
  for i, fact in ipairs(FACTS) do
    local score = 0
    for word in query:lower():gmatch("%w+") do
      if #word > 3 and fact:lower():find(word, 1, true) then score = score + 1 end
    end
    ranked[i] = { score, i, fact }
  end
  table.sort(ranked, function(a, b)
    if a[1] ~= b[1] then return a[1] > b[1] end
    return a[2] < b[2]
  end)
  local found = host.array {}
  local top = type(body) == "table" and math.tointeger(body.top) or 3
  for i = 1, math.max(1, math.min(top, #ranked)) do found[i] = ranked[i][3] end
  return { text = table.concat(found, "\n"), matches = found }
end

return mock
