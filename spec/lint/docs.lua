-- docs: every flag, configuration key and metric stands in the manual, and nothing
-- stands there (or in a README) that does not exist.
-- Usage: lua5.4 spec/lint/docs.lua

package.path = "spec/lint/?.lua;" .. package.path
local source = require "source"

local MANUAL = "core/leme.1"
local manual = source.lines(MANUAL)
for i, line in ipairs(manual) do manual[i] = line:gsub("\\%-", "-"):gsub("\\%(dq", '"') end

local function line_of(text, position)
  return select(2, text:sub(1, position):gsub("\n", "")) + 1
end

local readmes = source.files("README%.md$")
local lua_examples = source.files("^examples/.*%.lua$")

-- Sections of the manual: title -> { first, last }.
local function section(title)
  local from
  for i, line in ipairs(manual) do
    if from and line:find("^%.S[HS] ") then return from, i - 1 end
    if line:find(title) then from = i + 1 end
  end
  return from, from and #manual
end

local function manual_has(pattern, from, to)
  for i = from or 1, to or #manual do
    if manual[i]:find(pattern) then return i end
  end
end

local function literal(text) return (text:gsub("%p", "%%%0")) end

-- --- flags -------------------------------------------------------------------------

local flags = {}

local function read_flags()
  local file = "core/cli_flags.c"
  for number, line in ipairs(source.lines(file)) do
    local commands, name = line:match('^    {CLI_[%u_]+, " ([%l ]+) ", "([%l-]+)"')
    if name then
      flags[name] = flags[name] or {}
      for command in commands:gmatch("%l+") do
        flags[name][command] = { file = file, line = number }
      end
    end
  end
end

-- Commands that share the text of another's section.
local SHARED = { reload = "target", status = "target" }

local function check_flags()
  for name, commands in pairs(flags) do
    for command, where in pairs(commands) do
      local from, to = section("^%.SS " .. (SHARED[command] or command) .. "%f[%W]")
      if not from then
        source.report(where.file, where.line, "the manual has no section on %s", command)
      elseif not manual_has("%-%-" .. literal(name) .. "%f[%W]", from, to) then
        source.report(where.file, where.line, "the manual does not say what --%s of %s does", name,
          command)
      end
    end
  end
end

local function known_flag(name)
  return flags[name] or flags[name:match("^no%-(.*)")] or name == "help" or name == "version"
    or name == "flag" or name == "no-flag"
end

local function check_named_flags(file, lines, only)
  for number, line in ipairs(lines) do
    if line:find(only) then
      for name in line:gmatch("%-%-(%l[%l-]*)") do
        if not known_flag(name) then source.report(file, number, "there is no flag --%s", name) end
      end
    end
  end
end

-- --- configuration keys ---------------------------------------------------------------

local function read_keys()
  local file = "core/config_schema.c"
  local text = source.read(file)
  local sections = {}
  for from, name, body in text:gmatch("()static const struct config_key (%w+)_keys%[%] = (%b{})") do
    local keys = {}
    for at, key in body:gmatch('(){%.name = "([%w_]+)"') do keys[key] = from + at end
    for at, key in body:gmatch("(){%.name = SETTING%(([%w_]+)%)") do keys[key] = from + at end
    sections[name] = keys
  end
  return file, text, sections
end

local function check_section(file, text, name, keys)
  local from, to = section("^%.SS " .. name .. "%f[%W].*{")
  if not from then
    source.report(file, 1, "the manual has no section on %s", name)
    return
  end
  for key, position in pairs(keys) do
    if not manual_has("^%.B " .. key .. "$", from, to) then
      source.report(file, line_of(text, position), "the manual does not say what %s of %s is", key,
        name)
    end
  end
  for i = from, to do
    local key = manual[i]:match("^%.B ([%w_]+)$")
    if key and manual[i - 1] == ".TP" and not keys[key] then
      source.report(MANUAL, i, "%s has no key %s", name, key)
    end
  end
end

local function check_keys()
  local file, text, sections = read_keys()
  if not next(sections) then source.report(file, 1, "no table of keys is found") end
  for name, keys in pairs(sections) do check_section(file, text, name, keys) end
  for _, other in ipairs(source.files("^core/config_.*%.c$")) do
    if other ~= file then
      for number, line in ipairs(source.lines(other)) do
        local key = line:match('{%.name = "([%w_]+)"')
        if key and not manual_has("%f[%w_]" .. key .. "%f[^%w_]") then
          source.report(other, number, "the manual does not name the key %s", key)
        end
      end
    end
  end
end

-- --- metrics ---------------------------------------------------------------------------

local function read_metrics()
  local metrics = {}
  for number, line in ipairs(source.lines("core/metrics.h")) do
    local name, labels = line:match('^%s*X%([%u_]+, "(leme_[%w_]+)", %u+, "([^"]*)"')
    if name then metrics[name] = { line = number, labels = labels } end
  end
  return metrics
end

local function check_metrics(metrics)
  local from, to = section("^%.SH METRICS")
  for name, metric in pairs(metrics) do
    local at = manual_has("^%.B " .. name .. "$", from, to)
    if not at then
      source.report("core/metrics.h", metric.line, "the manual does not name %s", name)
    else
      for label in metric.labels:gmatch("[^,]+") do
        if not manual[at + 1]:find("%f[%w]" .. label .. "%f[%W]") then
          source.report(MANUAL, at, "%s also has the label %s", name, label)
        end
      end
    end
  end
end

-- Names of the library, which look alike.
local function api_names()
  local names = {}
  for name in source.read("core/leme.h"):gmatch("leme_[%w_]+") do names[name] = true end
  return names
end

local function check_named_metrics(file, lines, metrics, api)
  for number, line in ipairs(lines) do
    for name in line:gmatch("%f[%w_/.-]leme_[%w_]+") do
      local base = name:gsub("_bucket$", ""):gsub("_sum$", ""):gsub("_count$", "")
      if not metrics[name] and not metrics[base] and not api[name] and not name:find("_$") then
        source.report(file, number, "there is no metric or function %s", name)
      end
    end
  end
end

-- ---------------------------------------------------------------------------------------

read_flags()
check_flags()
check_named_flags(MANUAL, manual, ".")
check_keys()
local metrics, api = read_metrics(), api_names()
if not next(flags) or not next(metrics) then
  source.report("spec/lint/docs.lua", 1, "the tables of flags or metrics are not found")
end
check_metrics(metrics)
check_named_metrics(MANUAL, manual, metrics, api)
for _, file in ipairs(readmes) do
  local lines = source.lines(file)
  check_named_flags(file, lines, "%f[%w]leme %l")
  check_named_metrics(file, lines, metrics, api)
end
for _, file in ipairs(lua_examples) do
  check_named_flags(file, source.lines(file), "%f[%w]leme %l")
end

source.finish("docs")
