-- leme.request: the methods of req, and the view that `req:with` returns: the
-- same request with edits, limits and a list of tried targets for one attempt.
-- Combinators hand views down, so nothing has to be undone when one raises.

local host = require "leme.host"
local context = require "leme.context"
local answer = require "leme.answer"
local target = require "leme.target"
local task = require "leme.task"
local wait = require "leme.wait"

local request = {}
local known, facts, pools = target.known, target.facts, target.pools
local now = context.now
local routes = context.routes
local call, answered, attempt_own = task.call, task.answered, task.attempt

local OK <const>, ENDED <const> = 4, 14
local KIND <const>, CHILLED <const>, TASK <const> = 9, 16, 17
local FILTER_OF <const>, SHADOW <const> = 18, 19

local LIMITS = { "connect", "first_token", "idle", "total", "min_speed", "hold" }
local WITH_KEY = { "connect", "first_token", "idle", "total", "min_speed", "hold", "key" }
local is_limit = {}
for _, name in ipairs(LIMITS) do is_limit[name] = true end

-- ${keys}: the name of a key may stand there as well (and was taken out).
local function check_limits(limits, keys)
  if type(limits) ~= "table" then
    context.blame("limits: expected a table such as { first_token = 2.5 }, got "
      .. context.describe(limits))
  end
  for name, value in pairs(limits) do
    if not is_limit[name] then
      context.blame(("limits: unknown limit %q (expected %s%s)%s"):format(tostring(name),
        table.concat(LIMITS, " "), keys and " key" or "",
        context.hint(name, keys and WITH_KEY or LIMITS)))
    end
    if not (type(value) == "number" and value > 0) and not (name == "hold" and value == "all") then
      context.blame(("limits: %s must be a positive number%s, got %s"):format(name,
        name == "hold" and ' of bytes or "all"' or name == "min_speed"
        and " of tokens a second" or " of seconds", context.describe(value)))
    end
  end
  return limits
end

-- Both sets hold: the tighter time, the higher speed, the longer hold.
local function tighter(outer, inner)
  if not outer then return inner end
  if not inner then return outer end
  local both = {}
  for name, value in pairs(outer) do both[name] = value end
  for name, value in pairs(inner) do
    local other = both[name]
    if other == nil or value == "all" then both[name] = value
    elseif other == "all" then both[name] = other
    elseif name == "min_speed" or name == "hold" then both[name] = math.max(other, value)
    else both[name] = math.min(other, value) end
  end
  return both
end

-- A view's own slots; the fields of the request have names, so they never meet.
local BASE <const>, FIELDS <const>, LIMIT <const>, TRIED <const> = 1, 2, 3, 4
local FORCE <const>, FLAGS <const>, FILTER <const>, OVERLAY <const> = 5, 6, 7, 8

local View = { __metatable = "leme.request", __name = "leme.request" }
local view_methods = {}

local function is_view(req) return getmetatable(req) == "leme.request" end

-- Is ${req} the running request as it is, and so no view?
local function is_own(req)
  local who = now.task
  return who and who.plan.req == req
end

-- A view of ${req} (the request or a view) with ${slot} set to ${value}.
local function derive(req, slot, value)
  local view
  if is_own(req) or not is_view(req) then
    view = { req, false, false, false, false, false, false, false }
  else
    view = { req[BASE], req[FIELDS], req[LIMIT], req[TRIED], req[FORCE], req[FLAGS],
      req[FILTER], req[OVERLAY] }
  end
  view[slot] = value
  return setmetatable(view, View)
end

local function slot(req, which)
  return not is_own(req) and is_view(req) and req[which]
end

function request.base(req) return is_view(req) and req[BASE] or req end

function request.forced(req) return slot(req, FORCE) end

function request.force(req) return derive(req, FORCE, true) end

-- The same request for a route that may use targets again.
function request.untried(req) return derive(req, TRIED, {}) end

-- ${limits} were checked.
function request.limited(req, limits)
  return derive(req, LIMIT, tighter(slot(req, LIMIT), limits))
end

-- ${flags} of the call operation: shadow, hedge, max_usd.
function request.flagged(req, flags)
  local merged = {}
  for name, value in pairs(slot(req, FLAGS) or {}) do merged[name] = value end
  for name, value in pairs(flags) do merged[name] = value end
  return derive(req, FLAGS, merged)
end

