-- leme.target: views of the targets: what the configuration says of each, live
-- numbers from the board, and the few things a policy can do to one. A view is
-- also a route.

local host = require "leme.host"
local context = require "leme.context"

local target = {}
local unpack = table.unpack

local META = "leme.target"
local facts = {}     -- view -> static table of the catalogue; read by the hot path
local all = {}       -- index -> view
local names = {}     -- names in catalogue order
local by_model = {}  -- name of a model -> views

-- Name or view -> view. Read directly by the hot path.
target.known = {}
local known = target.known
target.facts = facts

local STATIC = { index = true, name = true, provider = true, model = true,
  priority = true, price_in = true, price_out = true, price_cached = true,
  price_date = true, context = true, max_output = true, region = true, tags = true, caps = true,
  key = true }

-- Of a target whose provider has several keys: its pools, in the order of the keys.
-- Empty for most configurations, so that the hot path may ask for nothing.
target.pools = {}
local pools = target.pools
target.pooled = {} -- all of them

-- What the provider says is left: of all keys together, as far as it is known.
local function left(i, view, which)
  local list = pools[view]
  if not list then return (select(which, host.remaining(i))) end
  local sum
  for k = 1, #list do
    local known_of_key = select(which, host.remaining(facts[list[k]].index))
    if known_of_key then sum = (sum or 0) + known_of_key end
  end
  return sum
end

local live = {}
function live.inflight(i) return host.inflight(i) end
function live.weight(i) return host.weight(i) end
function live.state(i) return (host.state(i)) end
function live.why(i) return select(2, host.state(i)) end
function live.outage_age(i) return host.outage_age(i) end
function live.remaining_requests(i, view) return left(i, view, 1) end
function live.remaining_tokens(i, view) return left(i, view, 2) end

-- A fresh list of the pools in order, which also knows them by the names of their
-- keys; only as a metatable does, so that it is a list of routes.
function live.keys(_, view)
  local list, by_name = {}, {}
  for i, pool in ipairs(pools[view] or {}) do
    list[i], by_name[facts[pool].key] = pool, pool
  end
  return setmetatable(list, { __index = by_name })
end

-- Fields and methods, for messages and for the reference's own check.
target.LIVE = live

local METRICS = { "connect", "first_token", "total", "speed", "cost", "error" }
local is_metric = {}
for _, name in ipairs(METRICS) do is_metric[name] = true end

local methods = {}
target.METHODS = methods

local function index_of(view, method)
  local fact = facts[view]
  if fact then return fact.index end
  context.blame(("%s is a method: write t:%s(...), got %s"):format(method, method,
    context.describe(view)))
end

local function check_metric(metric, what, more)
  if is_metric[metric] or metric == "success" then return end
  context.blame(("%s: metric must be one of %s%s or success, got %s"):format(
    what, more or "", table.concat(METRICS, " "), context.describe(metric)))
end

-- One that is measured, for ${what}.
function target.check_metric(metric, what)
  if is_metric[metric] then return end
  context.blame(("%s: metric must be one of %s, got %s"):format(what,
    table.concat(METRICS, " "), context.describe(metric)))
end

local function check_seconds(value, method, what)
  if type(value) == "number" and value > 0 then return end
  context.blame(("t:%s: %s must be a positive number of seconds, got %s"):format(
    method, what, context.describe(value)))
end

function methods.ewma(view, metric, tau)
  local i = index_of(view, "ewma")
  check_metric(metric, "t:ewma")
  check_seconds(tau, "ewma", "the time constant")
  if metric == "success" then
    local errors = host.ewma(i, "error", tau)
    return errors and 1 - errors
  end
  return host.ewma(i, metric, tau)
end

function methods.quantile(view, metric, q, window)
  local i = index_of(view, "quantile")
  check_metric(metric, "t:quantile")
  check_seconds(window, "quantile", "the window")
  if type(q) ~= "number" or q < 0 or q > 1 then
    context.blame("t:quantile: q must be between 0 and 1, got " .. context.describe(q))
  end
  return host.quantile(i, metric, q, window)
