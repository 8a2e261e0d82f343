-- leme.walk: what all combinators share: which candidates can be used now, why
-- the others were passed over, and the walk along the rest when one fails. While
-- the first choice serves, no table is made.

local host = require "leme.host"
local context = require "leme.context"
local answer = require "leme.answer"
local target = require "leme.target"
local task = require "leme.task"
local request = require "leme.request"

local walk = {}
local now = context.now
local facts = target.facts
local attempt, forced_of, tried_of = request.attempt, request.forced, request.tried

local TARGET <const>, OK <const>, ERROR <const>, KIND <const> = 3, 4, 5, 9
local FALLBACK <const>, CHILLED <const>, RETRY_AFTER <const> = 10, 16, 12

local checked

local function check_list(list)
  if type(list) == "table" and not facts[list] then return end
  context.blame("expected a list of routes such as { \"a/b\", \"c/d\" }, got "
    .. context.describe(list))
end

-- What a target is passed over for only while there are others.
local soft = { cooling = true, limit = true }

-- Why the target cannot be used now (nil: it can), whether it can when nothing else
-- is left, and whether it is to be probed.
local function obstacle(known, tried, forced)
  if tried and tried[known.name] then return "already tried" end
  local ready, state, why = host.usable(known.index)
  if ready then return nil end
  if state == "half_open" then return nil, nil, true end
  if forced and soft[state] then return nil end
  return why and why ~= "" and state .. ": " .. why or state, soft[state]
end

local function pass(known, reason)
  host.note("pass", known.index, reason)
  return known.name .. " (" .. reason .. ")"
end

local function called(item, req, tried)
  local a = item(req, tried)
  local plan = now.task.plan
  if a and (a == plan[plan.last] and not a[KIND] or answer.is(a)) then return a end
  context.blame(context.NONSENSE .. "a route returned " .. context.describe(a)
    .. ", expected an answer (req:try ...)")
end

-- Give half open ${item} the request. nil when another request holds the probe.
-- A probe that answers well closes the matter; a failed one leaves the target
-- half open, and the next may probe after a while.
local function probe(who, req, item, forced)
  local index = facts[item].index
  if not host.probe(index) and not forced then return nil end
  local a = attempt(who, req, item)
  if a[OK] then host.restore(index) end
  return a
end

-- Give ${item} the request: its answer; or nil, what to say of it, and whether
-- it only cools down.
local function give(who, req, tried, item, forced)
  local known = facts[item]
  if not known then return called(item, req, tried) end
  local reason, cools, half_open = obstacle(known, tried, forced)
  if not reason then
    if not half_open then return attempt(who, req, item) end
    local a = probe(who, req, item, forced)
    if a then return a end
    reason, cools = "half open: another request probes", true
  end
  return nil, pass(known, reason), cools
end

-- Begin ${item} without waiting: a handle, or nil, what to say of it, whether it
-- cools.
function walk.launch(req, tried, item)
  local known = facts[item]
  if not known then return request.start(req, item) end
  local reason, cools, half_open = obstacle(known, tried, forced_of(req))
  if not reason and half_open and not host.probe(known.index) then
    reason, cools = "half open: another request probes", true
  end
  if not reason then return request.start(req, item) end
  return nil, pass(known, reason), cools
end

