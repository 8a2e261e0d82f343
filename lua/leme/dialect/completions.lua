-- leme.dialect.completions: text completions by models that only chat. The prompt is
-- what the user says, the text is what the assistant answers. Pure.

local host = require "leme.host"
local common = require "leme.dialect.common"
local ipairs, setmetatable, type = ipairs, setmetatable, type

local NULL = host.null

local completions = {}

-- What only those who continue a text can do.
local LEFT = { "suffix", "echo", "best_of" }

local function text_of(prompt, ledger)
  if type(prompt) == "table" and #prompt == 1 then prompt = prompt[1] end
  if type(prompt) == "string" then return prompt end
  ledger:bad("prompt: " .. ledger.name .. " is asked for one text at a time, as a string")
  return ""
end

-- The chat that a body asks for.
function completions.chat(body, ledger)
  local chat = common.with(body, { messages = host.array {
    { role = "user", content = text_of(common.given(body.prompt), ledger) } } })
  chat.prompt = nil
  for _, key in ipairs(LEFT) do
    local value = common.given(body[key])
    if value ~= nil and value ~= false and value ~= 1 then ledger:drop(key) end
    chat[key] = nil
  end
  local wanted = common.count(common.given(body.logprobs))
  chat.logprobs, chat.top_logprobs = wanted and true or nil, wanted
  return chat
end

local function logprobs_of(said)
  local list = common.table(common.given(said)).content
  if not common.is_list(list) then return NULL end
  local out = { tokens = host.array {}, token_logprobs = host.array {},
    top_logprobs = host.array {}, text_offset = host.array {} }
  local offset = 0
  for i, token in ipairs(list) do
    out.tokens[i], out.token_logprobs[i], out.text_offset[i] = token.token, token.logprob, offset
    offset = offset + (utf8.len(token.token) or #token.token)
    out.top_logprobs[i] = {}
    for _, other in ipairs(common.table(token.top_logprobs)) do
      out.top_logprobs[i][other.token] = other.logprob
    end
  end
  return out
end

local function with_choices(chat, list)
  return common.with(chat, { object = "text_completion", choices = list })
end

-- A chat.completion as a text_completion.
function completions.text(answer)
  local list = host.array {}
  for i, choice in ipairs(answer.choices) do
    local message = choice.message
    list[i] = { index = choice.index, finish_reason = choice.finish_reason,
      text = common.plain(common.given(message.content)), logprobs = logprobs_of(choice.logprobs) }
    if list[i].text == "" then list[i].text = common.text(common.given(message.refusal)) or "" end
  end
  return with_choices(answer, list)
end

-- Chunks of a chat as chunks of a text: what they say beside it is left out.
function completions.chunks(chunks)
  local out = host.array {}
  for _, chunk in ipairs(chunks) do
    local list = host.array {}
    for _, choice in ipairs(chunk.choices) do
      local delta = choice.delta
      local text = common.filled(delta.content) or common.filled(delta.refusal)
      if text or common.given(choice.finish_reason) then
        list[#list + 1] = { index = choice.index, text = text or "",
          finish_reason = choice.finish_reason, logprobs = logprobs_of(choice.logprobs) }
      end
    end
    if #list > 0 or common.given(chunk.usage) then out[#out + 1] = with_choices(chunk, list) end
  end
  return out
end

local Stream = {}
Stream.__index = Stream

-- A stream of chat chunks, read as one of texts.
function completions.stream(inner)
  return setmetatable({ inner = inner }, Stream)
end

local function texts(chunks, err, message)
  if not chunks then return nil, err, message end
  return completions.chunks(chunks)
end

function Stream:event(name, data) return texts(self.inner:event(name, data)) end
function Stream:finish() return texts(self.inner:finish()) end
function Stream:counted() return self.inner.counted and self.inner:counted() end

return completions
