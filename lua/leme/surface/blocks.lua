-- leme.surface.blocks: an assistant's answer as a row of blocks (thoughts, text,
-- refusal, calls), whole or while it streams. Both surfaces show one block after
-- the other, but OpenAI's chunks may mix calls: a block that is not yet its turn
-- waits here. Pure.

local host = require "leme.host"
local common = require "leme.dialect.common"

local blocks = {}

-- --- numbers and reasons ---------------------------------------------------------------------

-- OpenAI's usage, taken apart; all zero when there is none.
function blocks.usage(usage)
  usage = common.table(common.given(usage))
  local input = common.table(common.given(usage.prompt_tokens_details))
  local output = common.table(common.given(usage.completion_tokens_details))
  local known = { prompt = common.count(usage.prompt_tokens) or 0,
    completion = common.count(usage.completion_tokens) or 0,
    cached = common.count(input.cached_tokens) or common.count(usage.cached_tokens) or 0,
    written = common.count(input.cache_write_tokens) or 0,
    written_1h = common.count(input.cache_write_1h_tokens),
    reasoning = common.count(output.reasoning_tokens) or 0,
    searches = common.count(common.table(common.given(usage.server_tool_use)).web_search_requests) }
  known.total = common.count(usage.total_tokens) or known.prompt + known.completion
  return known
end

-- The sentence that a vendor's unfinished text of thoughts goes by.
function blocks.reasoning(message)
  return common.filled(common.given(message.reasoning_content))
    or common.filled(common.given(message.reasoning))
end

-- --- a whole answer --------------------------------------------------------------------------

-- A block's text; blocks of a stream have it in pieces.
function blocks.text(block)
  if not block.text then
    block.text = common.join(block.pieces)
  end
  return block.text
end

local function arguments_text(value)
  if type(value) == "table" then return host.encode(value) end
  return common.text(value) or ""
end

-- A call without an id gets one that depends on its place.
local function call_id(id, n)
  return common.filled(id) or "call_" .. common.letters(tostring(n), 24)
end

