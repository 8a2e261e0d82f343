-- leme.route: the combinators that use one target at a time. Each takes routes
-- and returns a route: a function (req, tried) -> answer over leme.walk and
-- leme.pick. Where a list is expected, a function(req) -> list serves as well.

local host = require "leme.host"
local context = require "leme.context"
local target = require "leme.target"
local wait = require "leme.wait"
local request = require "leme.request"
local walk = require "leme.walk"
local pick = require "leme.pick"

local route = {}
local facts = target.facts
local made = context.made

-- The board's name for the state of a combinator built here.
local function state_name(kind)
  local place = context.name_place()
  local owner, name
  return function()
    local policy = context.policy()
    if policy ~= owner then
      owner, name = policy, policy.name .. "/" .. kind .. "@" .. place
    end
    return name
  end
end
route.state_name = state_name

local function options_of(options, allowed, name)
  if options == nil then return {} end
  context.check_options(options, allowed, "leme." .. name)
  return options
end
route.options_of = options_of

-- A list that only targets may be in: what is compared belongs to a target.
local function targets_only(what, name)
  local function check(list)
    for i = 1, #list do
      if type(list[i]) == "function" then
        context.blame(("leme.%s compares targets, but item %d of its list is a route of its"
          .. " own; put it around, in leme.fallback { ... }"):format(name, i))
      end
    end
    return list
  end
  local list, list_of = walk.source(what, name)
  if list then return check(list) end
  return nil, function(req) return check(list_of(req)) end
end

-- Numbers that options may be, and what is said of others.
local SECONDS <const> = "a number of seconds"

local function number_of(options, option, name, expected, low, high)
  return context.number_of(options, option, "leme." .. name, expected, low, high)
end

-- options[${option}], a function of the request (or nil).
local function function_of(options, option, name)
  local fn = options[option]
  if fn == nil or type(fn) == "function" then return fn end
  context.blame(("leme.%s: %s must be a function(req), got %s"):format(name, option,
    context.describe(fn)))
end

local function one(what, name)
  if what == nil then
    context.blame(("leme.%s: expected a route (a target name, a function, or a list of routes),"
      .. " got nil"):format(name))
  end
  return walk.prepare { what }
end
route.one, route.number_of = one, number_of

-- Weights by number, of the choice that is being made.
local scratch = {}

-- pick.weighted for the configured ${weights}, or the live ones. Nothing in here
-- fails or waits, so the weights of all choices have one place.
local function by_chance(list, _, weights)
  local total, n = 0, #list
  for i = 1, n do
    local item = list[i]
    local weight = 1
    if weights then
      weight = weights[item]
    elseif facts[item] then
      weight = host.weight(facts[item].index)
    end
    scratch[i] = weight
    total = total + weight
  end
  if total <= 0 then return pick.random(list) end
  local left = host.random() * total
  for i = 1, n do
    left = left - scratch[i]
    if left < 0 then return list[i] end
  end
  return list[n]
end

-- pick.min likewise, of ${value}(target).
local function least_of(list, _, value)
  local chosen, least, equals = list[1], value(list[1]), 1
  for i = 2, #list do
    local other = value(list[i])
    if other < least then
      chosen, least, equals = list[i], other, 1
    elseif other == least then
      equals = equals + 1
      if host.random() * equals < 1 then chosen = list[i] end
    end
  end
  return chosen
end

-- A route that chooses by ${choose}(pool, req, extra), and again among the rest.
local function chooser(list, list_of, choose, extra)
  return made(function(req, tried)
    return walk.choosing(req, tried, list, list_of, choose, extra)
  end, list or {})
end

-- In the order given. { rest = seconds } for a target that says "too many
-- requests" and not for how long.
function route.fallback(what, options)
  local list, list_of = walk.source(what, "fallback")
  local rest = number_of(options_of(options, { "rest" }, "fallback"), "rest", "fallback",
    SECONDS, 0)
  return made(function(req, tried)
    return walk.in_order(req, tried, list, list_of, rest)
  end, list or {})
end

local function in_turn(pool, _, name) return pick.turn(pool, name()) end

-- Each in turn.
function route.round_robin(what)
  local list, list_of = walk.source(what, "round_robin")
  return chooser(list, list_of, in_turn, state_name("round_robin"))
end

