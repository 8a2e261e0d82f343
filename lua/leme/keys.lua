-- leme.keys: a target whose provider has several keys. Each key is a pool with
-- numbers, limits and cooling of its own. When the policy does not say which, the
-- healthy ones take turns; a key that fails as a key (refused, out of credit, at
-- its limit) rests, and the next one is asked in the same attempt of the route.

local host = require "leme.host"
local target = require "leme.target"
local request = require "leme.request"

local keys = {}
local facts, pools, pooled = target.facts, target.pools, target.pooled

local OK <const>, ERROR <const>, STATUS <const>, RETRY_AFTER <const> = 4, 5, 6, 12

-- How long a key rests, in seconds, after what it was told. The first ones hold
-- for the key wherever it is used, and last until somebody pays or a reload brings
-- another key. What a limit says holds for one model, until the provider's own
-- word; so does 403, for many keys may not use every model.
local DEAD = { provider_auth = 300, provider_billing = 300, provider_quota_exhausted = 300 }
local LIMITED = 30
local DAY = 86400
local FORBIDDEN = 403

-- The pool of ${fact}; or all of its key, whatever the target.
local function rest(fact, everywhere, seconds, why)
  if not everywhere then return host.cool(fact.index, seconds, why) end
  for i = 1, #pooled do
    local other = facts[pooled[i]]
    if other.provider == fact.provider and other.key == fact.key then
      host.cool(other.index, seconds, why)
    end
  end
end

-- Does answer ${a} say that the key, and not the target, is what failed? Then
-- the key rests.
local function blames_key(a, fact)
  local err = a[ERROR]
  if DEAD[err] then
    rest(fact, a[STATUS] ~= FORBIDDEN, math.max(a[RETRY_AFTER] or 0, DEAD[err]), err)
    return true
  end
  if err ~= "provider_rate_limited" then return false end
  -- Without a status nobody was asked: our own limit of the pool was met.
  local seconds = a[STATUS] == 0 and 0 or a[RETRY_AFTER] or LIMITED
  if seconds > 0 then rest(fact, false, seconds, err) end
  return true
end

-- May the pool of ${fact} be called now, and does a call of it probe?
local function usable(fact)
  local ready, state = host.usable(fact.index)
  if ready then return true, false end
  if state == "half_open" and host.probe(fact.index) then return true, true end
  return false
end

-- The pools of ${whole} in turn: whose turn it is lives on the board, so that
-- workers and reloads share it.
local function in_turn(whole)
  local list = pools[whole]
  local turn = host.incr("keys/" .. facts[whole].name, 1, DAY) or 1
  local order = {}
  for i = 1, #list do order[i] = list[math.tointeger((turn + i - 2) % #list) + 1] end
  return order
end

local function call(who, req, pool, probes)
  local a = request.attempt(who, req, pool)
  if a[OK] and probes then host.restore(facts[pool].index) end
  return a
end

-- One attempt of ${whole} for ${req}: by a healthy key, and by the next one when
-- that key turns out not to be. When all rest, by the one whose turn it is: "all
-- are cooling" must not mean "all are refused".
local function rotate(who, req, whole)
  local order, last = in_turn(whole), nil
  for i = 1, #order do
    local fact = facts[order[i]]
    local may, probes = usable(fact)
    if may then
      local a = call(who, req, order[i], probes)
      if a[OK] or not blames_key(a, fact) then return a end
      last = a
    else
      host.note("pass", fact.index, select(2, host.state(fact.index)))
    end
  end
  return last or call(who, req, order[1], false)
end

request.set_rotate(rotate)
keys.rotate = rotate

return keys
