-- leme.fake: a virtual clock, dice, board and targets: the host functions that
-- leme.test puts in place of the engine's. Deterministic; needs no I/O.

local fake = {}

-- Clock and agenda: a heap of { time, order, fn }.

local function before(a, b)
  if a[1] ~= b[1] then return a[1] < b[1] end
  return a[2] < b[2]
end

local function heap_push(heap, item)
  local i = #heap + 1
  heap[i] = item
  while i > 1 do
    local up = i // 2
    if not before(heap[i], heap[up]) then break end
    heap[i], heap[up] = heap[up], heap[i]
    i = up
  end
end

local function heap_pop(heap)
  local top, last = heap[1], #heap
  heap[1] = heap[last]
  heap[last] = nil
  last = last - 1
  local i = 1
  while true do
    local least = i
    for child = 2 * i, 2 * i + 1 do
      if child <= last and before(heap[child], heap[least]) then least = child end
    end
    if least == i then return top end
    heap[i], heap[least] = heap[least], heap[i]
    i = least
  end
end

-- Targets: samples by metric, the newest last; a second's slots for averages.

local SAMPLES = 4096
local SLOTS = 64

local function new_target(fact)
  return { fact = fact, inflight = 0, samples = {}, slots = {}, cool_until = 0, why = "",
    ejections = 0, half_open = false, operator = nil, max_in_flight = math.huge,
    weight = fact.weight or 1, pools = {}, whole = false }
end

-- A pool of one key and its target know each other.
local function join(world)
  for _, t in ipairs(world.targets) do
    t.whole = t.fact.of and world.targets[t.fact.of] or false
    if t.whole then table.insert(t.whole.pools, t) end
  end
end

local record
function record(t, metric, now, value)
  local list = t.samples[metric]
  if not list then
    list = { first = 1, last = 0 }
    t.samples[metric] = list
    t.slots[metric] = {}
  end
  list.last = list.last + 1
  list[list.last] = { now, value }
  if list.last - list.first >= SAMPLES then
    list[list.first] = nil
    list.first = list.first + 1
  end
  local second = math.floor(now)
  local slot = t.slots[metric][second % SLOTS]
  if not slot or slot[1] ~= second then
    slot = { second, 0, 0 }
    t.slots[metric][second % SLOTS] = slot
  end
  slot[2], slot[3] = slot[2] + 1, slot[3] + value
  if t.whole then record(t.whole, metric, now, value) end
end

-- One more (or less) in flight.
function fake.hold(t, n)
  t.inflight = t.inflight + n
  if t.whole then t.whole.inflight = t.whole.inflight + n end
end

local function ewma(t, metric, tau, now)
  local slots = t.slots[metric]
  if not slots then return nil end
  local weight, sum = 0, 0
  for i = 0, SLOTS - 1 do
    local slot = slots[i]
    if slot and now - slot[1] <= SLOTS then
      local share = math.exp(-(now - slot[1]) / tau)
      weight, sum = weight + share * slot[2], sum + share * slot[3]
    end
  end
  if weight < 1e-9 then return nil end
  return sum / weight
end

local function within(t, metric, window, now, fn)
  local list = t.samples[metric]
  if not list then return end
  for i = list.last, list.first, -1 do
    if now - list[i][1] > window then return end
    fn(list[i][2])
  end
end

