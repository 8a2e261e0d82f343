-- words: what no file of the project may hold: unfinished work, a path of one
-- machine, a trailing blank, a tab where none is needed; and what each must hold.
-- Usage: lua5.4 spec/lint/words.lua

package.path = "spec/lint/?.lua;" .. package.path
local source = require "source"

-- Written in pieces, so that this file does not find itself.
local FORBIDDEN = {
  { "%f[%w]TO" .. "DO%f[%W]", "unfinished work" },
  { "%f[%w]FIX" .. "ME%f[%W]", "unfinished work" },
  { "%f[%w]XX" .. "X%f[%W]", "unfinished work" },
  { "%f[%w]HA" .. "CK%f[%W]", "unfinished work" },
  { "not imple" .. "mented", "unfinished work" },
  { "/wo" .. "rk/", "a path of one machine" },
  { "/ho" .. "me/%w", "a path of one machine" },
  { "/fa" .. "rm/", "a path of one machine" },
  { "#if " .. "0%f[%W]", "dead code" },
}

local TEXT = { c = true, h = true, lua = true, py = true, md = true, sh = true, mk = true,
  js = true, mjs = true, json = true, ["1"] = true, txt = true, map = true }

local function ending(file) return file:match("%.(%w+)$") end

-- Inputs of tests may hold anything.
local function is_input(file)
  return file:find("^spec/fuzz/corpus/") or file:find("^spec/config/") and not file:find("%.md$")
end

local function check_line(file, number, line)
  for _, word in ipairs(FORBIDDEN) do
    if line:find(word[1]) then source.report(file, number, "%s: %s", word[2], line) end
  end
  if line:find("[ \t]$") then source.report(file, number, "a blank at the end") end
  if line:find("\r") then source.report(file, number, "a carriage return") end
  if line:find("\t") and file:find("%.[chlp][uy]?a?$") then
    source.report(file, number, "a tab")
  end
end

for _, file in ipairs(source.files(".")) do
  local kind = ending(file)
  if (TEXT[kind] or file:find("Makefile$") or file:find("^%.ci/")) and not is_input(file) then
    local lines = source.lines(file)
    for number, line in ipairs(lines) do check_line(file, number, line) end
    if (kind == "c" or kind == "h")
        and not (lines[1] or ""):find("SPDX-License-Identifier: Apache-2.0", 1, true) then
      source.report(file, 1, "the first line names the licence: SPDX-License-Identifier")
    end
  end
end

source.finish("words")
