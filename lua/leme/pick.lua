-- leme.pick: choose from, order and thin out a list of targets (or of anything
-- the given function can judge). None of them suspends or changes its list.

local host = require "leme.host"
local context = require "leme.context"
local target = require "leme.target"

local pick = {}

local function check(list, fn, name, optional)
  if type(list) ~= "table" or target.is(list) then
    context.blame(("leme.pick.%s: expected a list, got %s"):format(name, context.describe(list)))
  end
  if type(fn) ~= "function" and not (optional and fn == nil) then
    context.blame(("leme.pick.%s: expected a function of an item, got %s"):format(name,
      context.describe(fn)))
  end
end

local function number(value, name)
  if type(value) == "number" and value == value then return value end
  context.blame(("leme.pick.%s: the function returned %s, expected a number"):format(name,
    context.describe(value)))
end

local function weight_of(item) return item.weight end

-- Identity for hashes and cursors: a target's name.
local function name_of(item)
  local fact = target.facts[item]
  return fact and fact.name or tostring(item)
end

-- Those for which fn(item) is true.
function pick.filter(list, fn)
  check(list, fn, "filter")
  local kept = {}
  for i = 1, #list do
    if fn(list[i]) then kept[#kept + 1] = list[i] end
  end
  return kept
end

-- All but ${item}, or but the items of a list.
function pick.without(list, item)
  check(list, nil, "without", true)
  local out = {}
  if type(item) == "table" and not target.is(item) then
    for i = 1, #item do out[target.known[item[i]] or item[i]] = true end
  elseif item ~= nil then
    out[target.known[item] or item] = true
  end
  local kept = {}
  for i = 1, #list do
    if not out[list[i]] then kept[#kept + 1] = list[i] end
  end
  return kept
end

-- Any one.
function pick.random(list)
  check(list, nil, "random", true)
  if #list == 0 then return nil end
  return list[math.min(#list, 1 + math.floor(host.random() * #list))]
end

-- One, by chance in proportion to fn(item) (default: the weight).
function pick.weighted(list, fn)
  check(list, fn, "weighted", true)
  fn = fn or weight_of
  local weights, total = {}, 0
  for i = 1, #list do
    local weight = math.max(0, number(fn(list[i]), "weighted"))
    if weight == math.huge then return list[i] end
    weights[i] = weight
    total = total + weight
  end
  if total <= 0 then return pick.random(list) end
  local left = host.random() * total
  for i = 1, #list do
    left = left - weights[i]
    if left < 0 then return list[i] end
  end
  return list[#list]
end

-- The one with the least fn(item); chance among equals, and among those within
-- { slack = 0.1 } (a share) of the least.
function pick.min(list, fn, options)
  check(list, fn, "min")
  local slack = 0
  if options ~= nil then
    context.check_options(options, { "slack" }, "leme.pick.min")
    slack = context.number_of(options, "slack", "leme.pick.min", "a share of at least 0", 0) or 0
  end
  local values, least = {}, math.huge
  for i = 1, #list do
    values[i] = number(fn(list[i]), "min")
    if values[i] < least then least = values[i] end
  end
  local limit = least + math.abs(least) * slack
  local chosen, seen = nil, 0
  for i = 1, #list do
    if values[i] <= limit then
      seen = seen + 1
      if seen == 1 or host.random() * seen < 1 then chosen = list[i] end
    end
  end
  return chosen
end

-- The one with the greatest fn(item).
function pick.max(list, fn, options)
  check(list, fn, "max")
  return pick.min(list, function(item) return -number(fn(item), "max") end, options)
end

-- The better (lesser fn(item)) of two drawn by chance.
function pick.p2c(list, fn)
  check(list, fn, "p2c")
  local count = #list
  if count < 2 then return list[1] end
  local first = math.min(count, 1 + math.floor(host.random() * count))
  local second = math.min(count - 1, 1 + math.floor(host.random() * (count - 1)))
  if second >= first then second = second + 1 end
  local a, b = number(fn(list[first]), "p2c"), number(fn(list[second]), "p2c")
  return list[a <= b and first or second]
end

-- A copy, ascending by fn(item); equals keep their order.
function pick.sort(list, fn)
  check(list, fn, "sort")
  local rows = {}
  for i = 1, #list do rows[i] = { number(fn(list[i]), "sort"), i } end
  table.sort(rows, function(a, b)
    if a[1] ~= b[1] then return a[1] < b[1] end
    return a[2] < b[2]
  end)
  local sorted = {}
  for i = 1, #rows do sorted[i] = list[rows[i][2]] end
  return sorted
end

-- Rendezvous score: each key draws once for each item; weights scale the draw.
local function draw(key, item)
  local weight = target.is(item) and item.weight or 1
  local chance = host.bucket(key, name_of(item))
  return math.max(weight, 1e-9) / -math.log(math.max(chance, 1e-12))
end

-- By hash of ${key}: the same key finds the same item while it is there, and a
-- lost item's keys spread over the rest. With { load = fn, factor = 1.25 } an
-- item above factor times the mean load is left to its successor.
function pick.hash(list, key, options)
  check(list, nil, "hash", true)
  if key == nil then context.blame("leme.pick.hash: expected a key as second argument, got nil") end
  local ordered = pick.order(list, "hash", key)
  if options == nil then return ordered[1] end
  context.check_options(options, { "load", "factor" }, "leme.pick.hash")
  local factor = context.number_of(options, "factor", "leme.pick.hash", "a number of at least 1", 1)
  if options.load == nil then
    if not factor then return ordered[1] end
    context.blame("leme.pick.hash: factor bounds the load, which load = a function of an item says")
  end
  local limit = (factor or 1.25) * math.max(pick.mean(list, options.load) or 0, 1)
  for i = 1, #ordered do
    if options.load(ordered[i]) <= limit then return ordered[i] end
  end
  return ordered[1]
end

-- All of them in an order to walk: by "weighted" draws, by "hash" of ${key}, or
-- ascending by a function.
function pick.order(list, how, key)
  if how == "weighted" then
    return pick.sort(list, function(item)
      local weight = target.is(item) and item.weight or 1
      return math.log(math.max(host.random(), 1e-12)) / -math.max(weight, 1e-9)
    end)
  end
  if how == "hash" then
    if key == nil then context.blame('leme.pick.order: "hash" needs a key as third argument') end
    key = tostring(key)
    return pick.sort(list, function(item) return -draw(key, item) end)
  end
  if type(how) == "function" then return pick.sort(list, how) end
  context.blame('leme.pick.order: expected "weighted", "hash" or a function, got '
    .. context.describe(how))
end

-- Least and mean of fn over the list; nil for an empty one.
function pick.lowest(list, fn)
  check(list, fn, "lowest")
  local least
  for i = 1, #list do
    local value = number(fn(list[i]), "lowest")
    if not least or value < least then least = value end
  end
  return least
end

function pick.mean(list, fn)
  check(list, fn, "mean")
  local sum = 0
  for i = 1, #list do sum = sum + number(fn(list[i]), "mean") end
  return #list > 0 and sum / #list or nil
end

-- Whose turn is it: smooth weighted round robin. The schedule follows from the
-- weights alone, the turn is one counter on the board, so workers share it
-- exactly and a reload continues it.
local SLOTS = 128
local schedules, schedule_count = {}, 0

local function schedule_of(weights)
  local signature = table.concat(weights, ",")
  local known = schedules[signature]
  if known then return known end
  local total = 0
  for i = 1, #weights do total = total + weights[i] end
  local scaled, slots = {}, 0
  for i = 1, #weights do
    local integer = math.floor(weights[i])
    scaled[i] = (integer == weights[i] and total <= SLOTS) and integer
        or math.floor(weights[i] / total * SLOTS + 0.5)
    slots = slots + scaled[i]
  end
  local turns, current = {}, {}
  for i = 1, #scaled do current[i] = 0 end
  for turn = 1, slots do
    local best = 1
    for i = 1, #scaled do
      current[i] = current[i] + scaled[i]
      if current[i] > current[best] then best = i end
    end
    current[best] = current[best] - slots
    turns[turn] = best
  end
  if schedule_count >= 256 then schedules, schedule_count = {}, 0 end
  schedules[signature], schedule_count = turns, schedule_count + 1
  return turns
end

-- The next one of ${list} for the board's counter ${cursor}.
function pick.turn(list, cursor, fn)
  if #list < 2 then return list[1] end
  local turn = (host.incr(cursor, 1, 86400) or 1) // 1 - 1
  if not fn then return list[turn % #list + 1] end
  local weights, even = {}, true
  for i = 1, #list do
    weights[i] = math.max(0, number(fn(list[i]), "swrr"))
    even = even and weights[i] == weights[1]
  end
  if even then return list[turn % #list + 1] end
  local turns = schedule_of(weights)
  if #turns == 0 then return list[turn % #list + 1] end
  return list[turns[turn % #turns + 1]]
end

-- Smooth weighted round robin over fn (default: the weight); ${name} tells
-- several cursors of one policy apart.
function pick.swrr(list, name, fn)
  check(list, fn, "swrr", true)
  local policy = context.policy()
  if not policy then context.blame("leme.pick.swrr needs a running policy") end
  return pick.turn(list, policy.name .. "/swrr/" .. tostring(name or ""), fn or weight_of)
end

return pick
