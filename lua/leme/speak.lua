-- leme.speak: a policy's own words as the answer that the client's SDK expects: a
-- completion, or a stream of its chunks.

local host = require "leme.host"
local task = require "leme.task"

local speak = {}

local STREAM = { ["content-type"] = "text/event-stream", ["cache-control"] = "no-cache" }

-- What differs between the two formats: names, and where the text stands.
local FORMATS = {
  chat = {
    prefix = "chatcmpl-", whole = "chat.completion", chunk = "chat.completion.chunk",
    message = function(text) return { message = { role = "assistant", content = text } } end,
    piece = function(text) return { delta = { role = "assistant", content = text } } end,
    last = function() return { delta = host.decode "{}" } end,
  },
  completions = {
    prefix = "cmpl-", whole = "text_completion", chunk = "text_completion",
    message = function(text) return { text = text } end,
    piece = function(text) return { text = text } end,
    last = function() return { text = "" } end,
  },
}

-- Clients with another format are answered as chats; the engine translates.
for _, api in ipairs { "messages", "responses", "gemini" } do FORMATS[api] = FORMATS.chat end

local function choice(content, finish)
  content.index, content.finish_reason = 0, finish or host.null
  return host.array { content }
end

local function event(base, choices)
  base.choices = choices
  return "data: " .. host.encode(base) .. "\n\n"
end

-- No model said it, so it took no tokens.
local function no_usage()
  return { prompt_tokens = 0, completion_tokens = 0, total_tokens = 0 }
end

local function stream(req, format, base, text)
  local said = { event(base, choice(format.piece(text))),
    event(base, choice(format.last(), "stop")) }
  local options = req.stream_options
  if options and options ~= host.null and options.include_usage == true then
    base.usage = no_usage()
    said[#said + 1] = event(base, host.array {})
  end
  said[#said + 1] = "data: [DONE]\n\n"
  task.push("open", 200, table.concat(said), STREAM, false, false)
  task.push("close", false, false, false, false, false)
end

-- Say ${text} to the client of ${req}.
function speak.say(req, text)
  local format = FORMATS[req.api]
  if not format then return task.push("reply", 200, text, false, false, false) end
  local base = { id = format.prefix .. req.id, created = math.floor(host.wall()),
    model = req.model, object = req.stream and format.chunk or format.whole }
  if req.stream then return stream(req, format, base, text) end
  base.choices = choice(format.message(text), "stop")
  base.usage = no_usage()
  task.push("reply", 200, host.encode(base), false, false, false)
end

return speak
