-- leme.shared: the board by name: values, counters, buckets, reservations and
-- pins that survive reloads and are shared by all workers. Nothing here
-- suspends. Every entry expires (default an hour).

local host = require "leme.host"
local context = require "leme.context"

local shared = { global = {} }
local HOUR = 3600

local function check_name(name, what)
  if type(name) ~= "string" or name == "" or #name > 200 then
    context.blame(("leme.shared.%s: expected a name of 1 to 200 bytes, got %s"):format(what,
      context.describe(name)))
  end
end

local function own(name, what)
  check_name(name, what)
  local policy = context.policy()
  if not policy then
    context.blame("leme.shared." .. what .. ": the board is for requests and policy.every; while"
      .. " a policy is loaded it has no name yet")
  end
  return policy.name .. "/" .. name
end

local function everyone(name, what)
  check_name(name, what)
  return name
end

local function positive(value, what, which, default)
  if value == nil and default then return default end
  if type(value) == "number" and value > 0 then return value end
  context.blame(("leme.shared.%s: %s must be a positive number, got %s"):format(what, which,
    context.describe(value)))
end

local function amount(value, what, default)
  if value == nil then return default end
  if type(value) == "number" and value == value then return value end
  context.blame(("leme.shared.%s: expected a number, got %s"):format(what,
    context.describe(value)))
end

local Hold = {}
Hold.__index = Hold
Hold.__metatable = "leme.hold"

-- The reservation was really used to the amount of ${used}.
function Hold:settle(used)
  used = amount(used, "reserve: settle", 0)
  if self.open then
    self.open = false
    host.settle(self.id, used)
  end
end

-- Nothing was used.
function Hold:cancel() self:settle(0) end

-- The request is over and nobody settled: count it as used.
function Hold:close() self:settle(self.amount) end

local is_value = { number = true, boolean = true, string = true }

local function define_values(into, key)
  -- The value under ${name}, or nil.
  function into.get(name) return host.get(key(name, "get")) end

  -- true; nil, "full" when the board has no room.
  function into.set(name, value, ttl)
    local full = key(name, "set")
    if not is_value[type(value)] then
      context.blame("leme.shared.set: expected a number, boolean or string, got "
        .. context.describe(value))
    end
    return host.set(full, value, positive(ttl, "set", "the time to live", HOUR))
  end

  -- Add ${n} (default 1); the new value.
  function into.incr(name, n, ttl)
    return host.incr(key(name, "incr"), amount(n, "incr", 1),
      positive(ttl, "incr", "the time to live", HOUR))
  end

  -- Set if absent; the value that is there now.
  function into.pin(name, value, ttl)
    local full = key(name, "pin")
    if not is_value[type(value)] then
      context.blame("leme.shared.pin: expected a number, boolean or string, got "
        .. context.describe(value))
    end
    return host.pin(full, value, positive(ttl, "pin", "the time to live", HOUR))
  end
end

local function define_limits(into, key)
  -- ${n} tokens of a bucket that fills with { rate =, burst = } tokens a second:
  -- true, or false and the seconds to wait.
  function into.take(name, n, options)
    local full = key(name, "take")
    if type(options) ~= "table" then
      context.blame("leme.shared.take: expected { rate =, burst = }, got "
        .. context.describe(options))
    end
    context.check_options(options, { "rate", "burst" }, "leme.shared.take")
    local rate = positive(options.rate, "take", "rate")
    return host.take(full, amount(n, "take", 1), rate,
      positive(options.burst, "take", "burst", math.max(rate, 1)))
  end

  -- Reserve ${n} of { limit =, window = } (seconds): a hold to settle, or nil.
  function into.reserve(name, n, options)
    local full = key(name, "reserve")
    if type(options) ~= "table" then
      context.blame("leme.shared.reserve: expected { limit =, window = }, got "
        .. context.describe(options))
    end
    context.check_options(options, { "limit", "window", "ttl" }, "leme.shared.reserve")
    local window = positive(options.window, "reserve", "window")
    n = amount(n, "reserve", 1)
    local id = host.reserve(full, n, positive(options.limit, "reserve", "limit"), window,
      positive(options.ttl, "reserve", "ttl", HOUR))
    if not id then return nil end
    local hold = setmetatable({ id = id, amount = n, open = true }, Hold)
    local plan = context.plan()
    if plan then
      plan.odd = true
      plan.holds = plan.holds or {}
      plan.holds[#plan.holds + 1] = hold
    end
    return hold
  end

  -- Settled and reserved in the running window.
  function into.used(name) return host.used(key(name, "used")) end
end

define_values(shared, own)
define_limits(shared, own)
define_values(shared.global, everyone)
define_limits(shared.global, everyone)

return shared
