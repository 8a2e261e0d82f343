-- leme: what a policy requires. See meta.lua for the reference.

local host = require "leme.host"
local context = require "leme.context"
local answer = require "leme.answer"
local target = require "leme.target"
local task = require "leme.task"
local wait = require "leme.wait"
local request = require "leme.request"
local policy = require "leme.policy"
local route = require "leme.route"
local parallel = require "leme.parallel"

local leme = {
  policy = policy.new,
  knobs = policy.knobs,
  targets = target.list,
  target = target.find,
  pick = require "leme.pick",
  shared = require "leme.shared",
  json = {
    encode = function(value) return host.encode(value) end,
    decode = function(text) return host.decode(text) end,
    null = host.null,
  },
  null = host.null,
}

for _, name in ipairs { "fallback", "round_robin", "weighted", "least_busy", "fastest",
  "cheapest", "hash", "split", "when", "retry", "limit", "rewrite", "filter" } do
  leme[name] = route[name]
end
for _, name in ipairs { "hedge", "race", "shadow" } do leme[name] = parallel[name] end

local function later(name, instead)
  leme[name] = function()
    context.blame(("leme.%s does not exist yet; %s"):format(name, instead))
  end
end

later("budget", "leme.shared.reserve and hold:settle do what it would do")
later("cache", "small answers can be kept with leme.shared.set and given by leme.respond")
later("resume", "req:relay(answer, { resume = true }) continues a relayed answer on another target")

-- Only the engine's clock and dice, so that a decision can be replayed.
function leme.now() return host.now() end
function leme.wall() return host.wall() end
function leme.random() return host.random() end

function leme.bucket(key, salt)
  if key == nil then context.blame("leme.bucket: expected a key, got nil") end
  return host.bucket(tostring(key), tostring(salt or ""))
end

function leme.array(list)
  if type(list) ~= "table" then
    context.blame("leme.array: expected a table, got " .. context.describe(list))
  end
  return host.array(list)
end

-- Put into and take out of a list of the request, such as req.messages.
function leme.insert(list, at, value) return host.insert(list, at, value) end
function leme.remove(list, at) return host.remove(list, at) end

function leme.sleep(seconds) return wait.sleep(seconds) end

local services

-- A side call to a declared service.
function leme.fetch(service, body, limits)
  task.running("leme.fetch")
  services = services or host.services()
  if not services[service] then
    local names = {}
    for name in pairs(services) do names[#names + 1] = name end
    table.sort(names)
    context.blame(("leme.fetch: unknown service %s (%s)%s"):format(context.describe(service),
      #names > 0 and "declared: " .. table.concat(names, " ") or "none is declared",
      context.hint(service, names)))
  end
  if limits then request.check_limits(limits) end
  return wait.fetch(service, type(body) == "string" and body or host.encode(body or {}), limits)
end

local function body_of(body, what)
  if type(body) == "string" then return body end
  if type(body) == "table" then return host.encode(body) end
  context.blame(("leme.%s: expected text or a table, got %s"):format(what,
    context.describe(body)))
end

local function check_status(status, low, what)
  if math.type(status) == "integer" and status >= low and status <= 599 then return end
  context.blame(("leme.%s: expected a status of %d to 599, got %s"):format(what, low,
    context.describe(status)))
end

local ENGINES = { ["content-length"] = true, ["connection"] = true, ["transfer-encoding"] = true }

-- Text = text, or nil. The engine looks again, but knows no line of a policy.
local function check_headers(headers, what)
  if headers == nil then return nil end
  if type(headers) ~= "table" then
    context.blame(("leme.%s: expected headers { [\"x-name\"] = \"value\" }, got %s"):format(what,
      context.describe(headers)))
  end
  for name, value in pairs(headers) do
    local kind = type(value)
    if type(name) ~= "string" or kind ~= "string" and kind ~= "number" then
      context.blame(("leme.%s: headers are text = text, got %s = %s"):format(what,
        tostring(name), context.describe(value)))
    end
    if not name:find("^[%w_-]+$") or tostring(value):find("[%c]") or ENGINES[name:lower()] then
      context.blame(("leme.%s: header %q cannot be sent%s"):format(what, name,
        ENGINES[name:lower()] and ": the engine sends it" or ""))
    end
  end
  return headers
end

-- leme.respond(text): a completion, or a stream of it, that says so. Or
-- leme.respond(status, body, headers): these bytes.
function leme.respond(status, body, headers)
  if body == nil and type(status) == "string" then return answer.words(status) end
  if body == nil and type(status) ~= "number" then status, body = 200, status end
  check_status(status, 200, "respond")
  return answer.reply(status, body_of(body, "respond"), check_headers(headers, "respond"))
end

local REJECTIONS = { [400] = "caller_invalid_request", [401] = "caller_unauthenticated",
  [402] = "policy_budget_exceeded", [404] = "caller_unknown_model",
  [413] = "caller_too_large", [429] = "policy_rate_limited", [503] = "policy_no_route" }

-- Clients do not wait as long, or do not come back at all when told a longer time.
local RETRY_MAX <const> = 60

-- leme.reject(status, why, { retry_after = seconds, error = name, headers = {} }).
function leme.reject(status, why, options)
  check_status(status, 400, "reject")
  options = route.options_of(options, { "retry_after", "error", "headers" }, "reject")
  local headers = {}
  for name, value in pairs(check_headers(options.headers, "reject") or {}) do
    headers[name] = value
  end
  local pause = route.number_of(options, "retry_after", "reject", "a number of seconds", 0)
  if pause and pause <= RETRY_MAX then
    headers["retry-after"] = ("%d"):format(math.ceil(pause))
    headers["retry-after-ms"] = ("%d"):format(math.ceil(pause * 1000))
  end
  return answer.reply(status, body_of(why or "the policy refused", "reject"),
    next(headers) and headers, options.error or REJECTIONS[status] or "policy_denied")
end

-- Into the decision record, the log, the metrics.
function leme.trace(key, value) host.trace(tostring(key), host.encode(value)) end

local LEVELS = { debug = true, info = true, warn = true, error = true }

-- leme.log(message) or leme.log(level, message).
function leme.log(level, message)
  if message == nil then level, message = "info", level end
  if not LEVELS[level] then
    context.blame("leme.log: level must be debug, info, warn or error, got "
      .. context.describe(level))
  end
  host.log(level, tostring(message))
end

function leme.metric(name, by, label)
  if type(name) ~= "string" or not name:match("^[%a_][%w_]*$") then
    context.blame("leme.metric: a name is letters, digits and _, got " .. context.describe(name))
  end
  if by ~= nil and type(by) ~= "number" then
    context.blame("leme.metric: expected a number to add, got " .. context.describe(by))
  end
  host.metric(name, by or 1, label and tostring(label) or nil)
end

return leme
