-- leme.walk: what all combinators share: which candidates can be used now, why
-- the others were passed over, and the walk along the rest when one fails.

local host = require "leme.host"
local context = require "leme.context"
local answer = require "leme.answer"
local target = require "leme.target"
local request = require "leme.request"

local walk = {}
local fact = target.fact

-- Why candidate ${item} cannot be used now (nil: it can), and whether only
-- because it cools down. A function decides for itself.
local function obstacle(item, tried, forced)
  if type(item) == "function" then return nil end
  local known = fact(item)
  if tried[known.name] then return "already tried" end
  local state, why = host.state(known.index)
  if state == "ready" or state == "half_open" then return nil end
  if state == "cooling" and forced then return nil end
  return why and why ~= "" and state .. ": " .. why or state, state == "cooling"
end

local function note(item, reason)
  host.note("pass", fact(item).index, reason)
end

-- Give ${item} the request. nil, reason when it was half open and another request
-- holds the probe. A probe that answers well closes the matter; a failed one
-- leaves the target half open, and the next may probe after a while.
local function give(req, tried, item)
  if type(item) == "function" then
    local a = item(req, tried)
    if answer.is(a) then return a end
    context.blame("a route returned " .. context.describe(a)
      .. ", expected an answer (req:try ...)")
  end
  local index = fact(item).index
  if host.state(index) ~= "half_open" then return request.attempt(req, item) end
  if not host.probe(index) and not request.forced(req) then
    note(item, "half open: another request probes")
    return nil, "half open"
  end
  local a = request.attempt(req, item)
  if a.ok then host.restore(index) end
  return a
end
walk.give = give

-- Begin ${item} without waiting: a handle, or nil, reason, whether it cools.
function walk.launch(req, tried, item)
  local reason, cools = obstacle(item, tried, request.forced(req))
  if reason then
    note(item, reason)
    return nil, fact(item).name .. " (" .. reason .. ")", cools
  end
  if type(item) ~= "function" then
    local index = fact(item).index
    if host.state(index) == "half_open" and not host.probe(index) then
      note(item, "half open: another request probes")
      return nil, fact(item).name .. " (half open)", true
    end
  end
  return request.start(req, item)
end

local function reasons(list)
  return #list > 0 and table.concat(list, ", ") or nil
end

-- What a walk came to when no candidate could be used.
local function nothing(said, chilled)
  return answer.none(reasons(said or {}), chilled)
end
walk.nothing = nothing

local function said_of(item, reason)
  return fact(item).name .. " (" .. reason .. ")"
end

-- The items of ${source} for this request: prepared already, or a function of
-- the request that lists them.
local function items(source, req)
  if type(source) ~= "function" then return source end
  return walk.prepare(source(req))
end
walk.items = items

-- In the order given. No table is made while the first candidate serves.
function walk.in_order(req, tried, source)
  local list = items(source, req)
  local forced = request.forced(req)
  local last, said, chilled
  for i = 1, #list do
    local item = list[i]
    local reason, cools = obstacle(item, tried, forced)
    local a
    if reason then
      note(item, reason)
    else
      a, reason = give(req, tried, item)
      cools = reason ~= nil
    end
    if a and (a.ok or not a.fallback) then return a end
    if a and a.kind == "none" then
      chilled = chilled or a.chilled
      said = said or {}
      said[#said + 1] = a.reason
    elseif a then
      last = a
    else
      chilled = chilled or cools
      said = said or {}
      said[#said + 1] = said_of(item, reason)
    end
  end
  return last or nothing(said, chilled)
end

-- The candidates that can be used now; passed over ones are noted, once.
local function usable(list, tried, forced, gone, said)
  local pool, chilled = {}, false
  for i = 1, #list do
    local item = list[i]
    if not gone[i] then
      local reason, cools = obstacle(item, tried, forced)
      if not reason then
        pool[#pool + 1] = item
      elseif said then
        chilled = chilled or cools
        note(item, reason)
        said[#said + 1] = said_of(item, reason)
      end
    end
  end
  return pool, chilled
end

local function index_in(list, item)
  for i = 1, #list do
    if list[i] == item then return i end
  end
end

-- ${choose}(pool, req) picks one of the usable candidates; when it fails and
-- another may help, choose again among the rest.
function walk.choosing(req, tried, source, choose)
  local list = items(source, req)
  local forced = request.forced(req)
  local gone, said, last = {}, {}, nil
  local pool, chilled = usable(list, tried, forced, gone, said)
  while #pool > 0 do
    local item = choose(pool, req)
    local at = index_in(list, item)
    if not at then
      context.blame("the combinator's function chose something that is not in its list")
    end
    gone[at] = true
    local a, reason = give(req, tried, item)
    if a and (a.ok or not a.fallback) then return a end
    if a and a.kind == "none" then
      chilled = chilled or a.chilled
      said[#said + 1] = a.reason
    elseif a then
      last = a
    else
      chilled = true
      said[#said + 1] = said_of(item, reason)
    end
    pool = usable(list, tried, forced, gone)
  end
  return last or nothing(said, chilled)
end

-- Check a list of routes once: names become views, lists become functions.
function walk.prepare(list)
  if type(list) ~= "table" or target.is(list) then
    context.blame("expected a list of routes such as { \"a/b\", \"c/d\" }, got "
      .. context.describe(list))
  end
  local ready = {}
  for i = 1, #list do
    local item = list[i]
    if type(item) == "table" and not target.is(item) then
      local inner = walk.prepare(item)
      item = function(req, tried) return walk.in_order(req, tried, inner) end
    end
    ready[i] = request.function_of(item)
  end
  for key in pairs(list) do
    if type(key) ~= "number" or key < 1 or key > #list then
      context.blame(("expected a list of routes, got a table with the key %s"):format(
        tostring(key)))
    end
  end
  return ready
end

-- The list a combinator was given: a list, or a function(req) -> list.
function walk.source(what, name)
  if type(what) == "function" then return what end
  local ready = walk.prepare(what)
  if #ready == 0 then
    context.blame(("%s: the list of routes is empty"):format(name))
  end
  return ready
end

request.set_in_order(function(req, tried, list)
  return walk.in_order(req, tried, walk.prepare(list))
end)

return walk
