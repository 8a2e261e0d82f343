-- leme.surface.gemini_parts: what a model said as Google's parts, whole or piece by
-- piece. A signature on a part brings back, with the next turn, what Google's format
-- has no place for. Pure.

local host = require "leme.host"
local common = require "leme.dialect.common"
local blocks = require "leme.surface.blocks"
local carried = require "leme.surface.gemini_carried"

local parts = {}

-- --- signatures ------------------------------------------------------------------------------

local function google_signature(extra)
  return common.filled(common.table(common.table(extra).google).thought_signature)
end

-- The signature of a call: Google's own, or what must come back with it. ${mark}:
-- what must come back with the turn, put on its first call; or nil.
local function call_signature(block, mark)
  local own = google_signature(block.extra)
  if own then return own end
  if not mark and not block.extra then return nil end
  mark = mark or {}
  mark.call_extra = block.extra
  return carried.sign(mark)
end

-- What has no place in the parts of a turn. Thoughts go along where calls wait for
-- their results: some providers want them back then.
local function mark_of(known)
  local extra = {}
  for key, value in pairs(common.table(known.extra)) do
    if key ~= "google" then extra[key] = value end
  end
  local reasoning = #known.signed == 0 and known.called and common.filled(known.thoughts) or nil
  if next(extra) == nil and #known.signed == 0 and not reasoning then return nil end
  return { extra = next(extra) ~= nil and extra or nil, reasoning = reasoning,
    thinking = #known.signed > 0 and host.array(known.signed) or nil }
end

-- --- one part --------------------------------------------------------------------------------

local function args_of(block)
  local text = blocks.text(block)
  if block.custom then return { input = text } end
  return common.arguments(text) or { text = text }
end

local function call_part(block, mark)
  return { functionCall = { id = block.id, name = block.name, args = args_of(block) },
    thoughtSignature = call_signature(block, mark) }
end

local function image_part(image)
  local url = common.text(common.table(common.table(image).image_url).url)
  if not url then return nil end
  local media, data = common.data_url(url)
  if data then return { inlineData = { mimeType = media, data = data } } end
  return { fileData = { fileUri = url, mimeType = common.media_of(url, "image/png") } }
end

local function add_images(list, holder)
  for _, image in ipairs(common.table(common.given(holder.images))) do
    list[#list + 1] = image_part(image)
  end
end

-- Parts that no block stands for: code that ran, tools of Google's.
local function foreign_parts(extra, list)
  for _, part in ipairs(common.table(common.table(common.table(extra).google).parts)) do
    part = common.table(part)
    if not part.functionCall and not common.text(part.text) and not part.inlineData
        and next(part) ~= nil then
      list[#list + 1] = part
    end
  end
end

-- --- a whole answer --------------------------------------------------------------------------

-- The parts that Google itself answered with, unless the answer was changed since.
local function kept_parts(message, list)
  local kept = common.table(common.table(common.given(message.extra_content)).google).parts
  if not common.is_list(kept) then return nil end
  local text, calls, said, called = {}, 0, "", 0
  for _, part in ipairs(kept) do
    part = common.table(part)
    if part.functionCall then calls = calls + 1 end
    if common.text(part.text) and part.thought ~= true then text[#text + 1] = part.text end
  end
  for _, block in ipairs(list) do
    if block.kind == "text" then said = block.text end
    if block.kind == "call" then called = called + 1 end
  end
  if calls == called and common.join(text) == said then return kept end
end

local function visible(kept, thoughts)
  local out = host.array {}
  for _, part in ipairs(kept) do
    if thoughts or common.table(part).thought ~= true then out[#out + 1] = part end
  end
  return out
end

local function known_of(message, list)
  local known = { signed = {}, extra = common.given(message.extra_content) }
  for _, block in ipairs(list) do
    if block.native then known.signed[#known.signed + 1] = block.native end
    if block.kind == "thinking" then known.thoughts = block.text end
    if block.kind == "call" then
      known.called = true
      if google_signature(block.extra) then known.called = false break end
    end
  end
  return known
end

-- The parts of a choice of a chat.completion. thoughts: does the client want them?
-- -> parts, { refused = }
function parts.of(choice, thoughts)
  local message = common.table(choice.message)
  local list = blocks.of(choice)
  local told = { refused = common.filled(common.given(message.refusal)) ~= nil }
  local kept = kept_parts(message, list)
  if kept then return visible(kept, thoughts), told end
  local out, last = host.array {}, nil
  local mark = mark_of(known_of(message, list))
  for _, block in ipairs(list) do
    if block.kind == "call" then
      out[#out + 1] = call_part(block, mark)
      mark = nil
    elseif block.kind == "thinking" then
      if thoughts then out[#out + 1] = { text = block.text, thought = true } end
    elseif block.kind ~= "redacted" then
      last = { text = block.text }
      out[#out + 1] = last
    end
  end
  add_images(out, message)
  local signature = google_signature(message.extra_content) or mark and carried.sign(mark)
  if signature then
    if not last then
      last = { text = "" }
      out[#out + 1] = last
    end
    last.thoughtSignature = signature
  end
  if #out == 0 then out[1] = { text = "" } end
  return out, told
end

-- --- a stream --------------------------------------------------------------------------------

local Flow = {}
Flow.__index = Flow

-- The parts of one candidate while it streams: flow:chunk(choice, chunk), then
-- flow:close(); flow:take() -> the parts since.
function parts.flow(thoughts)
  local self = setmetatable({ thoughts = thoughts, list = {}, signed = {}, said = {} }, Flow)
  self.row = blocks.row(self)
  return self
end

function Flow:open() end -- luacheck: ignore 212/self

function Flow:piece(block, text)
  if block.kind == "thinking" then
    self.said[#self.said + 1] = text
    if self.thoughts then self:push { text = text, thought = true } end
  elseif block.kind == "text" or block.kind == "refusal" then
    self:push { text = text }
  end
end

function Flow:push(part)
  self.list[#self.list + 1] = part
end

function Flow:close_call(block)
  local mark
  if not self.called and not google_signature(block.extra) then
    mark = mark_of { signed = self.signed, thoughts = common.join(self.said), called = true }
    self.signed = {}
  end
  self.called = true
  self:push(call_part(block, mark))
end

function Flow:close(block)
  if block.kind == "call" then
    self:close_call(block)
  elseif block.native then
    self.signed[#self.signed + 1] = block.native
  elseif block.kind == "text" then
    for _, cited in ipairs(block.annotations or {}) do
      self.annotations = self.annotations or {}
      table.insert(self.annotations, cited)
    end
    self.text = (self.text or "") .. blocks.text(block)
  end
end

-- ${choice}: one choice of ${chunk}.
function Flow:chunk(choice, chunk)
  local logged = common.table(common.given(choice.logprobs)).content
  if common.is_list(logged) then
    self.logprobs = self.logprobs or { content = {} }
    table.move(logged, 1, #logged, #self.logprobs.content + 1, self.logprobs.content)
  end
  add_images(self.list, common.table(common.given(choice.delta)))
  self.row:chunk { usage = chunk.usage, choices = { common.with(choice, { index = 0 }) } }
end

-- No more will come: what must come back stands on a part without words.
function Flow:finish()
  self.row:close()
  local extra = self.row.extra
  foreign_parts(extra, self.list)
  local mark = mark_of { signed = self.signed, extra = extra }
  local kept = common.table(common.table(extra).google)
  if common.is_list(kept.parts) then
    mark = mark or {}
    mark.extra = common.with(common.table(mark.extra), { google = kept })
  end
  local signature = mark and carried.sign(mark) or google_signature(extra)
  if signature then self:push { text = "", thoughtSignature = signature } end
end

function Flow:take()
  local list = self.list
  self.list = {}
  return host.array(list)
end

return parts
