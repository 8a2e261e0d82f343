-- leme.freeze: modules as policies see them. What one policy assigns to a shared
-- module would be seen by all others of the state, so it raises instead.

local context = require "leme.context"

local frozen = {}

-- A function that a module lacks is a slip, and would be nil until it is called.
local function no_member(inner, name)
  return function(_, key)
    local known = {}
    for other in pairs(inner) do known[#known + 1] = other end
    context.blame(("%s has no %s%s"):format(name, tostring(key), context.hint(key, known)))
  end
end

local function holds_functions(value)
  for _, part in pairs(value) do
    if type(part) == "function" then return true end
  end
  return false
end

local function freeze(value, name)
  if type(value) ~= "table" or getmetatable(value) ~= nil then return value end
  if frozen[value] then return frozen[value] end
  local inner = {}
  for key, part in pairs(value) do
    inner[key] = freeze(part, name .. "." .. tostring(key))
  end
  if holds_functions(value) then setmetatable(inner, { __index = no_member(inner, name) }) end
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