local function thoughts_of(message, list)
  local native = common.table(common.given(message.thinking_blocks))
  for _, block in ipairs(native) do
    local known = common.table(block)
    if known.type == "redacted_thinking" then
      list[#list + 1] = { kind = "redacted", text = "", native = known }
    elseif known.type == "thinking" then
      list[#list + 1] = { kind = "thinking", text = common.text(known.thinking) or "",
        native = known }
    end
  end
  local text = #list == 0 and blocks.reasoning(message)
  if text then list[1] = { kind = "thinking", text = text } end
end

local function calls_of(message, list)
  local n = 0
  for _, call in ipairs(common.table(common.given(message.tool_calls))) do
    call = common.table(call)
    local custom = type(call.custom) == "table" and call.custom
    local said = custom or common.table(call["function"])
    n = n + 1
    list[#list + 1] = { kind = "call", id = call_id(call.id, n), custom = custom and true,
      name = common.text(said.name) or "", extra = common.given(call.extra_content),
      text = arguments_text(custom and said.input or common.given(said.arguments)) }
  end
  local old = common.given(message.function_call)
  if n == 0 and type(old) == "table" then
    list[#list + 1] = { kind = "call", id = call_id(nil, 1), name = common.text(old.name) or "",
      text = arguments_text(common.given(old.arguments)) }
  end
end

-- The blocks of a choice of a chat.completion.
function blocks.of(choice)
  local message = common.table(choice.message)
  local list = {}
  thoughts_of(message, list)
  local text = common.plain(common.given(message.content))
  if text ~= "" then
    list[#list + 1] = { kind = "text", text = text,
      annotations = common.table(common.given(message.annotations)),
      citations = common.table(common.given(message.citations)),
      logprobs = common.given(common.table(common.given(choice.logprobs)).content) }
  end
  local refusal = common.filled(common.given(message.refusal))
  if refusal then list[#list + 1] = { kind = "refusal", text = refusal } end
  calls_of(message, list)
  return list
end

-- --- a stream --------------------------------------------------------------------------------

local Row = {}
Row.__index = Row

-- Brings the blocks of a stream to ${sink} in order, one at a time: sink:open(block),
-- sink:piece(block, text, logprobs), sink:close(block). A block has kind, pieces, and
-- what else is known of it by then.
function blocks.row(sink)
  return setmetatable({ sink = sink, list = {}, head = 1, calls = {}, called = 0 }, Row)
end

function Row:flush(block)
  for i = block.sent + 1, #block.pieces do
    self.sink:piece(block, block.pieces[i], block.logged and block.logged[i])
  end
  block.sent = #block.pieces
end

-- A call may get more pieces until its arguments are whole.
local function complete(block)
  if block.kind ~= "call" or block.custom then return true end
  local last = block.pieces[#block.pieces]
  if not last or last:sub(-1) ~= "}" then return false end
  return type(host.decode(common.join(block.pieces))) == "table"
end

-- Shows what has its turn.
function Row:advance()
  while true do
    local block = self.list[self.head]
    if not block then return end
    if not block.opened then
      if block.kind == "call" and block.name == "" and not self.over then return end
      block.opened = true
      self.sink:open(block)
    end
    self:flush(block)
    if not self.over and (self.head == #self.list or not complete(block)) then return end
    self.sink:close(block)
    self.list[self.head] = false
    self.head = self.head + 1
  end
end

function Row:push(block)
  block.pieces, block.sent = block.pieces or {}, 0
  self.list[#self.list + 1] = block
  return block
end

-- The newest block, when it is of that kind and can go on.
function Row:newest(kind)
  local block = self.list[#self.list]
  if block and block.kind == kind and not block.sealed then return block end
end

function Row:say(kind, text, logprobs)
  if text == "" then return end
  local block = self:newest(kind) or self:push { kind = kind }
  block.pieces[#block.pieces + 1] = text
  if logprobs then
    block.logged = block.logged or {}
    block.logged[#block.pieces] = logprobs
  end
end

-- A signature ends the thought it belongs to.
function Row:think(native, alone)
  native = common.table(native)
  if native.type == "redacted_thinking" then
    self:push { kind = "redacted", native = native, sealed = true }
  elseif not common.filled(native.signature) then
    if alone then self:say("thinking", common.text(native.thinking) or "") end
  else
    local block = self:newest "thinking"
    if not block then
      block = self:push { kind = "thinking", pieces = { common.filled(native.thinking) } }
    end
    block.native, block.sealed = native, true
  end
end

-- Does a piece begin another call than ${block}? Not every server numbers its calls or
-- gives them ids.
local function begins_anew(block, id, name, text)
  if not name or block.custom then return id and name and block.given and block.given ~= id end
  if id and block.given and id ~= block.given then return true end
  if block.name ~= "" and name ~= block.name then return true end
  return not (id and block.given) and block.seen.ended and text:sub(1, 64):find "^%s*{"
end

function Row:call(piece, place)
  piece = common.table(piece)
  local custom = type(piece.custom) == "table" and piece.custom
  local said = custom or common.table(piece["function"])
  local id, name = common.filled(piece.id), common.filled(said.name)
  local key = common.count(piece.index) or id or place
  local block = self.calls[key]
  local text = arguments_text(custom and said.input or common.given(said.arguments))
  if not block or begins_anew(block, id, name, text) then
    self.called = self.called + 1
    block = self:push { kind = "call", id = call_id(id, self.called), given = id, name = "",
      custom = custom and true, seen = { depth = 0 } }
    self.calls[key] = block
  end
  if id and not block.given and not block.opened then block.id, block.given = id, id end
  if name and block.name == "" then block.name = name end
  block.extra = block.extra or common.given(piece.extra_content)
  if text == "" then return end
  common.follow(block.seen, text)
  block.pieces[#block.pieces + 1] = text
end

-- Citations belong to the text they follow.
function Row:cite(delta)
  for _, key in ipairs { "annotations", "citations" } do
    for _, cited in ipairs(common.table(common.given(delta[key]))) do
      local block = self:newest "text"
      if block and type(cited) == "table" then
        block[key] = block[key] or {}
        table.insert(block[key], cited)
      end
    end
  end
end

function Row:delta(delta, logprobs)
  local thought = blocks.reasoning(delta)
  if thought then self:say("thinking", thought) end
  for _, native in ipairs(common.table(common.given(delta.thinking_blocks))) do
    self:think(native, not thought)
  end
  self:say("text", common.plain(common.given(delta.content)), logprobs)
  self:cite(delta)
  if common.filled(delta.refusal) then
    self.refused = true
    self:say("refusal", delta.refusal)
  end
  for i, piece in ipairs(common.table(common.given(delta.tool_calls))) do
    self:call(piece, i - 1)
  end
  local old = common.given(delta.function_call)
  if type(old) == "table" then self:call({ index = 0, ["function"] = old }, 0) end
  self.extra = common.given(delta.extra_content) or self.extra
end

-- Reads one chat.completion.chunk.
function Row:chunk(chunk)
  self.usage = common.given(chunk.usage) or self.usage
  self.tier = common.text(chunk.service_tier) or self.tier
  for _, choice in ipairs(common.table(common.given(chunk.choices))) do
    choice = common.table(choice)
    if (common.count(choice.index) or 0) == 0 then
      self:delta(common.table(common.given(choice.delta)),
        common.given(common.table(common.given(choice.logprobs)).content))
      self.finish = common.filled(choice.finish_reason) or self.finish
      self.native = common.filled(choice.native_finish_reason) or self.native
      self.stopped_by = common.filled(choice.stop_reason) or self.stopped_by
    end
  end
  self:advance()
end

-- No more will come.
function Row:close()
  self.over = true
  self:advance()
end

return blocks
