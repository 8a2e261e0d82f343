-- Lua 5.4 without the standard library's doors to the outside: what the engine
-- gives to policies and to lua/leme.
local safe = { "assert", "error", "ipairs", "next", "pairs", "select", "tonumber",
  "tostring", "type", "rawequal", "rawlen", "rawget", "setmetatable", "getmetatable",
  "pcall", "xpcall", "require", "string", "table", "math", "utf8", "coroutine" }

std = { read_globals = {} }
for _, name in ipairs(safe) do
  std.read_globals[name] = { other_fields = true }
end

max_line_length = 100
codes = true

files["lua/leme"] = { read_globals = { "host", "rawset" } }
files["lua/leme/meta.lua"] = { ignore = { "212", "221", "241", "211" }, max_line_length = 120 }
files["lua/leme/prices"] = { read_globals = { "catalog", "price" } }
files["lua/embed.lua"] = { std = "lua54" }
files["lua/catalog.lua"] = { std = "lua54" }
files["spec/lua"] = { std = "lua54+busted", max_line_length = 150 }
files["spec/lua/strategies"] = { std = std }