end

-- Share of attempts that failed ("error") or not ("success") in the window; 0
-- failures are assumed of a target that was not called.
function methods.rate(view, metric, window)
  local i = index_of(view, "rate")
  if metric ~= "error" and metric ~= "success" then
    context.blame('t:rate: expected "error" or "success", got '
      .. context.describe(metric) .. "; other metrics have t:ewma and t:quantile")
  end
  check_seconds(window, "rate", "the window")
  local count, errors = host.window(i, "error", window)
  local rate = count > 0 and errors / count or 0
  return metric == "error" and rate or 1 - rate
end

-- How many: attempts ("attempt"), failures ("error"), or samples of a metric.
function methods.count(view, metric, window)
  local i = index_of(view, "count")
  check_seconds(window, "count", "the window")
  if metric == "attempt" then return (host.window(i, "error", window)) end
  check_metric(metric, "t:count", "attempt ")
  local count, sum = host.window(i, metric == "success" and "error" or metric, window)
  if metric == "error" then return sum end
  if metric == "success" then return count - sum end
  return count
end

-- What a call with so many tokens costs by the prices of this moment.
function methods.cost(view, input, output)
  local i = index_of(view, "cost")
  local function whole(n, what)
    if type(n) == "number" and n >= 0 and n < 2 ^ 53 then return math.ceil(n) end
    context.blame(("t:cost: %s must be a number of tokens, got %s"):format(what,
      context.describe(n)))
  end
  return host.cost(i, whole(input, "the first argument"), whole(output or 0, "the second"))
end

function methods.cool(view, seconds, why)
  local i = index_of(view, "cool")
  -- A provider may say "come back in 0 seconds".
  if seconds == 0 then return end
  check_seconds(seconds, "cool", "the first argument")
  host.cool(i, seconds, tostring(why or "policy"))
end

function methods.eject(view, options)
  local i = index_of(view, "eject")
  options = options or {}
  context.check_options(options, { "base", "max", "why" }, "t:eject")
  local base, max = options.base or 3, options.max or 300
  check_seconds(base, "eject", "base")
  check_seconds(max, "eject", "max")
  return host.eject(i, base, max, tostring(options.why or "policy"))
end

function methods.restore(view) host.restore(index_of(view, "restore")) end

function methods.probe(view) return host.probe(index_of(view, "probe")) end

local View = { __metatable = META, __name = META }

