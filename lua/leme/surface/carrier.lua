-- leme.surface.carrier: what must come back with the next turn and has no word in the
-- Responses API (signed thoughts, a vendor's mark on a call), as the
-- encrypted_content of a reasoning item. It is not secret, only opaque. Pure.

local host = require "leme.host"
local common = require "leme.dialect.common"

local carrier = {}

local MARK = "leme1."

-- known: { thinking = a thinking block, extra = a message's extra_content,
-- call = an id, call_extra = what goes with that call }.
function carrier.pack(known)
  return MARK .. host.encode(known)
end

-- -> known, or nil when the text is not ours.
function carrier.unpack(text)
  text = common.text(text)
  if not text or text:sub(1, #MARK) ~= MARK then return nil end
  local known = host.decode(text:sub(#MARK + 1))
  return type(known) == "table" and known or {}
end

return carrier
