-- floors: every file of core includes only what stands on a lower floor; Lua, curl
-- and sockets are known to few.
-- Usage: lua5.4 spec/lint/floors.lua

package.path = "spec/lint/?.lua;" .. package.path
local source = require "source"

-- A part is a header with the files around it: board.h, board_impl.h, board_ring.c.
local FLOOR = {
  leme = 0, buf = 0, memory = 0, ceilings = 0, clock = 0, errors = 0, modules = 0, thread = 0, timer = 0,
  versions = 0, env_file = 0,
  vm = 1, http1 = 1, json = 1, sse = 1, metrics = 1, log = 1, sha256 = 1, record = 1, quota = 1,
  watch = 1,
  config = 2, provider = 2, board = 2, generation = 2, answer = 2, ring = 2, stencil = 2,
  price = 2, tokens = 2,
  blame = 3, bind = 3, policy = 3, dialect = 3, upstream = 3, reply = 3, conn = 3,
  request = 4,
  server = 5, admin = 5,
  engine = 6, daemon = 6, check = 6, client = 6, embed = 6, mock = 6,
  main = 7, cli = 7,
}

-- Files of a part whose names do not begin with it.
local PART = { conns = "conn", requests = "request", admin_call = "client" }

-- Within a floor: what may stand on what, and why.
local OVER = {
  policy = { bind = "a plan runs on the host functions" },
  dialect = { bind = "it answers with edits as policies make them", policy = "it is a door into its states" },
  price = { answer = "it multiplies what that counts" },
  config = { price = "targets have some" },
  generation = { config = "it owns one", board = "it gives targets their places there" },
  conn = { reply = "a connection carries answers" },
  versions = { leme = "it tells the versions that leme.h promises" },
  daemon = { engine = "workers are engines" },
  embed = { engine = "it wraps one for a host" },
}

-- Everybody may use these, whatever their floor.
local BASE = {
  clock = true, ceilings = true, buf = true, errors = true, memory = true, env_file = true,
}

-- Who may know a library; versions asks each for its version.
local LUA = { vm = true, config = true, bind = true, policy = true, dialect = true, versions = true }
local CURL = { upstream = true, versions = true }
local SOCKETS = { conn = true, reply = true, upstream = true, client = true }

local SYSTEM = {
  { "^lua[%w]*%.h$", "Lua", LUA }, { "^lauxlib%.h$", "Lua", LUA },
  { "^curl/", "libcurl", CURL },
  { "^sys/socket%.h$", "sockets", SOCKETS }, { "^netinet/", "sockets", SOCKETS },
}

local function part_of(name)
  local base = name:match("([^/]+)%.[ch]$")
  base = PART[base] or base
  while base do
    if FLOOR[base] then return base end
    base = base:match("^(.*)_[^_]*$")
  end
end

local function allowed(part, other)
  if part == other or BASE[other] then return true end
  if part == "main" or part == "cli" then
    return other == "leme" or other == "cli"
  end
  if FLOOR[other] < FLOOR[part] then return true end
  return OVER[part] ~= nil and OVER[part][other] ~= nil
end

local function check_ours(file, number, part, header)
  local other = part_of(header)
  if not other then
    source.report(file, number, "%s has no floor: give it one in spec/lint/floors.lua", header)
  elseif not allowed(part, other) then
    source.report(file, number, "%s (floor %d) includes %s (floor %d)", part, FLOOR[part], header,
      FLOOR[other])
  elseif header:find("_impl%.h$") and part ~= other
      and not (part == "policy" and other == "bind")
      and not (part == "dialect" and other == "policy") then
    source.report(file, number, "%s is for the files of %s only", header, other)
  end
end

local function check_system(file, number, part, header)
  for _, rule in ipairs(SYSTEM) do
    if header:find(rule[1]) and not rule[3][part] then
      source.report(file, number, "%s does not know %s: <%s>", part, rule[2], header)
    end
  end
end

for _, file in ipairs(source.files("^core/[^/]*%.[ch]$")) do
  local part = part_of(file)
  if not part then
    source.report(file, 1, "no floor: give it one in spec/lint/floors.lua")
  end
  for number, line in ipairs(part and source.lines(file) or {}) do
    local ours = line:match('^%s*#%s*include%s+"([^"]+)"')
    local system = line:match("^%s*#%s*include%s+<([^>]+)>")
    if ours then check_ours(file, number, part, ours) end
    if system then check_system(file, number, part, system) end
  end
end

source.finish("floors")