function View.__index(view, name)
  local fact = facts[view]
  local value = fact[name]
  if value ~= nil and STATIC[name] then return value end
  local read = live[name]
  if read then return read(fact.index, view) end
  local method = methods[name]
  if method then return method end
  if STATIC[name] then return nil end
  local fields = {}
  for field in pairs(STATIC) do fields[#fields + 1] = field end
  for field in pairs(live) do fields[#fields + 1] = field end
  for field in pairs(methods) do fields[#fields + 1] = field end
  table.sort(fields)
  context.blame(("a target has no field %q%s"):format(tostring(name),
    context.hint(name, fields)))
end

function View.__newindex(view, name)
  context.blame(("cannot set %q: target %s belongs to the configuration"):format(
    tostring(name), facts[view].name))
end

function View.__tostring(view) return facts[view].name end

function View.__concat(a, b) return tostring(a) .. tostring(b) end

-- A pool stands behind its target, and is found by its name or by its target.
local function add(fact)
  local view = setmetatable({}, View)
  facts[view] = fact
  known[fact.name] = view
  known[view] = view
  if not fact.of then
    all[fact.index] = view
    names[#names + 1] = fact.name
    return
  end
  local whole = all[fact.of]
  fact.whole = whole
  pools[whole] = pools[whole] or {}
  table.insert(pools[whole], view)
  table.insert(target.pooled, view)
end

-- Read the catalogue. Called once a generation, before the first policy.
function target.load()
  if #all > 0 then return end
  for _, fact in ipairs(host.catalog()) do add(fact) end
  for name, indices in pairs(host.models()) do
    local list = {}
    for i = 1, #indices do list[i] = all[indices[i]] end
    by_model[name] = list
  end
end

function target.is(value) return facts[value] ~= nil end

-- Number and name of a view, without the view's own lookups.
function target.fact(view) return facts[view] end

-- The target of a pool; else ${view} itself.
function target.whole(view) return facts[view].whole or view end

-- What to say about a string that is no target.
local function unknown(name)
  if by_model[name] then
    return ("%q is a model, not a target: use leme.targets(%q)"):format(name, name)
  end
  if #names == 0 then return ("unknown target %q: no targets are configured"):format(name) end
  return ("unknown target %q%s"):format(name,
    context.hint(name, names))
end

-- leme.target(name) -> view. Raises for a name that is not configured.
function target.find(name)
  target.load()
  local view = known[name]
  if view then return view end
  if type(name) ~= "string" then
    context.blame('leme.target: expected a name such as "openai/gpt-4o", got '
      .. context.describe(name))
  end
  context.blame(unknown(name))
end

-- An item of a route: a view, a function, or (for a list) nil.
function target.item(value)
  if type(value) == "function" then return value end
  local view = known[value]
  if view then return view end
  if type(value) == "table" then return nil end
  target.load()
  view = known[value]
  if view then return view end
  if type(value) == "string" then context.blame(unknown(value)) end
  context.blame("expected a route (a target name, a function, or a list of routes), got "
    .. context.describe(value))
end

local function has(list, wanted)
  if type(list) ~= "table" then return false end
  if list[wanted] then return true end
  for i = 1, #list do
    if list[i] == wanted then return true end
  end
  return false
end

local SELECTORS = { "tag", "provider", "region", "cap", "model", "priority" }

local function matches(fact, selector)
  for i = 1, #SELECTORS do
    local key = SELECTORS[i]
    local wanted = selector[key]
    if wanted ~= nil then
      local found
      if key == "tag" then found = has(fact.tags, wanted)
      elseif key == "cap" then found = has(fact.caps, wanted)
      else found = fact[key] == wanted end
      if not found then return false end
    end
  end
  return true
end

local function selected(selector)
  for key in pairs(selector) do
    if not has(SELECTORS, key) then
      context.blame(("leme.targets: unknown selector %q (expected %s)%s"):format(
        tostring(key), table.concat(SELECTORS, " "), context.hint(key, SELECTORS)))
    end
  end
  local list = {}
  for i = 1, #all do
    if matches(facts[all[i]], selector) then list[#list + 1] = all[i] end
  end
  return list
end

-- leme.targets(what) -> a fresh array of views.
function target.list(what)
  local list = by_model[what]
  if list then
    if #list < 4 then return { list[1], list[2], list[3] } end
    return { unpack(list, 1, #list) }
  end
  target.load()
  if what == nil then return table.move(all, 1, #all, 1, {}) end
  if type(what) == "string" then
    if by_model[what] then return target.list(what) end
    if known[what] then return { known[what] } end
    local every = table.move(names, 1, #names, 1, {})
    for name in pairs(by_model) do every[#every + 1] = name end
    context.blame(("leme.targets: %q is neither a model nor a target%s"):format(what,
      context.hint(what, every)))
  end
  if known[what] then return { known[what] } end
  if type(what) ~= "table" then
    context.blame("leme.targets: expected a model's name, a list of targets or a selector"
      .. " such as { tag = \"eu\" }, got " .. context.describe(what))
  end
  if #what == 0 and next(what) ~= nil then return selected(what) end
  local found = {}
  for i = 1, #what do found[i] = target.find(what[i]) end
  return found
end

return target
