-- leme.dialect.gemini_schema: does a JSON Schema fit into Google's own subset?
-- Pure.

local host = require "leme.host"
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
    if not common.filled(value) then return false end
  end
  -- Google refuses an array of whatever.
  if type(kind) == "string" and kind:lower() == "array" and not common.given(node.items) then
    return false
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

-- --- the other way -------------------------------------------------------------------

local COUNTS = { "minItems", "maxItems", "minLength", "maxLength", "minProperties",
  "maxProperties" }

-- Google's way to allow null, in JSON Schema's words.
local function allow_null(node)
  node.nullable = nil
  if type(node.type) == "string" then node.type = host.array { node.type, "null" } end
  if common.is_list(node.enum) then
    node.enum = host.array { table.unpack(node.enum) }
    node.enum[#node.enum + 1] = host.null
  end
  if not node.type and common.is_list(node.anyOf) then
    node.anyOf = host.array { table.unpack(node.anyOf) }
    node.anyOf[#node.anyOf + 1] = { type = "null" }
  end
end

-- Clients that ask for "enum-encoding=int" write words as their numbers.
local TYPES = { "string", "number", "integer", "boolean", "array", "object", "null" }

local function list_plain(list, depth)
  local out = host.array {}
  for i, inner in ipairs(list) do out[i] = schema.plain(inner, depth) end
  return out
end

-- Google's subset as JSON Schema: types in small letters, null as a type, numbers
-- that came as texts.
function schema.plain(node, depth)
  depth = depth or 0
  if not common.is_object(node) or depth > 30 then return node end
  local out = common.with(node, {})
  if math.type(out.type) == "integer" then out.type = TYPES[out.type] end
  if type(out.type) == "string" then
    out.type = out.type ~= "TYPE_UNSPECIFIED" and out.type:lower() or nil
  end
  for _, key in ipairs(COUNTS) do
    if type(out[key]) == "string" then out[key] = math.tointeger(tonumber(out[key])) end
  end
  if out.format == "enum" then out.format = nil end
  if (out.type == "integer" or out.type == "number") and common.is_list(out.enum) then
    local numbers = host.array {}
    for i, text in ipairs(out.enum) do numbers[i] = tonumber(text) or text end
    out.enum = numbers
  end
  if common.is_object(out.properties) then
    local properties = {}
    for name, inner in pairs(out.properties) do
      properties[name] = schema.plain(inner, depth + 1)
    end
    out.properties = properties
  end
  if common.is_list(out.anyOf) then out.anyOf = list_plain(out.anyOf, depth + 1) end
  out.items = schema.plain(out.items, depth + 1)
  if out.nullable == true then allow_null(out) end
  return out
end

-- Words beside which an object without properties still holds nothing.
local EMPTY = { type = true, properties = true, required = true, title = true, description = true,
  ["$schema"] = true }

-- An object without properties is refused as a function's parameters: such a
-- function takes none.
function schema.takes_nothing(node)
  if type(node) ~= "table" or next(node) == nil then return true end
  if node.type ~= "object" or next(common.table(node.properties)) ~= nil then return false end
  for key, value in pairs(node) do
    if not EMPTY[key] and value ~= false and common.given(value) ~= nil then return false end
  end
  return true
end

-- A function's name there: it must begin with a letter.
function schema.name(name)
  if name:sub(1, 1):find "[%a_]" then return name end
  return "_" .. name
end

return schema
