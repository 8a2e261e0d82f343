-- length: functions of at most 60 lines, files of at most 600, lines of C of at most
-- 100 columns (luacheck watches those of Lua), policies of at most 80 lines. No list
-- of exceptions. Specs are not measured: their long functions are rows of data.
-- Usage: lua5.4 spec/lint/length.lua

package.path = "spec/lint/?.lua;" .. package.path
local source = require "source"

local FUNCTION_LINES, FILE_LINES, POLICY_LINES, COLUMNS = 60, 600, 80, 100

local function columns(line) return utf8.len(line) or #line end

-- A row of a table of X(...) stays one line, however long: its backslash says so.
local function check_columns(file, lines)
  for number, line in ipairs(lines) do
    if columns(line) > COLUMNS and not line:find("^    X%(.*%)[ \\]*$") then
      source.report(file, number, "%d columns, at most %d", columns(line), COLUMNS)
    end
  end
end

-- In C a function begins with "{" alone at the margin and ends with "}" there.
local function check_c(file)
  local from
  local number = 0
  for line in (source.bare(source.read(file)) .. "\n"):gmatch("(.-)\n") do
    number = number + 1
    if line:find("^{%s*$") then from = number end
    if from and line:find("^}") then
      local length = number - from + 1
      if length > FUNCTION_LINES then
        source.report(file, from, "a function of %d lines, at most %d", length, FUNCTION_LINES)
      end
      from = nil
    end
  end
end

-- In our Lua a function ends with "end" at the indent of the line that begins it.
local function check_lua(file, lines)
  for number, line in ipairs(lines) do
    local indent = line:match("^(%s*)local function ") or line:match("^(%s*)function ")
      or line:match("^(%s*)[%w_.%[%]\"]+ = function%(")
    local last = indent and not line:find("%send,?$") and number
    while last and last < #lines and not lines[last]:find("^" .. indent .. "end[,)]*$") do
      last = last + 1
    end
    if last and last - number + 1 > FUNCTION_LINES then
      source.report(file, number, "a function of %d lines, at most %d", last - number + 1,
        FUNCTION_LINES)
    end
  end
end

local MOST = {
  { "^core/.*%.[ch]$", FILE_LINES }, { "^lua/.*%.lua$", FILE_LINES },
  { "^policies/.*%.lua$", POLICY_LINES }, { "^examples/.*%.lua$", FILE_LINES },
  { "^examples/.*%.[ch]$", FILE_LINES },
}

local function check(file, most)
  local lines = source.lines(file)
  if #lines > most then source.report(file, #lines, "%d lines, at most %d", #lines, most) end
  if file:find("%.lua$") then
    check_lua(file, lines)
  else
    check_columns(file, lines)
    check_c(file)
  end
end

for _, kind in ipairs(MOST) do
  for _, file in ipairs(source.files(kind[1])) do
    if not file:find("/meta%.lua$") then check(file, kind[2]) end
  end
end

source.finish("length")
