-- The surfaces outside the engine, for specs and fixtures: leme's modules with JSON
-- as the engine reads and writes it (null is no table, empty objects stay objects,
-- keys come sorted). dkjson reads; its marks on arrays are kept.
local json = require "dkjson"
local world = require "world"

local NULL = io.stderr -- any value that is no table
local ARRAY = { __jsontype = "array" }

local room = { null = NULL }

local write

local function write_table(value, out)
  local mark, count = getmetatable(value), 0
  for _ in next, value do count = count + 1 end
  if mark and mark.__jsontype == "array" or #value > 0 and #value == count then
    out[#out + 1] = "["
    for i = 1, #value do
      if i > 1 then out[#out + 1] = "," end
      write(value[i], out)
    end
    out[#out + 1] = "]"
    return
  end
  local keys = {}
  for key in next, value do
    assert(type(key) == "string", "a key of an object is no text")
    keys[#keys + 1] = key
  end
  table.sort(keys)
  out[#out + 1] = "{"
  for i, key in ipairs(keys) do
    out[#out + 1] = (i > 1 and "," or "") .. json.quotestring(key) .. ":"
    write(value[key], out)
  end
  out[#out + 1] = "}"
end

function write(value, out)
  if value == NULL or value == nil then
    out[#out + 1] = "null"
  elseif type(value) == "table" then
    write_table(value, out)
  elseif math.type(value) == "integer" then
    out[#out + 1] = ("%d"):format(value)
  elseif type(value) == "number" then
    out[#out + 1] = ("%.17g"):format(value)
  elseif type(value) == "string" then
    out[#out + 1] = json.quotestring(value)
  else
    assert(type(value) == "boolean", "a " .. type(value) .. " is no JSON")
    out[#out + 1] = tostring(value)
  end
end

function room.encode(value)
  local out = {}
  write(value, out)
  return table.concat(out)
end

function room.decode(text)
  local ok, value, after, message = pcall(json.decode, text, 1, NULL)
  if not ok or message then return nil, message or value end
  if text:find("%S", after) then return nil, "something follows the value" end
  return value
end

local library = world.room { targets = { "a/b" } }
local door = library.require "leme.host"
door.encode, door.decode, door.null = room.encode, room.decode, NULL
door.array = function(t) return setmetatable(t, ARRAY) end
door.wall = function() return 1700000009 end

room.require = library.require
room.surface = library.require "leme.surface"

return room
