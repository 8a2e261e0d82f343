-- All keys of a model's targets in rotation: dead ones go at once, limited ones
-- rest, others are repeated with a growing pause inside the deadline.
local leme = require "leme"
local pick = leme.pick

local function ready_keys(req)
  local all = {}
  for _, t in ipairs(leme.targets(req.model)) do
    table.move(#t.keys > 0 and t.keys or { t }, 1, math.max(#t.keys, 1), #all + 1, all)
  end
  return pick.filter(all, function(t) return t.state == "ready" end)
end

return leme.policy { name = "keys", route = function(req)
  local pool, delay, last = ready_keys(req), 0.5, nil
  while #pool > 0 and req.remaining > 2 do
    local t = pick.weighted(pool)
    last = req:try(t, { total = req.remaining })
    if last.ok then return last end
    if last.error == "provider_auth" or last.error == "provider_billing" then
      t:cool(3600, last.error) pool = pick.without(pool, t)
    elseif last.error == "provider_rate_limited" then
      t:cool(last.retry_after or 30, "429") pool = pick.without(pool, t)
    elseif last.retryable then
      leme.sleep(math.min((last.retry_after or 0) + delay * (0.8 + 0.4 * leme.random()), 5))
      delay = delay * 2
    else return last end
  end
  return last or leme.reject(502, "credentials exhausted")
end }
