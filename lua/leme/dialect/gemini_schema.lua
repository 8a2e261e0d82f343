-- leme.dialect.gemini_schema: does a JSON Schema fit into Google's own subset?
-- Pure.

local common = require "leme.dialect.common"

local schema = {}

local KEYS = { type = true, format = true, title = true, description = true, nullable = true,
  enum = true, maxItems = true, minItems = true, properties = true, required = true,
  minProperties = true, maxProperties = true, minLength = true, maxLength = true, pattern = true,
  example = true, anyOf = true, propertyOrdering = true, default = true, items = true,
  minimum = true, maximum = true }
local FORMATS = { enum = true, ["date-time"] = true }

local function fits(node, depth)
  if type(node) ~= "table" or depth > 30 then return false end
  for key in pairs(node) do
    if not KEYS[key] then return false end
  end
  local kind = node.type
  if kind ~= nil and type(kind) ~= "string" then return false end
  if type(node.format) == "string" and (kind or "string"):lower() == "string"
      and not FORMATS[node.format] then
    return false
  end
  for _, value in ipairs(common.table(node.enum)) do
    if type(value) ~= "string" then return false end
  end
  for _, inner in pairs(common.table(node.properties)) do
    if not fits(inner, depth + 1) then return false end
  end
  for _, inner in ipairs(common.table(node.anyOf)) do
    if not fits(inner, depth + 1) then return false end
  end
  return node.items == nil or fits(node.items, depth + 1)
end

function schema.fits(node)
  return fits(node, 0)
end

-- An object without properties is refused as a function's parameters: such a
-- function takes none.
function schema.takes_nothing(node)
  return type(node) ~= "table" or next(node) == nil
    or (node.type == "object" and next(common.table(node.properties)) == nil
      and not node["$ref"] and not node.anyOf and type(node.additionalProperties) ~= "table")
end

-- A function's name there: it must begin with a letter.
function schema.name(name)
  if name:sub(1, 1):find "[%a_]" then return name end
  return "_" .. name
end

return schema
