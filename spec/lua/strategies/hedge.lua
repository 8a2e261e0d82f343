-- The second target starts when the first has been silent for its own 95th
-- percentile; at most 5 % of the requests.
local leme = require "leme"
local function by_median(req)
  return leme.pick.sort(leme.targets(req.model), function(t)
    return t:quantile("first_token", 0.5, 300) or 0
  end)
end

return leme.policy { name = "hedge",
  route = leme.limit(leme.hedge(by_median, { share = 0.05 }), { first_token = 20 }) }
