-- leme.surface.tokens: an estimate of how many tokens a body of /v1/messages or of
-- Gemini's countTokens weighs. Pure.

local host = require "leme.host"
local common = require "leme.dialect.common"
local words = require "leme.dialect.gemini_words"

local tokens = {}

-- Measured on recorded requests of Anthropic's; the tokenisers of its models differ
-- by up to a third among themselves. Tools, schemas and citations each bring a text
-- of Anthropic's own.
local BYTES_PER_TOKEN = 3.3
local BASE, MESSAGE = 3, 4
local TOOLS, SCHEMA, CITATIONS = 430, 160, 560
local IMAGE_URL, IMAGE_MOST, IMAGE_BASE64_PER_TOKEN = 750, 1600, 180
local FILE_URL, FILE_BASE64_PER_TOKEN = 1600, 6

-- A character of more than one byte weighs about half a token for each byte after
-- the first.
local function text_tokens(text)
  local chars = utf8.len(text) or #text
  local more = #text - chars
  return (chars - more / 2) / BYTES_PER_TOKEN + more / 2
end

local function json_tokens(value)
  return type(value) == "table" and text_tokens(host.encode(value)) or 0
end

local weigh

local BLOCKS = {
  image = function(block)
    local data = common.text(common.table(block.source).data)
    return data and math.min(10 + #data / IMAGE_BASE64_PER_TOKEN, IMAGE_MOST) or IMAGE_URL
  end,
  document = function(block, seen)
    local source = common.table(block.source)
    local data = common.text(source.data) or ""
    if source.type == "base64" then return #data / FILE_BASE64_PER_TOKEN end
    if source.type == "text" then return text_tokens(data) end
    return source.type == "content" and weigh(source.content, seen) or FILE_URL
  end,
  search_result = function(block, seen) return weigh(block.content, seen) end,
  tool_use = function(block)
    return text_tokens(common.text(block.name) or "") + json_tokens(block.input)
  end,
  tool_result = function(block, seen) return weigh(block.content, seen) end,
  -- Thoughts of earlier turns are not read again.
  thinking = function() return 0 end,
  redacted_thinking = function() return 0 end,
}

-- A content: a text, or blocks.
function weigh(content, seen)
  if type(content) == "string" then return text_tokens(content) end
  local sum = 0
  for _, block in ipairs(common.table(common.given(content))) do
    if type(block) == "table" then
      local read = BLOCKS[block.type]
      seen.cited = seen.cited or common.table(common.given(block.citations)).enabled == true
      sum = sum + (read and read(block, seen) or text_tokens(common.text(block.text) or ""))
    end
  end
  return sum
end

function tokens.messages(body)
  body = common.table(body)
  local seen = {}
  local sum = BASE + weigh(common.given(body.system), seen)
  for _, message in ipairs(common.table(common.given(body.messages))) do
    sum = sum + MESSAGE + weigh(common.table(message).content, seen)
  end
  local list = common.table(common.given(body.tools))
  if list[1] then sum = sum + TOOLS end
  for _, tool in ipairs(list) do sum = sum + json_tokens(tool) end
  local config = common.table(common.given(body.output_config))
  local format = common.given(config.format) or common.given(body.output_format)
  if format then sum = sum + SCHEMA + json_tokens(common.table(format).schema) end
  if seen.cited then sum = sum + CITATIONS end
  return math.max(1, math.ceil(sum))
end

-- --- Gemini's --------------------------------------------------------------------------------

-- Measured on recorded requests, too; tools and results weigh less than their JSON.
local GEMINI_BASE, GEMINI_BYTES, GEMINI_JSON = 2, 4.3, 6
local GEMINI_MEDIA, GEMINI_PAGE_BYTES = 258, 60000
local member = words.member

-- Pictures weigh the same whatever their size; of other files the bytes tell little.
local function media_tokens(part)
  local data = common.table(member(part, "inlineData"))
  local bytes = #(common.text(member(data, "data")) or "")
  local media = common.text(member(data, "mimeType")) or "image/"
  if media:sub(1, 6) == "image/" then return GEMINI_MEDIA end
  return GEMINI_MEDIA * math.max(1, math.ceil(bytes / GEMINI_PAGE_BYTES))
end

local function gemini_text(text)
  return text_tokens(text) * BYTES_PER_TOKEN / GEMINI_BYTES
end

local function part_tokens(part)
  local text = member(part, "text")
  if type(text) == "string" then return gemini_text(text) end
  if member(part, "inlineData") or member(part, "fileData") then return media_tokens(part) end
  return #host.encode(part) / GEMINI_JSON
end

local function content_tokens(content)
  if type(content) == "string" then return gemini_text(content) end
  local sum, parts = 0, member(common.table(content), "parts")
  if common.is_object(parts) then parts = { parts } end
  for _, part in ipairs(common.table(parts)) do sum = sum + part_tokens(common.table(part)) end
  return sum
end

-- ${body}: of generateContent, or one that holds such a body.
function tokens.gemini(body)
  body = common.table(body)
  body = common.table(member(body, "generateContentRequest") or body)
  local sum = GEMINI_BASE + content_tokens(member(body, "systemInstruction"))
  local contents = member(body, "contents")
  if common.is_object(contents) then contents = { contents } end
  for _, content in ipairs(common.table(contents)) do sum = sum + content_tokens(content) end
  for _, tool in ipairs(common.table(member(body, "tools"))) do
    sum = sum + #host.encode(tool) / GEMINI_JSON
  end
  return math.max(1, math.ceil(sum))
end

return tokens