-- What a walk came to when no candidate could be used.
local function nothing(said, chilled)
  return answer.none(said and #said > 0 and table.concat(said, ", ") or nil, chilled)
end
walk.nothing = nothing

-- What became of the candidates that did not serve.
local function new_story(rest)
  return { said = {}, chilled = false, last = nil, rest = rest }
end

local function tell(story, a, said, cools)
  if a and not a[KIND] then
    story.last = a
    if story.rest and a[ERROR] == "provider_rate_limited" then
      host.cool(facts[a[TARGET]].index, a[RETRY_AFTER] or story.rest, "rate limited")
    end
    return
  end
  story.chilled = story.chilled or (a and a[CHILLED] or cools) or false
  story.said[#story.said + 1] = a and a.reason or said
end

local function outcome(story)
  return story.last or nothing(story.said, story.chilled)
end

-- In the order given, from ${first} on.
local function in_order(who, req, tried, list, first, story)
  local forced = forced_of(req)
  for i = first, #list do
    if not tried and who.plan.last > 0 then tried = tried_of(req) end
    local a, said, cools = give(who, req, tried, list[i], forced)
    if a and (a[OK] or not a[FALLBACK]) then return a end
    tell(story, a, said, cools)
  end
  return outcome(story)
end

-- ${rest}, if any: how long a target rests that says "too many requests".
function walk.in_order(req, tried, list, list_of, rest)
  local who = now.task or task.running("req:try")
  local plan = who.plan
  local fixed = list
  if not fixed then
    list = list_of(req)
    if type(list) ~= "table" then check_list(list) end
  end
  if not tried and plan.last == 0 then
    local first = list[1]
    local known = facts[first]
    local a
    if known then
      if host.usable(known.index) then a = attempt(who, req, first) end
    elseif first and fixed then
      a = called(first, req)
    end
    if a then
      if a[OK] or not a[FALLBACK] then return a end
      local story = new_story(rest)
      tell(story, a)
      return in_order(who, req, nil, fixed or checked(plan, list), 2, story)
    end
  end
  return in_order(who, req, tried, fixed or checked(plan, list), 1, new_story(rest))
end

-- The candidates that can be used now; passed over ones are noted, once.
local function usable(list, tried, forced, gone, story)
  local pool = {}
  for i = 1, #list do
    local item = list[i]
    local known = facts[item]
    if not gone[i] then
      local reason, cools
      if known then reason, cools = obstacle(known, tried, forced) end
      if not reason then
        pool[#pool + 1] = item
      elseif story then
        tell(story, nil, pass(known, reason), cools)
      end
    end
  end
  return pool
end

local function index_in(list, item)
  for i = 1, #list do
    if list[i] == item then return i end
  end
  context.blame(context.NONSENSE
    .. "the combinator's function chose something that is not in its list")
end

-- Choose again and again among those of ${list} that are left.
local function choosing(who, req, tried, list, choose, extra, gone, story)
  local forced = forced_of(req)
  if not tried and who.plan.last > 0 then tried = tried_of(req) end
  local pool = usable(list, tried, forced, gone, story)
  while #pool > 0 do
    local item = choose(pool, req, extra)
    gone[index_in(list, item)] = true
    local a, said, cools = give(who, req, tried, item, forced)
    if a and (a[OK] or not a[FALLBACK]) then return a end
    tell(story, a, said, cools)
    if not tried and who.plan.last > 0 then tried = tried_of(req) end
    pool = usable(list, tried, forced, gone)
  end
  return outcome(story)
end

-- ${choose}(pool, req, extra) picks one of the usable candidates; when it fails
-- and another may help, choose again among the rest.
function walk.choosing(req, tried, list, list_of, choose, extra)
  local who = now.task or task.running("req:try")
  local plan = who.plan
  local fixed = list
  if not fixed then
    list = list_of(req)
    if type(list) ~= "table" then check_list(list) end
  end
  if not tried and plan.last == 0 then
    local n = #list
    local all = n > 0
    for i = 1, n do
      local known = facts[list[i]]
      if not known or not host.usable(known.index) then
        all = false
        break
      end
    end
    if all then
      local item = choose(list, req, extra)
      local a = attempt(who, req, item)
      if a[OK] or not a[FALLBACK] then return a end
      local story = new_story()
      tell(story, a)
      list = fixed or checked(plan, list)
      return choosing(who, req, nil, list, choose, extra, { [index_in(list, item)] = true }, story)
    end
  end
  list = fixed or checked(plan, list)
  return choosing(who, req, tried, list, choose, extra, {}, new_story())
end

-- Check a list of routes once: names become views, lists become functions.
function walk.prepare(list)
  check_list(list)
  local made = {}
  for i = 1, #list do
    local item = list[i]
    if type(item) == "table" and not facts[item] then
      local inner = walk.prepare(item)
      item = function(req, tried) return walk.in_order(req, tried, inner) end
      context.made(item, inner)
    end
    made[i] = request.function_of(item)
  end
  for key in pairs(list) do
    if type(key) ~= "number" or key < 1 or key > #list then
      context.blame(("expected a list of routes, got a table with the key %s"):format(
        tostring(key)))
    end
  end
  return made
end

local function as_it_should_be(list)
  for i = 1, #list do
    if not facts[list[i]] then return false end
  end
  return next(list, #list > 0 and #list or nil) == nil
end

-- A list that code of the policy made for this request.
function checked(plan, list)
  check_list(list)
  plan.seen, plan.odd = true, true
  return as_it_should_be(list) and list or walk.prepare(list)
end

-- What ${list_of}(req) lists.
function walk.items(list_of, req)
  return checked(now.task.plan, list_of(req))
end

-- What a combinator was given: a prepared list, or else a function(req) -> list.
function walk.source(what, name)
  if type(what) == "function" then return nil, what end
  local list = walk.prepare(what)
  if #list == 0 then
    context.blame(("%s: the list of routes is empty"):format(name))
  end
  return list
end

request.set_in_order(function(req, tried, list)
  return walk.in_order(req, tried, walk.prepare(list))
end)

return walk
