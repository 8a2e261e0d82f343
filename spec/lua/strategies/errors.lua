-- The kind of failure names the next group.
local leme = require "leme"
local next_of = { provider_context_too_long = "long",
  provider_content_filtered = "other-vendor", provider_overloaded = "backup",
  provider_rate_limited = "backup", provider_server_error = "backup",
  provider_timeout_first_token = "backup", provider_timeout_connect = "backup" }

return leme.policy { name = "errors", route = function(req)
  local group, answer = req.model, nil
  for _ = 1, 4 do
    local fits = leme.pick.filter(leme.targets(group), function(t)
      return t.context >= req.tokens + (req.max_tokens or 1024)
    end)
    answer = req:try(leme.round_robin(#fits > 0 and fits or leme.targets "long"))
    if answer.ok or not next_of[answer.error] then return answer end
    group = next_of[answer.error]
    leme.trace("hop", { from = answer.target.name, error = answer.error, to = group })
  end
  return answer
end }
