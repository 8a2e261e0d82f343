-- 5 % of the clients on the canary, back by itself; a sampled shadow beside.
local leme = require "leme"
local shared = leme.shared

return leme.policy { name = "canary", route = function(req)
  local arm = "stable"
  if not shared.get "canary_off" and leme.bucket(req.client, "exp-7") < 0.05 then arm = "canary" end
  local route = arm == "canary" and leme.fallback { leme.targets "canary", leme.targets "stable" }
    or leme.fallback(leme.targets "stable")
  local answer = req:try(leme.shadow(route, leme.targets("candidate")[1],
    { share = 0.02, max_usd = 0.01 }), { first_token = 10 })
  leme.metric("arm_requests", 1, arm .. (answer.ok and "_ok" or "_failed"))
  return answer
end, every = { [10] = function()
  local c, s = leme.targets("canary")[1], leme.targets("stable")[1]
  if c:count("attempt", 300) > 50 and c:rate("error", 300) > 2 * s:rate("error", 300) + 0.01 then
    shared.set("canary_off", true, 86400)
    leme.trace("rollback", { errors = c:rate("error", 300) })
  end
end } }
