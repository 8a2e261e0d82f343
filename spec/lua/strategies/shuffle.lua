-- Weighted chance within a group, a group after the other, cool at 429.
local leme = require "leme"
local chain = { "gpt", "claude", "local" }
local function healthy(t) return t.state == "ready" end

return leme.policy { name = "shuffle", route = function(req)
  local last
  for _, group in ipairs(chain) do
    local pool = leme.pick.filter(leme.targets(group), healthy)
    if #pool > 0 then
      last = req:try(leme.weighted(pool), { total = 60, first_token = 8 })
      if last.final then return last end
    end
  end
  return last or leme.reject(503, "no healthy target")
end, attempted = function(t, a)
  if a.error == "provider_rate_limited" then t:cool(a.retry_after or 5, "429") end
end }
