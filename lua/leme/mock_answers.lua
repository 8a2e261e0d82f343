-- leme.mock_answers: how the mock provider answers. Pure: the same request, options and
-- dice give the same answer; the engine does the waiting and the sending.
--
--   mock.answer(request, path, options, random) -> plan
--     request  the decoded body (nil for GET)
--     path     "/v1/chat/completions", ".../completions", ".../embeddings", ".../models"
--     options  latency   seconds before the first byte: a number, { low, high }, or
--                        { median =, sigma = } (log-normal); default 0.05
--              pace      seconds between two events of a stream; default 0.02
--              error_rate  share of the requests that fail (with `status`, default 500);
--                        with status alone every request does
--              retry_after  seconds, on failures
--              cut_after  the connection breaks after so many events
--              text      say this instead;  models  names for /models
--     random   a function giving 0 <= x < 1
--   plan: { status =, headers = { name = value }, delay = seconds, body = text }
--     or  { status = 200, headers =, stream = { { delay =, data = }, ... }, cut = bool }
--     (data: whole server-sent events, to be sent as they are)
--
--   mock.service(name, body) -> table to be encoded: "facts" is a small vector store.

local host = require "leme.host"

local mock = {}

local CREATED = 1767225600
local WORDS_MAX = 400

local function hash(text)
  local h = 2166136261
  for i = 1, math.min(#text, 65536) do h = ((h ~ text:byte(i)) * 16777619) & 0xffffffff end
  return h
end

-- The next of a row of numbers in [0, 1) that follows from ${seed}.
local function row(seed)
  local state = seed
  return function()
    state = (state * 1664525 + 1013904223) & 0xffffffff
    return state / 4294967296
  end
end

local function sample(dist, random, default)
  if dist == nil then return default end
  if type(dist) == "number" then return dist end
  if dist.median then
    local normal = math.sqrt(-2 * math.log(1 - random())) * math.cos(2 * math.pi * random())
    return dist.median * math.exp((dist.sigma or 0.5) * normal)
  end
  local low, high = dist[1] or 0, dist[2] or dist[1] or 0
  return low + (high - low) * random()
end

local function tokens_of(text) return (#text + 3) // 4 end

local function is_list(value) return type(value) == "table" and #value > 0 end

-- The text of a message's content: a string, or parts.
local function content_text(content)
  if type(content) == "string" then return content end
  if type(content) ~= "table" then return "" end
  local pieces = {}
  for i = 1, #content do
    local part = content[i]
    if type(part) == "table" and type(part.text) == "string" then
      pieces[#pieces + 1] = part.text
    end
  end
  return table.concat(pieces, " ")
end

local function failure(status, message, kind, code)
  return { status = status, headers = { ["content-type"] = "application/json" }, delay = 0,
    body = host.encode { error = { message = message, type = kind, code = code or host.null,
      param = host.null } } }
end

local KINDS = { [400] = "invalid_request_error", [401] = "authentication_error",
  [403] = "permission_error", [404] = "invalid_request_error", [429] = "rate_limit_error" }

local function scripted_failure(options, random)
  local rate = options.error_rate or (options.status and options.status ~= 200 and 1) or 0
  if rate <= 0 or random() >= rate then return nil end
  local status = options.status or 500
  local plan = failure(status, ("the mock was told to fail with %d"):format(status),
    KINDS[status] or "server_error", status == 429 and "rate_limit_exceeded" or nil)
  if options.retry_after then
    plan.headers["retry-after"] = tostring(options.retry_after)
  end
  return plan
end

-- A value that fits a JSON schema.
local fitting

local function fitting_object(schema, root, depth)
  local object, names = {}, {}
  for name in pairs(schema.properties or {}) do names[#names + 1] = name end
  table.sort(names)
  for _, name in ipairs(names) do
    object[name] = fitting(schema.properties[name], root, depth + 1)
  end
  return object
end

local function fitting_text(schema)
  local said = ({ date = "2026-01-01", ["date-time"] = "2026-01-01T00:00:00Z",
    email = "mock@example.com", uri = "https://example.com/" })[schema.format] or "example"
  local least = math.min(tonumber(schema.minLength) or 0, 1024)
  while #said < least do said = said .. "x" end
  return type(schema.maxLength) == "number" and said:sub(1, math.tointeger(schema.maxLength))
    or said
end

function fitting(schema, root, depth)
  if type(schema) ~= "table" or depth > 12 then return host.null end
  local ref = schema["$ref"]
  if type(ref) == "string" then
    local place = root
    for name in ref:gsub("^#/?", ""):gmatch("[^/]+") do
      place = type(place) == "table" and place[name] or nil
    end
    return fitting(place, root, depth + 1)
  end
  if schema.const ~= nil then return schema.const end
  if is_list(schema.enum) then return schema.enum[1] end
  local choice = schema.anyOf or schema.oneOf or schema.allOf
  if is_list(choice) then return fitting(choice[1], root, depth + 1) end
  local kind = is_list(schema.type) and schema.type[1] or schema.type
  if kind == "object" or schema.properties then return fitting_object(schema, root, depth) end
  if kind == "array" then
    return host.array { fitting(schema.items, root, depth + 1) }
  end
  if kind == "string" then return fitting_text(schema) end
  if kind == "integer" or kind == "number" then return schema.minimum or 1 end
  if kind == "boolean" then return true end
  return host.null
end

local CLOSINGS = {
  "I am a mock, so this is all I know, but I say it the same way every time.",
  "No model was asked and nothing was spent.",
  "When you set a key, a real model will take my place.",
}

local function friendly(said)
  local heard = said:gsub("%s+", " "):sub(1, 200)
  if heard == "" then heard = "nothing" end
  return ("You said: \"%s\". That is noted. %s"):format(heard, CLOSINGS[hash(said) % #CLOSINGS + 1])
end

-- The tool to call, or nil: when one is demanded, or the prompt names it or asks
-- for a tool; never right after a tool has answered.
local function wanted_tool(request, said)
  local tools, choice = request.tools, request.tool_choice
  if not is_list(tools) or choice == "none" then return nil end
  if type(choice) == "table" and type(choice["function"]) == "table" then
    for i = 1, #tools do
      local fn = type(tools[i]) == "table" and tools[i]["function"]
      if fn and fn.name == choice["function"].name then return fn end
    end
  end
  local first = type(tools[1]) == "table" and tools[1]["function"]
  if choice == "required" then return first end
  local last = request.messages[#request.messages]
  if last.role == "tool" then return nil end
  local lower = said:lower()
  for i = 1, #tools do
    local fn = type(tools[i]) == "table" and tools[i]["function"]
    if type(fn) == "table" and type(fn.name) == "string"
        and lower:find(fn.name:lower(), 1, true) then
      return fn
    end
  end
  return lower:find("%f[%a]tool%f[%A]") and first or nil
end

local function wanted_json(request, said)
  local format = request.response_format
  if type(format) ~= "table" then return nil end
  if format.type == "json_schema" then
    local schema = type(format.json_schema) == "table" and format.json_schema.schema
    return host.encode(fitting(schema or {}, schema or {}, 0))
  end
  if format.type == "json_object" then return host.encode { answer = friendly(said) } end
end

-- Text in pieces of a word each, blanks kept, at most ${max} of them.
local function pieces_of(text, max)
  local list = {}
  for piece in text:gmatch("%S+%s*") do
    if #list >= max then return list, true end
    list[#list + 1] = piece
  end
  return list, false
end

-- What to say: { pieces =, finish =, tool = { name, arguments } or nil }.
local function compose(request, said, options)
  local tool = request.messages and wanted_tool(request, said)
  if tool then
    local schema = tool.parameters or {}
    return { pieces = {}, finish = "tool_calls", name = tool.name,
      arguments = host.encode(fitting(schema, schema, 0)) }
  end
  local text = options.text or request.messages and wanted_json(request, said) or friendly(said)
  local max = tonumber(request.max_completion_tokens) or tonumber(request.max_tokens) or WORDS_MAX
  local pieces, cut = pieces_of(text, math.max(1, math.min(max, WORDS_MAX)))
  return { pieces = pieces, finish = cut and "length" or "stop" }
end

local function usage_of(input, reply)
  local output = #reply.pieces
  if reply.arguments then output = tokens_of(reply.arguments) end
  return { prompt_tokens = input, completion_tokens = output, total_tokens = input + output,
    prompt_tokens_details = { cached_tokens = 0 },
    completion_tokens_details = { reasoning_tokens = 0 } }
end

local function call_of(id, reply)
  return { id = "call_" .. id, type = "function",
    ["function"] = { name = reply.name, arguments = reply.arguments } }
end

-- The events of a stream, and whether it breaks off.
local function stream_of(base, reply, usage, options, random, legacy)
  local pace, first = options.pace or 0.02, sample(options.latency, random, 0.05)
  local events, cut = {}, false
  local function send(data)
    if cut then return end
    if options.cut_after and #events >= options.cut_after then
      cut = true
      return
    end
    events[#events + 1] = { delay = #events == 0 and first or sample(pace, random, 0.02),
      data = "data: " .. data .. "\n\n" }
  end
  local function chunk(delta, finish)
    local choice = { index = 0, finish_reason = finish or host.null }
    if legacy then choice.text = delta.content or "" else choice.delta = delta end
    base.choices = host.array { choice }
    send(host.encode(base))
  end
  if not legacy then chunk { role = "assistant", content = "" } end
  if reply.name then
    local whole = call_of(base.id, reply)
    whole.index = 0
    chunk { tool_calls = host.array { whole } }
  end
  for i = 1, #reply.pieces do chunk { content = reply.pieces[i] } end
  chunk({}, reply.finish)
  if usage then
    base.choices, base.usage = host.array {}, usage
    send(host.encode(base))
  end
  send("[DONE]")
  return events, cut
end

local function body_of(base, reply, usage, legacy)
  local text = table.concat(reply.pieces)
  local choice = { index = 0, finish_reason = reply.finish }
  if legacy then
    choice.text = text
  else
    choice.message = { role = "assistant", content = reply.name and host.null or text }
    if reply.name then
      choice.message.tool_calls = host.array { call_of(base.id, reply) }
    end
  end
  base.choices, base.usage = host.array { choice }, usage
  return host.encode(base)
end

local function converse(request, options, random, legacy)
  local said, input = "", 0
  if legacy then
    said = type(request.prompt) == "string" and request.prompt or content_text(request.prompt)
    input = tokens_of(said)
  else
    if not is_list(request.messages) then
      return failure(400, "'messages' must be a non-empty array", KINDS[400])
    end
    for i = 1, #request.messages do
      local message = request.messages[i]
      if type(message) ~= "table" then
        return failure(400, "each of 'messages' must be an object", KINDS[400])
      end
      local text = content_text(message.content)
      input = input + tokens_of(text) + 3
      if message.role == "user" or message.role == "tool" then said = text end
    end
  end
  local model = type(request.model) == "string" and request.model or "mock"
  local reply = compose(request, said, options)
  local streaming = request.stream == true
  local base = { id = ("%s-mock%08x"):format(legacy and "cmpl" or "chatcmpl", hash(model .. said)),
    object = legacy and "text_completion"
      or streaming and "chat.completion.chunk" or "chat.completion",
    created = CREATED, model = model }
  local usage = usage_of(input, reply)
  if not streaming then
    return { status = 200, headers = { ["content-type"] = "application/json" },
      delay = sample(options.latency, random, 0.05), body = body_of(base, reply, usage, legacy) }
  end
  local asked = type(request.stream_options) == "table" and request.stream_options.include_usage
  local events, cut = stream_of(base, reply, asked and usage, options, random, legacy)
  return { status = 200, headers = { ["content-type"] = "text/event-stream" }, stream = events,
    cut = cut }
end

local BASE64 = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"

local function base64(bytes)
  local out = {}
  for i = 1, #bytes, 3 do
    local a, b, c = bytes:byte(i, i + 2)
    local n = a << 16 | (b or 0) << 8 | (c or 0)
    for place = 0, 3 do
      local six = n >> (18 - 6 * place) & 63
      local used = place < 2 or place == 2 and b or place == 3 and c
      out[#out + 1] = used and BASE64:sub(six + 1, six + 1) or "="
    end
  end
  return table.concat(out)
end

-- A unit vector that follows from the text.
local function vector(text, size)
  local draw, list, sum = row(hash(text)), {}, 0
  for i = 1, size do
    list[i] = draw() * 2 - 1
    sum = sum + list[i] * list[i]
  end
  local length = math.sqrt(sum)
  for i = 1, size do list[i] = list[i] / length end
  return list
end

local function embed(request, options, random)
  local input = request.input
  if type(input) == "string" then input = { input } end
  if not is_list(input) then return failure(400, "'input' must not be empty", KINDS[400]) end
  if type(input[1]) == "number" then input = { input } end
  local size = math.tointeger(tonumber(request.dimensions) or 256) or 256
  if size < 1 or size > 4096 then
    return failure(400, "'dimensions' must be between 1 and 4096", KINDS[400])
  end
  local data, used = host.array {}, 0
  for i = 1, #input do
    local text = type(input[i]) == "table" and table.concat(input[i], " ") or tostring(input[i])
    local list = vector(text, size)
    used = used + tokens_of(text)
    local value = host.array(list)
    if request.encoding_format == "base64" then
      local floats = {}
      for k = 1, size do floats[k] = string.pack("<f", list[k]) end
      value = base64(table.concat(floats))
    end
    data[i] = { object = "embedding", index = i - 1, embedding = value }
  end
  return { status = 200, headers = { ["content-type"] = "application/json" },
    delay = sample(options.latency, random, 0.05), body = host.encode { object = "list",
      data = data, model = request.model or "mock",
      usage = { prompt_tokens = used, total_tokens = used } } }
end

local function list_models(options)
  local data = host.array {}
  for i, name in ipairs(options.models or { "mock" }) do
    data[i] = { id = name, object = "model", created = CREATED, owned_by = "leme-mock" }
  end
  return { status = 200, headers = { ["content-type"] = "application/json" }, delay = 0,
    body = host.encode { object = "list", data = data } }
end

function mock.answer(request, path, options, random)
  options = options or {}
  random = random or row(1)
  local failed = scripted_failure(options, random)
  if failed then
    failed.delay = sample(options.latency, random, 0.05)
    return failed
  end
  if path:find("/models$") then return list_models(options) end
  if type(request) ~= "table" then
    return failure(400, "the body is not a JSON object", KINDS[400])
  end
  if path:find("/chat/completions$") then return converse(request, options, random, false) end
  if path:find("/completions$") then return converse(request, options, random, true) end
  if path:find("/embeddings$") then return embed(request, options, random) end
  return failure(404, "the mock does not serve " .. path, KINDS[404])
end

local FACTS = {
  "A rudder turns a ship; its Portuguese name is leme.",
  "A circuit breaker stops calls to something that keeps failing.",
  "The first token is the commit point of a streamed answer.",
  "Water boils at 100 degrees Celsius at sea level.",
  "Support is open from Monday to Friday.",
}

-- The facts that share most words with body.query, best first, body.top of them.
function mock.service(name, body)
  if name ~= "facts" then return { error = ("the mock has no service %q"):format(name) } end
  local query = type(body) == "table" and tostring(body.query or "") or ""
  local ranked = {}
  for i, fact in ipairs(FACTS) do
    local score = 0
    for word in query:lower():gmatch("%w+") do
      if #word > 3 and fact:lower():find(word, 1, true) then score = score + 1 end
    end
    ranked[i] = { score, i, fact }
  end
  table.sort(ranked, function(a, b)
    if a[1] ~= b[1] then return a[1] > b[1] end
    return a[2] < b[2]
  end)
  local found = host.array {}
  local top = type(body) == "table" and math.tointeger(body.top) or 3
  for i = 1, math.max(1, math.min(top, #ranked)) do found[i] = ranked[i][3] end
  return { text = table.concat(found, "\n"), matches = found }
end

return mock
