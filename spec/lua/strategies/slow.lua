-- Judge the first 256 bytes before they are committed; leave crawling streams.
local leme = require "leme"

return leme.policy { name = "slow", route = function(req)
  local pool, answer = leme.targets(req.model), nil
  for i, t in ipairs(pool) do
    local guard = { first_token = 8 }
    if i < #pool then guard.min_speed, guard.hold = 15, 256 end
    answer = req:try(t, guard)
    if answer.final then return answer end
    if answer.error == "provider_slow" then t:cool(20, "slow") end
  end
  return answer
end }
