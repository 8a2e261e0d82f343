-- leme.text: cheap signals from a text. Pure; each looks at a bounded part of
-- its text and never suspends. A text that is nil counts as "".

local text = {}
local find, lower, sub = string.find, string.lower, string.sub

local ARITHMETIC_BYTES = 200
local MENTION_BYTES = 16384
local LANGUAGE_CHARS = 2000
local WORDS = 1000

local function check(value, name)
  if value == nil then return "" end
  if type(value) == "string" then return value end
  error(("text.%s: expected text, got %s"):format(name, type(value)), 3)
end

local LEADS = { "what is", "what's", "whats", "how much is", "calculate", "compute", "solve",
  "evaluate", "please" }

-- Is this a sum and nothing else: "What is (3 + 4) * 12.5?", "12 x 9 ="? Texts of
-- more than 200 bytes are not.
function text.is_arithmetic(said)
  said = check(said, "is_arithmetic")
  if #said > ARITHMETIC_BYTES then return false end
  said = said:lower():gsub("×", "*"):gsub("÷", "/"):gsub("−", "-")
  said = said:gsub("^%s+", ""):gsub("[%s?=!.]+$", "")
  local again = true
  while again do
    again = false
    for _, lead in ipairs(LEADS) do
      if said:sub(1, #lead) == lead and not said:sub(#lead + 1, #lead + 1):find("%w") then
        said = said:sub(#lead + 1):gsub("^[%s:,]+", "")
        again = true
      end
    end
  end
  said = said:gsub("%f[%a]plus%f[%A]", "+"):gsub("%f[%a]minus%f[%A]", "-")
      :gsub("%f[%a]times%f[%A]", "*"):gsub("%f[%a]divided by%f[%A]", "/")
      :gsub("(%d)%s*x%s*(%d)", "%1*%2")
  if said:find("[^%d%s.,+%-*/^%%()]") then return false end
  return said:find("%d[%d.,%s)]*[+%-*/^%%][%s(+%-]*%d") ~= nil
end

-- Words as they are looked for: policies name the same ones again and again.
local wanted, wanted_count = {}, 0

local function want(word)
  if type(word) ~= "string" or word == "" then
    error("text.mentions: expected words, got " .. type(word), 3)
  end
  local small = lower(word)
  if wanted_count < 1000 then wanted[word], wanted_count = small, wanted_count + 1 end
  return small
end

-- Does one of the words (or phrases) occur as a whole word? ASCII letters in any
-- case; the first 16 KiB. text.mentions(s, "contract", "liability") -> the word
-- found, or nil.
function text.mentions(said, ...)
  said = check(said, "mentions")
  if #said > MENTION_BYTES then said = sub(said, 1, MENTION_BYTES) end
  said = lower(said)
  for i = 1, select("#", ...) do
    local word = (select(i, ...))
    local small, from = wanted[word] or want(word), 1
    while true do
      local first, last = find(said, small, from, true)
      if not first then break end
      local ahead = first > 1 and sub(said, first - 1, first - 1) or ""
      if not find(ahead, "%w") and not find(sub(said, last + 1, last + 1), "%w") then
        return word
      end
      from = first + 1
    end
  end
  return nil
end

-- First and last code point of a script, and the language it stands for.
local SCRIPTS = {
  { 0x41, 0x5A, "latin" }, { 0x61, 0x7A, "latin" }, { 0xC0, 0x24F, "latin" },
  { 0x370, 0x3FF, "el" }, { 0x400, 0x52F, "ru" }, { 0x590, 0x5FF, "he" },
  { 0x600, 0x6FF, "ar" }, { 0x750, 0x77F, "ar" }, { 0x900, 0x97F, "hi" },
  { 0xE00, 0xE7F, "th" }, { 0x1100, 0x11FF, "ko" }, { 0x1E00, 0x1E9F, "latin" },
  { 0x1EA0, 0x1EF9, "vi" }, { 0x3040, 0x30FF, "ja" }, { 0x3400, 0x4DBF, "zh" },
  { 0x4E00, 0x9FFF, "zh" }, { 0xAC00, 0xD7A3, "ko" }, { 0xFF66, 0xFF9F, "ja" },
  { 0x20000, 0x2A6DF, "zh" },
}

-- Latin letters that, outside 0x1EA0..0x1EF9, only Vietnamese uses much.
local VIETNAMESE = { [0x102] = true, [0x103] = true, [0x110] = true, [0x111] = true,
  [0x1A0] = true, [0x1A1] = true, [0x1AF] = true, [0x1B0] = true }

local function script_of(code)
  if VIETNAMESE[code] then return "vi" end
  for i = 1, #SCRIPTS do
    local range = SCRIPTS[i]
    if code < range[1] then return nil end
    if code <= range[2] then return range[3] end
  end
end

-- By script, so a guess: "th" "vi" "zh" "ja" "ko" "ar" "he" "ru" "el" "hi", or
-- "latin" for all other languages in Latin letters; nil when there are no
-- letters. The first 2,000 characters; bytes that are not UTF-8 are skipped.
function text.language(said)
  said = check(said, "language")
  local count, chars = {}, 0
  for char in said:gmatch("[%z\1-\127\194-\244][\128-\191]*") do
    chars = chars + 1
    if chars > LANGUAGE_CHARS then break end
    local size = utf8.len(char)
    local script = size == 1 and script_of(utf8.codepoint(char))
    if script then count[script] = (count[script] or 0) + 1 end
  end
  if (count.ja or 0) > 0 then -- kana decides: Japanese is full of Chinese characters
    count.ja = count.ja + (count.zh or 0)
    count.zh = nil
  end
  if (count.vi or 0) * 20 >= (count.latin or 0) and (count.vi or 0) > 0 then
    count.vi = count.vi + (count.latin or 0)
    count.latin = nil
  end
  local best, most = nil, 0
  for _, name in ipairs { "th", "vi", "zh", "ja", "ko", "ar", "he", "ru", "el", "hi", "latin" } do
    if (count[name] or 0) > most then best, most = name, count[name] end
  end
  return best
end

-- The words in lower case, at most ${max} (1,000): runs of letters, digits and
-- bytes above 127. Languages written without blanks come as long words.
function text.words(said, max)
  said = check(said, "words")
  local list = {}
  max = math.min(max or WORDS, WORDS)
  for word in said:gmatch("[%w\128-\255']+") do
    if #list >= max then break end
    list[#list + 1] = word:lower()
  end
  return list
end

return text