local function quantile(t, metric, q, window, now)
  local values = {}
  within(t, metric, window, now, function(value) values[#values + 1] = value end)
  if #values == 0 then return nil end
  table.sort(values)
  return values[math.max(1, math.min(#values, math.ceil(q * #values)))]
end

local RANK = { ready = 3, half_open = 3, saturated = 2, cooling = 1 }

-- A target is as ready as the readiest of its pools.
local state_of
function state_of(t, now)
  if t.operator then return t.operator, "operator" end
  if now < t.cool_until then return "cooling", t.why end
  if t.inflight >= t.max_in_flight then return "saturated", "max_in_flight" end
  if t.half_open then return "half_open", t.why end
  local best, why, rank = "ready", "", -1
  for _, pool in ipairs(t.pools) do
    local state, reason = state_of(pool, now)
    local at = RANK[state] or 0
    if at == 3 then return "ready", "" end
    if at > rank then best, why, rank = state, reason, at end
  end
  return best, why
end

local function fnv(text)
  local hash = 0xcbf29ce484222325
  for i = 1, #text do hash = (hash ~ text:byte(i)) * 0x100000001b3 end
  hash = (hash ~ (hash >> 33)) * 0xff51afd7ed558ccd
  hash = (hash ~ (hash >> 33)) * 0xc4ceb9fe1a85ec53
  return hash ~ (hash >> 33)
end

-- Host functions by subject; each gets the world it belongs to.

local function time_functions(world, door)
  function door.now() return world.clock end
  function door.wall() return world.epoch + world.clock end
  function door.random()
    world.dice = world.dice * 6364136223846793005 + 1442695040888963407
    return (world.dice >> 11) / 2 ^ 53
  end
  function door.bucket(key, salt)
    return (fnv(salt .. "\0" .. key) >> 11) / 2 ^ 53
  end
end

local function target_functions(world, door)
  local function at(i)
    return world.targets[i] or error("no target has the index " .. tostring(i), 3)
  end
  function door.inflight(i) return at(i).inflight end
  function door.state(i) return state_of(at(i), world.clock) end
  function door.usable(i)
    local state, why = state_of(at(i), world.clock)
    if state == "ready" then return true end
    return false, state, why
  end
  function door.weight(i) return at(i).weight end
  function door.cost(i, input, output)
    local fact = at(i).fact
    if not fact.price_in or output > 0 and not fact.price_out then return nil end
    return (fact.price_in * input + (fact.price_out or 0) * output) / 1e6
  end
  function door.ewma(i, metric, tau) return ewma(at(i), metric, tau, world.clock) end
  function door.quantile(i, metric, q, window)
    return quantile(at(i), metric, q, window, world.clock)
  end
  function door.window(i, metric, window)
    local count, sum = 0, 0
    within(at(i), metric, window, world.clock, function(value)
      count, sum = count + 1, sum + value
    end)
    return count, sum
  end
  function door.remaining(i) return at(i).remaining_requests, at(i).remaining_tokens end
  function door.outage_age(i)
    local t = at(i)
    return t.outage and world.clock - t.outage or nil
  end
  function door.cool(i, seconds, why)
    local t = at(i)
    t.cool_until = math.max(t.cool_until, world.clock + seconds)
    t.why = why
  end
  function door.eject(i, base, max, why)
    local t = at(i)
    if t.half_open and world.clock < t.cool_until then return t.cool_until - world.clock end
    t.ejections = t.ejections + 1
    local seconds = math.min(base * t.ejections, max)
    t.cool_until = math.max(t.cool_until, world.clock + seconds)
    t.half_open, t.probing, t.why = true, false, why
    return seconds
  end
  function door.restore(i)
    local t = at(i)
    t.cool_until, t.ejections, t.half_open, t.probing = 0, 0, false, false
  end
  function door.probe(i)
    local t = at(i)
    if t.probing and world.clock - t.probing < 30 then return false end
    t.probing = world.clock
    return true
  end
end

local function board_functions(world, door)
  local function live(key)
    local entry = world.board[key]
    if entry and entry.expires > world.clock then return entry end
  end
  local function put(key, value, ttl)
    world.board[key] = { value = value, expires = world.clock + (ttl or 3600) }
    return true
  end
  function door.get(key)
    local entry = live(key)
    return entry and entry.value
  end
  door.set = put
  function door.incr(key, n, ttl)
    local entry = live(key)
    local value = (entry and entry.value or 0) + n
    put(key, value, ttl)
    return value
  end
  function door.pin(key, value, ttl)
    local entry = live(key)
    if entry then return entry.value end
    put(key, value, ttl)
    return value
  end
  function door.take(key, n, rate, burst)
    local entry = live(key) or { value = burst, at = world.clock }
    local tokens = math.min(burst, entry.value + (world.clock - entry.at) * rate)
    local ok = tokens >= n
    if ok then tokens = tokens - n end
    world.board[key] = { value = tokens, at = world.clock, expires = world.clock + 86400 }
    if ok then return true end
    return false, (n - tokens) / rate
  end
  function door.reserve(key, n, limit, window)
    local entry = live(key)
    if not entry then
      entry = { value = 0, reserved = 0, expires = world.clock + window }
      world.board[key] = entry
    end
    if entry.value + entry.reserved + n > limit then return nil end
    entry.reserved = entry.reserved + n
    local id = #world.holds + 1
    world.holds[id] = { entry = entry, n = n }
    return id
  end
  function door.settle(id, used)
    local hold = world.holds[id]
    if not hold or hold.settled then error("reservation " .. tostring(id) .. " is settled", 2) end
    hold.settled = true
    hold.entry.reserved = hold.entry.reserved - hold.n
    hold.entry.value = hold.entry.value + used
  end
  function door.used(key)
    local entry = live(key)
    return entry and entry.value + (entry.reserved or 0) or 0
  end
end

local function record_functions(world, door)
  function door.note(kind, index, text)
    local name = world.targets[index] and world.targets[index].fact.name or ""
    world.notes[#world.notes + 1] = { kind = kind, target = name, text = text }
  end
  function door.trace(key, json) world.traces[#world.traces + 1] = { key = key, json = json } end
  function door.log(level, message) world.logs[#world.logs + 1] = level .. ": " .. message end
  function door.metric(name, by, label)
    local key = label and name .. "/" .. label or name
    world.metrics[key] = (world.metrics[key] or 0) + by
  end
  function door.revision() return "0000000" end
end

-- A world over the targets of ${catalog}; ${seed} of its dice.
function fake.new(catalog, seed)
  local world = { clock = 1000, epoch = 1767222000, dice = (seed or 1) * 0x9e3779b97f4a7c15 + 1,
    agenda = {}, order = 0, targets = {}, by_name = {}, board = {}, holds = {}, notes = {},
    traces = {}, logs = {}, metrics = {} }
  for _, fact in ipairs(catalog) do
    local t = new_target(fact)
    world.targets[fact.index] = t
    world.by_name[fact.name] = t
  end
  join(world)
  world.door = {}
  time_functions(world, world.door)
  target_functions(world, world.door)
  board_functions(world, world.door)
  record_functions(world, world.door)
  return world
end

-- Call ${fn} after ${delay} seconds of virtual time.
function fake.later(world, delay, fn)
  world.order = world.order + 1
  heap_push(world.agenda, { world.clock + math.max(0, delay), world.order, fn })
end

-- Run what is due until ${stop}() or the agenda is empty or ${limit} is reached.
function fake.run(world, stop, limit)
  local agenda = world.agenda
  while agenda[1] and not (stop and stop()) do
    if limit and agenda[1][1] > limit then break end
    local item = heap_pop(agenda)
    world.clock = item[1]
    item[3]()
  end
  if limit and world.clock < limit and not (stop and stop()) then world.clock = limit end
end

fake.record = record
fake.state_of = state_of

return fake
