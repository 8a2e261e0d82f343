-- leme.surface.names: names of tools that are longer than others than Anthropic take.
-- Pure.

local common = require "leme.dialect.common"
local ipairs, type = ipairs, type

local names = {}

local MOST, KEPT = 64, 55

function names.short(name)
  if type(name) ~= "string" or #name <= MOST then return name end
  return name:sub(1, KEPT) .. "_" .. common.letters(name, MOST - KEPT - 1)
end

-- A chat request's, in place; ${ledger} notes those of its tools.
function names.shorten(body, ledger)
  local function fit(holder)
    local fn = common.table(holder)["function"]
    if type(fn) == "table" then fn.name = names.short(fn.name) end
    return fn
  end
  for _, tool in ipairs(common.table(body.tools)) do
    local long = common.table(common.table(tool)["function"]).name
    local fn = fit(tool)
    if fn and fn.name ~= long then ledger:note("tool " .. fn.name .. ": its name is shortened") end
  end
  fit(body.tool_choice)
  for _, message in ipairs(common.table(body.messages)) do
    for _, call in ipairs(common.table(common.table(message).tool_calls)) do fit(call) end
  end
end

-- What the short ones of a client's own body stand for.
function names.long(request)
  local known = {}
  for _, tool in ipairs(common.table(common.table(request).tools)) do
    local name = common.text(common.table(tool).name)
    if name and #name > MOST then known[names.short(name)] = name end
  end
  return known
end

return names
