-- leme.mock.responses: a mock in OpenAI's Responses: the answer of a chat, in the
-- form that leme gives to its own clients. Its functions are those of
-- leme.mock.openai. Pure, but for the clock.

local host = require "leme.host"
local openai = require "leme.mock.openai"
local surface = require "leme.surface.responses"

local responses = {}

local CREATED = 1767225600

local function context_of(ctx)
  return { id = ctx.id, model = ctx.model, created = CREATED, request = ctx.body }
end

function responses.read(body, ctx)
  local made, _, message = surface:request(body)
  if not made then return nil, { status = 400, kind = "invalid", message = message } end
  ctx.chat = made.body
  return openai.read(made.body, ctx)
end

function responses.whole(reply, ctx)
  return host.encode(surface:answer(host.decode(openai.whole(reply, ctx)), context_of(ctx)))
end

function responses.stream(reply, ctx)
  local state, list = surface:stream(context_of(ctx)), {}
  local function add(text)
    if text and text ~= "" then list[#list + 1] = text end
  end
  add(state:start())
  local chat = setmetatable({ body = { stream_options = { include_usage = true } } },
    { __index = ctx })
  for _, text in ipairs(openai.stream(reply, chat)) do
    local data = text:match "data: (.-)\n\n$"
    if data == "[DONE]" then add(state:finish()) else add(state:event(host.decode(data))) end
  end
  return list
end

responses.failure = openai.failure

function responses.midway(fault, ctx)
  local _, body = openai.failure(fault, ctx)
  return "event: error\ndata: " .. host.encode { type = "error", code = body.error.code,
    message = body.error.message, param = host.null, sequence_number = 99 } .. "\n\n"
end

return responses
