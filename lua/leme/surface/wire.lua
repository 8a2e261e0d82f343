-- leme.surface.wire: server-sent events as both surfaces write them. Pure.

local host = require "leme.host"
local common = require "leme.dialect.common"

local wire = {}

local Out = {}
Out.__index = Out

-- Collects events until they are taken.
function wire.out()
  return setmetatable({ pieces = {} }, Out)
end

-- One event; the clients go by its name, which stands in both places.
function Out:event(name, value)
  value.type = name
  self.pieces[#self.pieces + 1] = "event: " .. name .. "\ndata: " .. host.encode(value) .. "\n\n"
end

function Out:take()
  local pieces = self.pieces
  if #pieces == 0 then return "" end
  self.pieces = {}
  return common.join(pieces)
end

return wire
