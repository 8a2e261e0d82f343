-- A stream that breaks is continued by another model in the same answer.
local leme = require "leme"

return leme.policy { name = "midstream", route = function(req)
  local pool, sofar, view = leme.targets(req.model), "", req
  for i = 1, math.min(3, #pool) do
    local answer = view:try(pool[i], { first_token = 10, idle = 15 })
    if answer.ok then
      req:relay(answer, { resume = i > 1 and sofar ~= "" })
      if answer.ok or not answer.committed or req.tools then return answer end
      sofar = sofar .. answer.text
      view = req:with {}:append("assistant", sofar)
        :prepend_system "Continue the answer exactly where it stops. Repeat nothing."
    elseif answer.final then return answer end
  end
end }
