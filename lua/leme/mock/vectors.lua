-- leme.mock.vectors: embeddings of a mock: unit vectors that follow from the text,
-- as numbers or as base64 of little-endian floats. Pure.

local base64 = require "leme.base64"
local host = require "leme.host"
local words = require "leme.mock.words"

local vectors = {}

local SIZE, SIZE_MAX = 256, 4096

-- A unit vector that follows from the text.
function vectors.of(text, size)
  local state, list, sum = words.hash(text), host.array {}, 0
  for i = 1, size do
    state = (state * 1664525 + 1013904223) & 0xffffffff
    list[i] = state / 4294967296 * 2 - 1
    sum = sum + list[i] * list[i]
  end
  local length = math.sqrt(sum)
  for i = 1, size do list[i] = list[i] / length end
  return list
end

function vectors.packed(list)
  local floats = {}
  for i = 1, #list do floats[i] = string.pack("<f", list[i]) end
  return base64.encode(table.concat(floats))
end

-- The texts to embed: a string, a list of strings, or token ids; nil: none.
function vectors.texts(input)
  if type(input) == "string" then return { input } end
  if not words.is_list(input) then return nil end
  if type(input[1]) == "number" then input = { input } end
  local list = {}
  for i = 1, #input do
    list[i] = type(input[i]) == "table" and table.concat(input[i], " ") or tostring(input[i])
  end
  return list
end

-- The size asked for, or nil when no vector has it.
function vectors.size(asked)
  local size = math.tointeger(tonumber(words.given(asked) or SIZE))
  if size and size >= 1 and size <= SIZE_MAX then return size end
end

function vectors.tokens(texts)
  local n = 0
  for _, text in ipairs(texts) do n = n + words.tokens(text) end
  return n
end

return vectors
