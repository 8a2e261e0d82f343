-- leme.mock.faults: how a mock fails when it is told to: by its options, or by a
-- model whose name says so, as in "error-429". A fault is { status, kind, message };
-- each format has its own words for a kind. Pure.

local faults = {}

local KINDS = { [400] = "invalid", [401] = "key", [402] = "billing", [403] = "forbidden",
  [404] = "model", [408] = "timeout", [413] = "large", [422] = "invalid", [429] = "rate",
  [500] = "server", [502] = "server", [503] = "overload", [504] = "timeout",
  [529] = "overload" }

local SENTENCES = { invalid = "the mock finds this request invalid",
  key = "the mock does not accept this key", billing = "the mock's account has no credit left",
  forbidden = "the mock does not let this key use the model",
  model = "the mock has no model of this name", timeout = "the mock took too long",
  large = "the mock finds this request too large", rate = "the mock has had too many requests",
  server = "the mock has failed", overload = "the mock is overloaded",
  context = "the prompt is too long for the mock's context window",
  filter = "the mock finds the content inappropriate",
  quota = "the mock's quota is used up" }

-- Words beside the numbers, and where they happen when not before the answer.
local NAMED = { context = { 400, "context" }, filter = { 400, "filter" },
  quota = { 429, "quota" }, midway = { 500, "server", "midway" },
  cut = { 500, "server", "cut" }, inside = { 500, "server", "inside" } }

function faults.of(status, message)
  local kind = KINDS[status] or (status < 500 and "invalid" or "server")
  return { status = status, kind = kind, message = message or SENTENCES[kind] }
end

function faults.invalid(message, status)
  return { status = status or 400, kind = "invalid", message = message }
end

-- The fault that the name of a model asks for: error-STATUS, error-context,
-- error-filter, error-quota, or where = "midway" (an error event after some words),
-- "cut" (the connection breaks there), "inside" (an error under status 200).
function faults.named(model)
  local word = type(model) == "string" and model:match "error%-(%w+)"
  local status = word and math.tointeger(tonumber(word))
  if status and status >= 400 and status <= 599 then return faults.of(status) end
  local row = word and NAMED[word]
  if not row then return nil end
  return { status = row[1], kind = row[2], message = SENTENCES[row[2]], where = row[3] }
end

-- The fault that options ask for, or nil. ${random}: the dice.
function faults.scripted(options, random)
  local rate = options.error_rate or (options.status and options.status ~= 200 and 1) or 0
  if rate <= 0 or random() >= rate then return nil end
  local status = options.status or 500
  return faults.of(status, ("the mock was told to fail with %d"):format(status))
end

return faults
