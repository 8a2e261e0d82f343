-- leme.host: the engine's synchronous functions as the library sees them. Every
-- other library file goes through this table and looks names up at each call, so
-- that leme.test can put a virtual clock, dice and board in their place.
-- luacheck: read_globals host

local door = {}
for name, value in pairs(host) do door[name] = value end
return door
