-- leme.surface.ledger: what is wrong with a client's body, and what of it is left
-- out; methods of both readers. Pure.

local ledger = {}

local SHOWN = 80

-- Words of the client's may be of any type and length.
local function format(text, ...)
  local words = { ... }
  for i = 1, select("#", ...) do words[i] = tostring(words[i]):sub(1, SHOWN) end
  return text:format(table.unpack(words))
end

-- The first mistake is the one that is told.
function ledger:bad(where, text, ...)
  self.broken = self.broken or where .. ": " .. format(text, ...)
end

function ledger:note(text, ...)
  self.notes[#self.notes + 1] = format(text, ...)
end

return ledger