-- { "a/b", "c/d" } by their configured weights, or { ["a/b"] = 3, ["c/d"] = 1 }.
local function weighed(list)
  if type(list) ~= "table" or #list > 0 or target.is(list) then return list, nil end
  local names, weights = {}, {}
  for name in pairs(list) do names[#names + 1] = tostring(name) end
  table.sort(names)
  for _, name in ipairs(names) do
    local weight = list[name]
    if type(weight) ~= "number" or not (weight >= 0 and weight < math.huge) then
      context.blame(("leme.weighted: the weight of %q must be a number >= 0, got %s"):format(
        name, context.describe(weight)))
    end
    weights[target.find(name)] = weight
  end
  return names, weights
end

-- By chance in proportion to the weights; { smooth = true }: in turn.
function route.weighted(what, options)
  options = options_of(options, { "smooth" }, "weighted")
  local names, weights = weighed(what)
  local list, list_of = walk.source(names, "weighted")
  if not options.smooth then return chooser(list, list_of, by_chance, weights) end
  local name = state_name "weighted"
  local function weight(item)
    if weights then return weights[item] end
    return facts[item] and host.weight(facts[item].index) or 1
  end
  return chooser(list, list_of, function(pool) return pick.turn(pool, name(), weight) end)
end

-- The fewest requests in flight for its weight; chance among equals.
function route.least_busy(list)
  local items, list_of = targets_only(list, "least_busy")
  local function busy(t)
    local i = facts[t].index
    return host.inflight(i) / math.max(host.weight(i), 1e-9)
  end
  return chooser(items, list_of, least_of, busy)
end

-- Expected wait: the higher of a quick and a slow moving average (so a peak
-- counts at once and fades slowly), times the queue. Failures cost extra:
-- without that, a target that fails fast attracts all traffic. What was not
-- measured for a while is tried again, one request at a time.
local PEAK_TAU, ERROR_WINDOW, ERROR_COST = 2, 30, 10
local UNKNOWN_LATENCY = 1

local function expected(metric, tau)
  return function(t)
    local i = facts[t].index
    local queue = host.inflight(i)
    local calls, errors = host.window(i, "error", ERROR_WINDOW)
    local latency
    if host.window(i, metric, 4 * tau) > 0 then
      latency = math.max(host.ewma(i, metric, tau) or 0, host.ewma(i, metric, PEAK_TAU) or 0)
    elseif errors == 0 then
      return queue
    else
      latency = UNKNOWN_LATENCY
    end
    local penalty = calls > 0 and ERROR_COST * errors / calls or 0
    return latency * (queue + 1) * (1 + penalty) / math.max(host.weight(i), 1e-9)
  end
end

-- The better of two drawn by chance, by peak moving average of latency and
-- queue. { metric = "first_token" or "total", tau = seconds }
function route.fastest(list, options)
  options = options_of(options, { "metric", "tau" }, "fastest")
  local items, list_of = targets_only(list, "fastest")
  local tau = number_of(options, "tau", "fastest", "a positive number of seconds", 1e-3) or 15
  if options.metric ~= nil then target.check_metric(options.metric, "leme.fastest") end
  local streaming = expected(options.metric or "first_token", tau)
  local complete = expected(options.metric or "total", tau)
  return chooser(items, list_of, function(pool, req)
    return pick.p2c(pool, req.stream and streaming or complete)
  end)
end

-- Ascending by expected price; targets whose context is too small are passed
-- over. { output = tokens expected when the request has no max_tokens }
function route.cheapest(list, options)
  options = options_of(options, { "output" }, "cheapest")
  local expected_output = number_of(options, "output", "cheapest", "a number of tokens", 0) or 500
  local items, list_of = targets_only(list, "cheapest")
  local function fitting(req)
    local input, output = req.tokens or 0, req.max_tokens or expected_output
    local fits = pick.filter(items or walk.items(list_of, req), function(t)
      local room = t.context
      if not room or room >= input + (req.max_tokens or 0) then return true end
      host.note("pass", t.index, ("context %d < %d"):format(room, input + output))
      return false
    end)
    return pick.sort(fits, function(t) return t:cost(input, output) or math.huge end)
  end
  return made(function(req, tried)
    return walk.in_order(req, tried, fitting(req))
  end)
end

local function session_of(req)
  local headers = req.headers
  return headers and headers["x-session-id"] or req.client or req.id
end

-- The same key to the same target (default key: header x-session-id, or the
-- client); when it fails, on along the key's own order. { by = fn(req), factor =
-- how far above the mean load a target may be }
function route.hash(list, options)
  options = options_of(options, { "by", "factor" }, "hash")
  local fixed, list_of = targets_only(list, "hash")
  local by = function_of(options, "by", "hash") or session_of
  local factor = number_of(options, "factor", "hash", "a number of at least 1", 1)
  return made(function(req, tried)
    local items = fixed or walk.items(list_of, req)
    local key = by(req)
    if key == nil then key = req.id end
    local order = pick.order(items, "hash", key)
    if factor and #items > 0 then
      local function load(t) return t.inflight end
      local first = pick.hash(items, key, { load = load, factor = factor })
      order = pick.without(order, first)
      table.insert(order, 1, first)
    end
    return walk.in_order(req, tried, order)
  end)
