-- leme.parallel: the combinators that have several attempts in the air. The
-- first good answer wins and the others are cancelled.

local host = require "leme.host"
local context = require "leme.context"
local target = require "leme.target"
local wait = require "leme.wait"
local request = require "leme.request"
local walk = require "leme.walk"
local route = require "leme.route"

local parallel = {}
local made = context.made

-- One run: what was started, and what came of those that failed.
local function new_run(req, tried, list)
  return { req = req, tried = tried or request.tried(req), list = list, next = 1, open = {},
    said = {}, chilled = false, last = nil }
end

-- Start the next candidate that can be used; false when none is left.
local function launch(run, req)
  while run.next <= #run.list do
    local item = run.list[run.next]
    run.next = run.next + 1
    local handle, reason, cools = walk.launch(req or run.req, run.tried, item)
    if handle then
      run.open[#run.open + 1] = handle
      return true
    end
    run.said[#run.said + 1] = reason
    run.chilled = run.chilled or cools
  end
  return false
end

local function close(run)
  for i = 1, #run.open do wait.cancel(run.open[i]) end
  run.open = {}
end

-- Take in answer ${a} of ${handle}; true when it settles the matter.
local function take(run, a, handle)
  for i = 1, #run.open do
    if run.open[i] == handle then table.remove(run.open, i) break end
  end
  if a.ok or not a.fallback then return true end
  if a.kind == "none" then
    run.said[#run.said + 1] = a.reason
    run.chilled = run.chilled or a.chilled
  else
    run.last = a
  end
  return false
end

local function outcome(run)
  return run.last or walk.nothing(run.said, run.chilled)
end

-- Hedges are bounded to a share of the requests: each request adds a share of a
-- credit, each hedge takes one.
local CREDIT_MAX = 10

local function earn(name, share)
  local credit = host.incr(name, share, 86400) or 0
  if credit > CREDIT_MAX then host.set(name, CREDIT_MAX, 86400) end
end

local function spend(name)
  local credit = host.get(name) or 0
  if credit < 1 then return false end
  host.incr(name, -1, 86400)
  return true
end

-- How long to wait for the first: given, or its own 95th percentile.
local function patience(after, req, first)
  if type(after) == "function" then
    after = route.number_of({ after = after(req) }, "after", "hedge",
      "a function that returns a number of seconds", 0)
  end
  if after then return after end
  local known = first and target.facts[first]
  local usual = known and host.quantile(known.index, "first_token", 0.95, 300)
  return usual or 1.5
end

-- Start the second of the list only when the first has not answered after a
-- while: { after = seconds or fn(req) (default: its 95th percentile of the first
-- token), share = of requests that may be hedged (default 0.05) }. A failure
-- starts the next at once.
function parallel.hedge(list, options)
  options = route.options_of(options, { "after", "share" }, "hedge")
  local items, list_of = walk.source(list, "hedge")
  local name = route.state_name("hedge")
  local share = route.number_of(options, "share", "hedge", "between 0 and 1", 0, 1) or 0.05
  if type(options.after) ~= "function" then
    route.number_of(options, "after", "hedge", "a number of seconds or a function(req)", 0)
  end
  return made(function(req, tried)
    local run = new_run(req, tried, items or walk.items(list_of, req))
    earn(name(), share)
    local after = patience(options.after, req, run.list[1])
    local due, hedged = host.now() + after, false
    while #run.open > 0 or launch(run) do
      local may = not hedged and run.next <= #run.list
      local a, handle = wait.await(run.open, may and math.max(due - host.now(), 0) or nil)
      if not a then
        hedged = true
        if spend(name()) then
          launch(run, request.flagged(req, { hedge = true }))
        else
          host.note("trace", 0, "hedge: no credit")
        end
      elseif take(run, a, handle) then
        close(run)
        return a
      end
    end
    return outcome(run)
  end)
end

-- All at once.
function parallel.race(list)
  local items, list_of = walk.source(list, "race")
  return made(function(req, tried)
    local run = new_run(req, tried, items or walk.items(list_of, req))
    local view = req
    while launch(run, view) do
      view = request.flagged(req, { hedge = true })
    end
    while #run.open > 0 do
      local a, handle = wait.await(run.open)
      if take(run, a, handle) then
        close(run)
        return a
      end
    end
    return outcome(run)
  end)
end

-- ${what}, and a copy of some requests to ${copy}, whose answer nobody gets.
-- { share = of the requests (default 1), max_usd = }
function parallel.shadow(what, copy, options)
  options = route.options_of(options, { "share", "max_usd" }, "shadow")
  local list, mirror = route.one(what, "shadow"), route.one(copy, "shadow")
  local share = route.number_of(options, "share", "shadow", "between 0 and 1", 0, 1) or 1
  route.number_of(options, "max_usd", "shadow", "a number of US dollars", 0)
  return made(function(req, tried)
    if share > 0 and host.random() < share then
      local hidden = request.flagged(request.untried(req),
        { shadow = true, max_usd = options.max_usd })
      walk.launch(hidden, request.tried(hidden), mirror[1])
    end
    return walk.in_order(req, tried or request.tried(req), list)
  end)
end

return parallel
