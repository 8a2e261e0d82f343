-- The library outside the engine, for busted: gives its files the environment
-- the engine would give them and a host made of plain Lua. Time, board and
-- targets come from leme.test.

local json = require "dkjson"

local world = {}

local ROOT = debug.getinfo(1, "S").source:sub(2):match("^(.*)spec/lua/world%.lua$")
if not ROOT or ROOT == "" then ROOT = "./" end
world.ROOT = ROOT

-- Sorted, as the engine's is: the order of keys never decides a route.
local function sorted_pairs(t)
  local keys = {}
  for key in next, t do keys[#keys + 1] = key end
  table.sort(keys, function(a, b)
    if type(a) == type(b) and (type(a) == "number" or type(a) == "string") then return a < b end
    return tostring(a) < tostring(b)
  end)
  local i = 0
  return function()
    i = i + 1
    return keys[i], t[keys[i]]
  end
end

local function where(level)
  if type(level) == "function" then
    local info = debug.getinfo(level, "S")
    return info.short_src .. ":" .. info.linedefined
  end
  if type(level) == "thread" then
    for i = 0, 24 do
      local info = debug.getinfo(level, i, "Sl")
      if not info then return "" end
      if info.currentline > 0 and not info.short_src:find("lua/leme/", 1, true) then
        return info.short_src .. ":" .. info.currentline
      end
    end
    return ""
  end
  local info = debug.getinfo(level + 1, "Sl")
  if not info or info.currentline < 1 then return "" end
  return info.short_src .. ":" .. info.currentline
end

-- Does a function of a policy take a second argument?
local function wants(fn)
  local info = debug.getinfo(fn, "Su")
  return info.nparams > 1 and not info.short_src:find("lua/leme/", 1, true)
end

-- One behind the targets for each name in `keys`.
local function add_pools(list, fact)
  for _, key in ipairs(fact.keys or {}) do
    local pool = {}
    for name, value in next, fact do pool[name] = value end
    pool.name, pool.key, pool.of, pool.index = fact.name .. "#" .. key, key, fact.index, #list + 1
    pool.keys = nil
    list[#list + 1] = pool
  end
  fact.keys = nil
end

-- { "openai/gpt-4o", { name = "a/b", weight = 2 } } -> the catalogue.
local function catalogue(targets)
  local list = {}
  for i, said in ipairs(targets) do
    local fact = type(said) == "string" and { name = said } or said
    local copy = { index = i, weight = 1, priority = 1, tags = {}, caps = {} }
    for key, value in next, fact do copy[key] = value end
    copy.provider, copy.model = copy.name:match("^([^/]*)/(.*)$")
    list[i] = copy
  end
  for i = 1, #list do add_pools(list, list[i]) end
  return list
end

local function model_indices(models, catalog)
  local index, by_model = {}, {}
  for _, fact in ipairs(catalog) do index[fact.name] = fact.index end
  for model, names in next, models do
    by_model[model] = {}
    for i, name in ipairs(names) do by_model[model][i] = assert(index[name], name) end
  end
  return by_model
end

local function new_host(options)
  local catalog = catalogue(options.targets)
  local names = {}
  for i, fact in ipairs(catalog) do names[i] = not fact.of and fact.name or nil end
  local models = model_indices(options.models or { model = names }, catalog)
  local services = {}
  for _, name in ipairs(options.services or {}) do services[name] = true end
  return {
    where = where, wants = wants, methods = {}, null = json.null,
    catalog = function() return catalog end,
    models = function() return models end,
    services = function() return services end,
    encode = function(value) return (json.encode(value)) end,
    decode = function(text)
      local value, _, message = json.decode(text, 1, json.null)
      if message then return nil, message end
      return value
    end,
    array = function(t) return setmetatable(t, { __jsontype = "array" }) end,
  }
end

local function environment(host, require_leme)
  local env = { string = string, table = table, math = math, utf8 = utf8, assert = assert,
    error = error, ipairs = ipairs, next = next, pairs = sorted_pairs, select = select,
    tonumber = tonumber, tostring = tostring, type = type, rawequal = rawequal,
    rawlen = rawlen, rawget = rawget, setmetatable = setmetatable,
    getmetatable = getmetatable, pcall = pcall, xpcall = xpcall, require = require_leme,
    coroutine = { create = coroutine.create, resume = coroutine.resume,
      yield = coroutine.yield, status = coroutine.status, wrap = coroutine.wrap,
      isyieldable = coroutine.isyieldable } }
  if host then env.host, env.rawset = host, rawset end
  return env
end

-- A fresh library: a function that requires its modules, each loaded anew.
local function library(host)
  local loaded = {}
  local function require_leme(name)
    if loaded[name] then return loaded[name] end
    local short = name == "leme" and "init" or name:match("^leme%.([%w_.]+)$")
    if not short then error(("module %q not found"):format(name), 2) end
    local path = ROOT .. "lua/leme/" .. short:gsub("%.", "/") .. ".lua"
    local chunk = assert(loadfile(path, "t", environment(host, nil)))
    local env = environment(host, require_leme)
    debug.setupvalue(chunk, 1, env)
    loaded[name] = chunk() or true
    return loaded[name]
  end
  return require_leme
end

-- options: targets = { ... }, models = { name = { targets } }, services = { },
-- seed =. Returns a room: load policies with room.load, then use room.world.
function world.room(options)
  local room = { host = new_host(options) }
  room.require = library(room.host)
  room.driver = room.require "leme.driver"
  room.test = room.require "leme.test"
  room.leme = room.require "leme"
  room.now = room.require("leme.context").now

  function room.compile(text, name)
    local chunk = assert(load(text, "@" .. (name or "policies/spec.lua"), "t",
      environment(nil, room.require)))
    return chunk
  end

  local function inhabit(policy)
    room.world = room.test.world(policy, options.seed)
    if room.board then room.world.board = room.board end
    room.leave = room.test.enter(room.world)
    return room.world
  end

  -- Load a policy's source, and put it in a new world.
  function room.load(text, knobs, name)
    local policy = room.driver.load(name or "policies/spec.lua", room.compile(text, name), knobs)
    return inhabit(policy), policy
  end

  function room.load_file(path, knobs)
    local file = assert(io.open(ROOT .. path))
    local text = file:read "a"
    file:close()
    return room.load(text, knobs, path)
  end

  -- A policy whose route is ${route}, Lua source of an expression or a function.
  function room.route(expression)
    return room.load('local leme = require "leme"\nreturn leme.policy { name = "spec", route = '
      .. expression .. " }")
  end

  return room
end

-- Names of the targets of a result's attempts, in order.
function world.path(result)
  local names = {}
  for i, call in ipairs(result.attempts) do names[i] = call.target end
  return table.concat(names, " ")
end

return world