end

-- { { 0.05, canary }, { 0.95, stable } }: a share of the traffic each. { by =
-- fn(req), salt = } keeps one key on one side; without a key it is chance. The last
-- takes the rest.
function route.split(parts, options)
  options = options_of(options, { "by", "salt" }, "split")
  local by = function_of(options, "by", "split")
  if type(parts) ~= "table" or #parts == 0 then
    context.blame("leme.split: expected { { share, route }, ... }, got "
      .. context.describe(parts))
  end
  local routes, shares, sum = {}, {}, 0
  for i = 1, #parts do
    local part = parts[i]
    if type(part) ~= "table" or type(part[1]) ~= "number" or part[2] == nil then
      context.blame(("leme.split: part %d must be { share, route }"):format(i))
    end
    number_of({ share = part[1] }, "share", "split", "from 0 to 1", 0)
    shares[i], routes[i] = part[1], one(part[2], "split")
    sum = sum + part[1]
  end
  if sum > 1 + 1e-9 then
    context.blame(("leme.split: the shares add up to %s, expected at most 1"):format(sum))
  end
  local salt = options.salt == nil and context.name_place() or tostring(options.salt)
  return made(function(req, tried)
    local key = by and by(req)
    local chance = key == nil and host.random() or host.bucket(tostring(key), salt)
    local side = #routes
    for i = 1, #routes - 1 do
      chance = chance - shares[i]
      if chance < 0 then side = i break end
    end
    return walk.in_order(req, tried, routes[side])
  end)
end

-- ${yes} when test(req), else ${no}; without ${no} there is no route then.
function route.when(test, yes, no)
  if type(test) ~= "function" then
    context.blame("leme.when: expected a function(req) as the test, got "
      .. context.describe(test))
  end
  local on, off = one(yes, "when"), no ~= nil and one(no, "when")
  return made(function(req, tried)
    local side = test(req) and on or off
    if not side then return walk.nothing({ "the condition does not hold" }, false) end
    return walk.in_order(req, tried, side)
  end)
end

-- The same route again after a failure that may pass: { times = 2, base = 0.25,
-- max = 5 }, waiting base * 2^n seconds with jitter, or what retry-after says.
-- Longer than max, or than the request has left: not at all.
function route.retry(what, options)
  options = options_of(options, { "times", "base", "max" }, "retry")
  local times = number_of(options, "times", "retry", "a number of at least 1", 1) or 2
  local base = number_of(options, "base", "retry", SECONDS, 0) or 0.25
  local max = number_of(options, "max", "retry", SECONDS, 0) or 5
  local list = one(what, "retry")
  return made(function(req)
    local last
    for n = 1, times do
      local fresh = request.untried(req)
      local a = walk.in_order(fresh, request.tried(fresh), list)
      if a.kind == "none" then return last or a end
      if a.ok or not a.retryable or n == times then return a end
      last = a
      local pause = math.max(a.retry_after or 0, base * 2 ^ (n - 1) * (0.5 + host.random()))
      if pause > max or pause >= host.remaining_time(request.base(req)) then return a end
      wait.sleep(pause)
    end
    return last
  end)
end

-- ${what} under limits of its own; a tighter one from outside still holds.
function route.limit(what, limits)
  local list = one(what, "limit")
  request.check_limits(limits)
  return made(function(req, tried)
    return walk.in_order(request.limited(req, limits), tried, list)
  end, list)
end

-- ${what} with the request changed: fields, or a function(req) -> fields (or a
-- view that req:with returned).
function route.rewrite(what, edit)
  local list = one(what, "rewrite")
  if type(edit) ~= "table" and type(edit) ~= "function" then
    context.blame("leme.rewrite: expected fields or a function(req) -> fields, got "
      .. context.describe(edit))
  end
  return made(function(req, tried)
    local fields = edit
    if type(edit) == "function" then fields = edit(req) end
    local view = getmetatable(fields) == "leme.request" and fields or request.with(req, fields)
    return walk.in_order(view, tried, list)
  end)
end

-- fn(text, event, answer) sees each event of the answer before the client does:
-- nil keeps it, false drops it, a string replaces its text, a table the event.
function route.filter(what, fn)
  local list = one(what, "filter")
  if type(fn) ~= "function" then
    context.blame("leme.filter: expected a function(text, event, answer), got "
      .. context.describe(fn))
  end
  return made(function(req, tried)
    return walk.in_order(request.filtered(req, fn), tried, list)
  end)
end

return route
