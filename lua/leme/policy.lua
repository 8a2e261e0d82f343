-- leme.policy: what a policy file returns, and the checks made when it is
-- loaded. Knows nothing of requests.

local host = require "leme.host"
local context = require "leme.context"
local request = require "leme.request"
local walk = require "leme.walk"
local knobs = require "leme.knobs"
local target = require "leme.target"

local policy = {}
local now = context.now

local META = "leme.policy"
local KEYS = { "name", "route", "attempted", "ended", "every", "knobs", "test", "text" }
local KINDS = { name = "string", attempted = "function", ended = "function",
  every = "table", knobs = "table", test = "function", text = "string" }

local Policy = { __metatable = META, __name = META }

-- leme.policy { name =, route =, ... }: the value a policy file returns.
function policy.new(fields)
  if type(fields) ~= "table" then
    context.blame("leme.policy: expected a table { name = ..., route = ... }, got "
      .. context.describe(fields))
  end
  local is_key = {}
  for _, key in ipairs(KEYS) do is_key[key] = true end
  for key, value in pairs(fields) do
    if not is_key[key] then
      context.blame(("leme.policy: unknown key %q (expected %s)%s"):format(tostring(key),
        table.concat(KEYS, " "), context.hint(key, KEYS)))
    end
    local kind = KINDS[key]
    if kind and type(value) ~= kind then
      context.blame(("leme.policy: %s must be a %s, got %s"):format(key, kind,
        context.describe(value)))
    end
  end
  if not fields.name or not fields.name:match("^[%w_.-]+$") then
    context.blame("leme.policy: name must be letters, digits and _ . - , got "
      .. context.describe(fields.name))
  end
  if fields.route == nil then
    context.blame("leme.policy: route is missing (a target name, a function(req), a list, or"
      .. " a combinator such as leme.fallback { ... })")
  end
  local made = {}
  for _, key in ipairs(KEYS) do made[key] = fields[key] end
  made.where = context.place()
  return setmetatable(made, Policy)
end

-- leme.knobs { ... }: declare and read the knobs at the top of a file, for what
-- is built there.
function policy.knobs(declared)
  local loading = now.loading
  if not loading then
    context.blame("leme.knobs: declare knobs at the top of the policy file, not in a request")
  end
  if loading.values then context.blame("leme.knobs: knobs were already declared") end
  loading.values = knobs.merge(loading.file, declared, loading.given)
  return loading.values
end

-- Where function ${fn} begins, if the engine can tell.
local function place_of(fn)
  local ok, place = pcall(host.where, fn)
  return ok and type(place) == "string" and place ~= "" and place or nil
end

-- What `begin` will run: one target is called without a coroutine.
local function prepare_route(made)
  local route = request.function_of(made.route)
  if type(made.route) == "table" and not target.is(made.route) then
    local list = walk.prepare(made.route)
    route = function(req, tried) return walk.in_order(req, tried, list) end
    context.made(route, list)
  end
  if target.pools[route] then
    route = request.rotation(route)
    context.made(route, {})
  end
  if type(route) ~= "function" then
    made.run, made.target, made.blind = false, route, true
  else
    if type(made.route) == "function" then
      made.where = context.routes[made.route] or place_of(made.route) or made.where
    end
    made.run, made.target, made.blind = route, false, now.loading.blind[route] or false
  end
  made.loud = (made.attempted or made.ended) and true or false
  made.blind = made.blind and not made.loud
end

local function check_every(made)
  local list = {}
  for seconds, fn in pairs(made.every or {}) do
    if type(seconds) ~= "number" or seconds < 1 or type(fn) ~= "function" then
      error(("%s: policy.every: expected [seconds >= 1] = function, got [%s] = %s"):format(
        made.where, tostring(seconds), context.describe(fn)), 0)
    end
    list[#list + 1] = { seconds, fn }
  end
  table.sort(list, function(a, b) return a[1] < b[1] end)
  made.ticks = list
end

-- Run a policy file's ${chunk} and check what it returns.
function policy.load(file, chunk, given)
  target.load()
  now.policy, now.plan, now.task, now.phase = false, false, false, "load"
  now.loading = { file = file, places = {}, blind = {}, given = given or {}, values = false }
  local loading = now.loading
  local made = chunk()
  if getmetatable(made) ~= META then
    error(("%s: returned %s, expected leme.policy { name = ..., route = ... }"):format(file,
      context.describe(made)), 0)
  end
  if loading.values and made.knobs and made.knobs ~= loading.values then
    error(file .. ": knobs are declared twice: by leme.knobs and in leme.policy", 0)
  end
  made.file = file
  made.knobs = loading.values or knobs.merge(file, made.knobs, given)
  prepare_route(made)
  check_every(made)
  now.loading = false
  return made
end

return policy
