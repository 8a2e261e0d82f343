-- leme.surface.tokens: an estimate of how many tokens a body of /v1/messages weighs.
-- Pure.

local host = require "leme.host"
local common = require "leme.dialect.common"

local tokens = {}

local ASCII_BYTES = 3.6
local OTHER_BYTES = 2.4
local MESSAGE = 4
local IMAGE = 1500
local TOOLS = 340
local BASE64_PER_TOKEN = 12

function tokens.text(text)
  local chars = utf8.len(text) or #text
  local more = #text - chars
  return (chars - more / 2) / ASCII_BYTES + more * 1.5 / OTHER_BYTES
end

local weigh

local BLOCKS = {
  image = function() return IMAGE end,
  document = function(block)
    local source = common.table(block.source)
    if source.type == "base64" then return #(common.text(source.data) or "") / BASE64_PER_TOKEN end
    if source.type == "text" then return tokens.text(common.text(source.data) or "") end
    return weigh(source.content)
  end,
  tool_use = function(block)
    return tokens.text(common.text(block.name) or "") + tokens.text(host.encode(block.input or {}))
  end,
  tool_result = function(block) return weigh(block.content) end,
  -- Thoughts of earlier turns are not read again.
  thinking = function() return 0 end,
  redacted_thinking = function() return 0 end,
}

-- A content: a text, or blocks.
function weigh(content)
  if type(content) == "string" then return tokens.text(content) end
  local sum = 0
  for _, block in ipairs(common.table(common.given(content))) do
    if type(block) == "table" then
      local read = BLOCKS[block.type]
      sum = sum + (read and read(block) or tokens.text(common.text(block.text) or ""))
    end
  end
  return sum
end

function tokens.messages(body)
  body = common.table(body)
  local sum = weigh(common.given(body.system))
  for _, message in ipairs(common.table(common.given(body.messages))) do
    sum = sum + MESSAGE + weigh(common.table(message).content)
  end
  local list = common.table(common.given(body.tools))
  if list[1] then sum = sum + TOOLS end
  for _, tool in ipairs(list) do sum = sum + tokens.text(host.encode(tool)) end
  return math.max(1, math.ceil(sum))
end

return tokens
