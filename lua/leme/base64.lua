-- leme.base64: bytes as text. Reads both alphabets, with or without padding. Pure.

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

-- nil when ${text} is no base64.
function base64.decode(text)
  local out, held, bits = {}, 0, 0
  local size = #text
  while size > 0 and text:byte(size) == 61 do size = size - 1 end
  for i = 1, size do
    local value = VALUES[text:byte(i)]
    if not value then return nil end
    held, bits = (held << 6 | value) & 0xffffff, bits + 6
    if bits >= 8 then
      bits = bits - 8
      out[#out + 1] = string.char(held >> bits & 255)
    end
  end
  return table.concat(out)
end

return base64
