-- leme.freeze: modules as policies see them. What one policy assigns to a shared
-- module would be seen by all others of the state, so it raises instead.

local context = require "leme.context"

local frozen = {}

local function freeze(value, name)
  if type(value) ~= "table" or getmetatable(value) ~= nil then return value end
  if frozen[value] then return frozen[value] end
  local inner = {}
  for key, part in pairs(value) do
    inner[key] = freeze(part, name .. "." .. tostring(key))
  end
  local outer = setmetatable({}, {
    __index = inner,
    __newindex = function(_, key)
      context.blame(("%s is shared by all policies and cannot be changed: %s.%s"):format(name,
        name, tostring(key)))
    end,
    __pairs = function() return next, inner, nil end,
    __metatable = false,
  })
  frozen[value] = outer
  return outer
end

return freeze
