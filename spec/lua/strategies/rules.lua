-- Conditions: tags, language, size, words and the time of day.
local leme = require "leme"
local text = require "leme.text"
local function night() local hour = leme.wall() // 3600 % 24 return hour >= 22 or hour < 6 end

return leme.policy { name = "rules", route = function(req)
  local language, group = text.language(req.question), req.model
  if req.headers["x-tier"] == "free" then group = "cheap"
  elseif language == "zh" or language == "ja" then group = "qwen"
  elseif req.tokens > 100000 then group = "long"
  elseif req.question:match "^%s*[Ss][Qq][Ll]:" then group = "code"
  elseif req.headers["x-data-class"] == "restricted" then group = "onprem"
  elseif night() and req.headers["x-batch"] == "1" then group = "batch-night" end
  if not req.temperature then req.temperature = 0.2 end
  req:prepend_system(("Answer in %s. Tenant: %s."):format(language or "latin", req.client))
  return req:try(leme.pick.order(leme.targets(group), "weighted"), { first_token = 12 })
end }