-- Every event of an attempt passes ${fn}; an outer filter sees what an inner let pass.
function request.filtered(req, fn)
  local outer = slot(req, FILTER)
  local chain = { fn }
  if outer then table.move(outer, 1, #outer, 2, chain) end
  local view = request.flagged(req, { events = true })
  rawset(view, FILTER, chain)
  return view
end

-- What this route has tried: by name of target, the answer.
function request.tried(req)
  return slot(req, TRIED) or task.tried(now.task.plan)
end

function request.with(req, fields)
  if type(fields) ~= "table" then
    context.blame("req:with: expected a table of fields such as { max_tokens = 100 }, got "
      .. context.describe(fields))
  end
  local merged = {}
  for name, value in pairs(slot(req, FIELDS) or {}) do merged[name] = value end
  for name, value in pairs(fields) do
    if type(name) ~= "string" then
      context.blame("req:with: field names are strings, got " .. context.describe(name))
    end
    merged[name] = value
  end
  local view = derive(req, FIELDS, merged)
  rawset(view, OVERLAY, false)
  return view
end

-- Begin one attempt of ${to} under what the view ${req} changes.
local function begin_view(who, req, to, limits)
  local plan = who.plan
  if not req or req[BASE] ~= plan.req then task.plan_of(who, request.base(req)) end
  local overlay, flags, tried = req[OVERLAY], req[FLAGS], req[TRIED]
  if req[FIELDS] and not overlay then
    overlay = host.overlay(plan.req, req[FIELDS])
    rawset(req, OVERLAY, overlay)
  end
  local shadow = flags and flags.shadow or false
  local all = plan.tried
  if shadow then plan.tried = false end
  local a = call(plan, to, tighter(req[LIMIT], limits) or false, overlay, flags)
  plan.tried = all
  if tried then task.note_tried(tried, facts[to], a) end
  if flags then
    a[SHADOW], a[FILTER_OF] = shadow, req[FILTER]
    plan.odd, plan.filtered = true, plan.filtered or req[FILTER] and true or false
  end
  return a
end

-- Begin one attempt of ${to} for ${req} (the request or a view).
local function begin(who, req, to, limits)
  local a
  if who.plan.req == req then
    a = call(who.plan, to, limits or false, false, false)
  else
    a = begin_view(who, req, to, limits)
  end
  if who ~= who.plan then a[TASK] = who end
  return a
end

-- A target with several keys is called by one of them; leme.keys says which.
local rotate
function request.set_rotate(fn) rotate = fn end

-- One attempt of ${to}, a view of a target, by task ${who}; suspends.
local function attempt(who, req, to)
  if pools[to] then return rotate(who, req, to) end
  if req == who.req then return attempt_own(who, to) end
  return answered(who, begin(who, req, to))
end
request.attempt = attempt

-- A list of routes is tried in order; leme.walk says how.
local in_order
function request.set_in_order(fn) in_order = fn end

-- ${to}, a target with several keys, as a route.
local function rotation(to)
  return function(req) return rotate(now.task, req, to) end
end

local function function_of(route)
  if type(route) == "function" then
    if routes[route] or not host.wants(route) then return route end
    return function(req, tried) return route(req, tried or request.tried(req)) end
  end
  if type(route) == "table" and not target.is(route) then
    return function(req, tried) return in_order(req, tried, route) end
  end
  return target.item(route)
end

-- Run ${fn} here. When it passed over all only because they cool down, again
-- with force: "all are cooling" must not mean "all are refused".
function request.run(req, fn)
  local a = fn(req)
  local plan = now.task.plan
  if a and a == plan[plan.last] and not a[KIND] then return a end
  if not answer.is(a) then
    context.blame(context.NONSENSE .. "a route returned " .. context.describe(a)
      .. ", expected an answer (req:try ...), leme.respond or leme.reject")
  end
  if a[CHILLED] and not request.forced(req) then
    return request.run(request.force(req), fn)
  end
  return a
end

-- The whole of a policy's ${fn} again, for a plan whose targets all cool down.
function task.force(req, fn)
  return request.run(request.force(req), fn)
end

-- May another attempt follow what was relayed? After a relay that broke; else
-- nothing more could be sent.
local function check_open(plan)
  local relayed = plan.relay
  if not relayed or relayed[ENDED] and not relayed[OK] then return end
  context.blame("req:try: an answer was already relayed, so nothing else can be sent"
    .. " (only a stream that broke can be continued)")
end

-- ${limits} without the name of a key, and the pool of ${route} that it names.
local function by_key(route, limits)
  local rest, name = {}, limits.key
  for key, value in pairs(limits) do
    if key ~= "key" then rest[key] = value end
  end
  local to = known[route] or target.item(route)
  local names = {}
  for i, pool in ipairs(to and pools[to] or {}) do
    names[i] = facts[pool].key
    if names[i] == name then return pool, rest end
  end
  if #names == 0 then
    context.blame(("limits: key names one of several keys of a target, and %s has none"):format(
      to and facts[to] and facts[to].name or "this route"))
  end
  context.blame(("limits: %s has no key called %s (its keys: %s)%s"):format(facts[to].name,
    context.describe(name), table.concat(names, ", "), context.hint(name, names)))
end

local function try(req, route, limits)
  local who = now.task or task.running("req:try")
  if limits and type(limits) == "table" and limits.key ~= nil then
    route, limits = by_key(route, limits)
  end
  local to = known[route]
  if to and pools[to] then route, to = rotation(to), nil end
  if to and not limits and req == who.req and not who.relay then
    return attempt_own(who, to)
  end
  local plan = who.plan
  check_open(plan)
  if limits then check_limits(limits, true) end
  if to then return answered(who, begin(who, req, to, limits)) end
  if plan.req ~= req then task.plan_of(who, request.base(req)) end
  local fn = routes[route] and route or function_of(route)
  if type(fn) ~= "function" then return answered(who, begin(who, req, fn, limits)) end
  return request.run(limits and request.limited(req, limits) or req, fn)
end

-- Begin without waiting. A target is one attempt; anything else runs as a task.
local function start(req, route, limits)
  local who = task.running("req:start")
  local plan = task.plan_of(who, request.base(req))
  plan.odd = true
  if type(limits) == "table" and limits.key ~= nil then
    route, limits = by_key(route, limits)
  end
  if limits then check_limits(limits, true) end
  local to = known[route] or function_of(route)
  if pools[to] then to = rotation(to) end
  if type(to) ~= "function" then return begin(who, req, to, limits) end
  local view = limits and request.limited(req, limits) or req
  local flags = slot(view, FLAGS)
  return wait.spawn(plan, function(r) return request.run(r, to) end, view, nil,
    flags and flags.shadow)
end

local function check_handle(handle, what)
  if type(handle) == "table" and (handle.plan or getmetatable(handle) == "leme.answer") then
    return handle
  end
  context.blame(("%s: expected what req:start returned, got %s"):format(what,
    context.describe(handle)))
end

-- req:await(handle or list, seconds) -> answer, handle; nil when time is up.
local function await(_, handles, seconds)
  task.running("req:await")
  if seconds ~= nil and type(seconds) ~= "number" then
    context.blame("req:await: expected seconds, got " .. context.describe(seconds))
  end
  local list = handles
  if type(handles) ~= "table" then check_handle(handles, "req:await") end
  if handles.plan or getmetatable(handles) == "leme.answer" then list = { handles } end
  for i = 1, #list do check_handle(list[i], "req:await") end
  return wait.await(list, seconds)
end

local function cancel(_, handle)
  task.running("req:cancel")
  wait.cancel(check_handle(handle, "req:cancel"))
end

-- req:relay(answer, { resume = true }) -> the same answer, once it has ended. With
-- resume it continues one relayed before that broke; the model must allow it.
local function relay(req, a, options)
  local who = task.running("req:relay")
  local plan = task.plan_of(who, request.base(req))
  if getmetatable(a) ~= "leme.answer" or a[KIND] then
    context.blame("req:relay: expected an answer of req:try, got " .. context.describe(a))
  end
  if who ~= plan then
    context.blame("req:relay: only the policy's own route may relay, not a route that was"
      .. " started beside it; return the answer instead")
  end
  if options ~= nil then context.check_options(options, { "resume" }, "req:relay") end
  local resume = options and options.resume or false
  if plan.relay and not resume then
    context.blame("req:relay: an answer was already relayed; to continue it on another"
      .. " target, pass { resume = true }")
  end
  if not a.ok then
    context.blame("req:relay: the answer failed (" .. a.error
      .. "); return it to give the client its error")
  end
  plan.relay, plan.result, plan.odd = a, a, true
  task.push("relay", a.id, true, false, false, false)
  return wait.relayed(who, a)
end

local methods = host.methods

methods.try = try
methods.start = start
methods.await = await
methods.cancel = cancel
methods.relay = relay
methods.with = request.with

-- Edits for every later attempt.
function methods.prepend_system(req, text)
  if type(text) ~= "string" then
    context.blame("req:prepend_system: expected text, got " .. context.describe(text))
  end
  host.prepend_system(req, text)
  return req
end

function methods.append(req, role, text)
  if type(role) ~= "string" or type(text) ~= "string" then
    context.blame(("req:append: expected a role and text, got %s and %s"):format(
      context.describe(role), context.describe(text)))
  end
  host.append(req, role, text)
  return req
end

for name, method in pairs(methods) do view_methods[name] = method end

local function messages_of(view)
  local copy, messages = host.array {}, view.messages
  for i = 1, messages and #messages or 0 do copy[i] = messages[i] end
  return copy
end

-- On a view an edit is for its attempts only.
function view_methods.prepend_system(view, text)
  local messages = messages_of(view)
  table.insert(messages, 1, { role = "system", content = text })
  return request.with(view, { messages = messages })
end

function view_methods.append(view, role, text)
  local messages = messages_of(view)
  messages[#messages + 1] = { role = role, content = text }
  return request.with(view, { messages = messages })
end

function View.__index(view, name)
  local method = view_methods[name]
  if method then return method end
  local fields = view[FIELDS]
  if fields then
    local value = fields[name]
    if value == host.null then return nil end
    if value ~= nil then return value end
  end
  return view[BASE][name]
end

function View.__newindex(view, name, value)
  view[BASE][name] = value
end

request.METHODS = methods
request.try = try
request.start = start
request.check_limits = check_limits
request.tighter = tighter
request.function_of = function_of
request.rotation = rotation

return request
