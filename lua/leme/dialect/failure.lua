-- leme.dialect.failure: what a provider's error means, in every vendor's spelling:
-- the closed word for it, the human sentence, code, param, and how long to wait.
-- The body decides before the status does. Pure.

local host = require "leme.host"
local common = require "leme.dialect.common"

local failure = {}

local LOOKED_AT = 65536
local UNWRAPPED = 3

local text_of

local function list_text(list)
  local said = {}
  for _, item in ipairs(list) do
    said[#said + 1] = type(item) == "string" and item
      or common.text(common.table(item).msg) or common.text(common.table(item).message)
  end
  if #said > 0 then return table.concat(said, "; ") end
end

-- The sentence in a value that stands where a message stands.
local function message_text(value)
  if type(value) == "string" then return common.filled(value) end
  if type(value) ~= "table" then return nil end
  if common.is_list(value) then return list_text(value) end
  return text_of(value) or (type(value.detail) == "table" and list_text(value.detail)) or nil
end

function text_of(object)
  for _, key in ipairs { "error", "message", "detail", "error_msg", "errors", "msg", "base_resp",
    "status_msg" } do
    local found = message_text(common.given(object[key]))
    if found then return found end
  end
end

-- The innermost object that speaks of the error: unwraps arrays, `error`, and JSON
-- held as text in a message.
local function unwrap(value)
  for _ = 1, UNWRAPPED do
    if common.is_list(value) then value = value[1] end
    local outer = common.table(value)
    local inner = common.given(outer.error)
    local message = common.text(common.table(inner).message)
      or (type(inner) == "string" and inner) or (inner == nil and common.text(outer.message)) or nil
    local head = message and message:sub(1, 256):match "^%s*([{%[])"
    local deeper = head and #message <= LOOKED_AT and host.decode(message)
    if common.is_list(deeper) then deeper = deeper[1] end
    if type(deeper) ~= "table" or not (deeper.error or deeper.message) then return outer end
    value = deeper
  end
  return common.table(value)
end

-- --- words that decide -----------------------------------------------------------------

-- Plain pieces of a lower-case body, in the order in which they decide.
local WORDS = {
  { "provider_context_too_long", "context_length_exceeded", "maximum context length",
    "prompt is too long", "prompt too long", "input token count", "too many tokens",
    "too_many_tokens", "input tokens exceeded", "too_many_prompt_tokens",
    "exceeded max context length", "range of input length", "exceeds the context window",
    "exceed context limit", "context window exceeds", "exceeds the available context size",
    "maximum prompt length", "exceeded model token limit", "input is too long" },
  { "provider_content_filtered", "content_filter", "data_inspection_failed",
    "datainspectionfailed", '"blockreason"', "responsibleaipolicyviolation",
    "content management policy", "content filtering policy", "content exists risk",
    "contain inappropriate content", "violates usage guidelines", "requires moderation",
    "flagged as potentially violating" },
  { "provider_auth", "api_key_invalid", "invalid_api_key", "incorrect api key",
    "authentication_error", "unregistered callers", "api key not valid", "invalidapikey",
    "invalid api key" },
  { "provider_quota_exhausted", "insufficient_quota", "perday" },
  { "provider_billing", "insufficient balance", "credit balance is too low",
    "specified api usage limits", "arrearage", "billing_error", "insufficient credits" },
  { "provider_model_gone", "model_not_found", "deploymentnotfound", "model not exist" },
  { "provider_timeout_total", "timeout_error", "deadline_exceeded", "request_timeout" },
  { "provider_overloaded", "overloaded_error", "model is overloaded",
    "insufficient_system_resource", "high demand. spikes", "loading model" },
}

local STATUS = { [400] = "invalid_request", [401] = "auth", [402] = "billing", [403] = "auth",
  [404] = "model_gone", [408] = "timeout_total", [413] = "context_too_long",
  [422] = "invalid_request", [429] = "rate_limited", [499] = "server_error",
  [503] = "overloaded", [504] = "server_error", [529] = "overloaded" }

-- Words a vendor uses where others have a status.
local TYPES = { invalid_request_error = 400, authentication_error = 401, billing_error = 402,
  permission_error = 403, permission_denied_error = 403, not_found_error = 404,
  request_too_large = 413, rate_limit_error = 429, rate_limit_exceeded = 429, api_error = 500,
  server_error = 500, internal_server_error = 500, timeout_error = 504, overloaded_error = 529,
  INVALID_ARGUMENT = 400, FAILED_PRECONDITION = 400, UNAUTHENTICATED = 401,
  PERMISSION_DENIED = 403, NOT_FOUND = 404, RESOURCE_EXHAUSTED = 429, INTERNAL = 500,
  UNAVAILABLE = 503, DEADLINE_EXCEEDED = 504, CANCELLED = 499 }

local function status_class(status)
  if STATUS[status] then return "provider_" .. STATUS[status] end
  if status >= 500 then return "provider_server_error" end
  if status >= 400 then return "provider_invalid_request" end
end

local function said_status(object)
  local inner = common.table(object.error)
  for _, where in ipairs { inner, object } do
    for _, key in ipairs { "code", "status", "status_code", "type", "raw_status_code" } do
      local said = where[key]
      if type(said) == "string" then said = TYPES[said] or math.tointeger(tonumber(said)) end
      if type(said) == "number" and said >= 400 and said < 600 then return math.floor(said) end
    end
  end
end

-- Z.ai's numbers.
local CODES = { ["1113"] = "provider_billing", ["1211"] = "provider_model_gone",
  ["1261"] = "provider_context_too_long", ["1301"] = "provider_content_filtered" }

-- MiniMax's, in an answer of status 200.
local BASE = { [1002] = "provider_rate_limited", [1004] = "provider_auth",
  [1008] = "provider_billing", [1026] = "provider_content_filtered",
  [1027] = "provider_content_filtered", [1039] = "provider_rate_limited",
  [2013] = "provider_invalid_request" }

-- MiniMax's status of an answer; 0 is good.
function failure.base_status(body)
  return common.count(common.table(common.given(body.base_resp)).status_code) or 0
end

-- OpenRouter says why its moderation refused.
local function moderated(object)
  local metadata = common.table(common.given(common.table(object.error).metadata))
  return common.is_list(metadata.reasons)
end

local function class_of(status, text, object)
  if moderated(object) then return "provider_content_filtered" end
  local numbered = CODES[common.table(object.error).code]
  numbered = numbered or BASE[failure.base_status(object)]
  if numbered then return numbered end
  local low = text:lower()
  for _, row in ipairs(WORDS) do
    for i = 2, #row do
      if low:find(row[i], 1, true) then return row[1] end
    end
  end
  if low:find("throttling.", 1, true) then return "provider_rate_limited" end
  if not status or status < 400 then status = said_status(object) end
  return status and status_class(status) or "provider_server_error"
end

-- --- the wait --------------------------------------------------------------------------

local UNITS = { s = 1, sec = 1, second = 1, seconds = 1, ms = 0.001, m = 60, minute = 60,
  minutes = 60 }

local function wait_of(object, text)
  for _, detail in ipairs(common.table(common.table(object.error).details)) do
    local delay = common.text(common.table(detail).retryDelay)
    local seconds = delay and tonumber((delay:match "^([%d.]+)s$"))
    if seconds then return seconds end
  end
  local low = text:lower()
  local number, unit = low:match "try again in ([%d.]+)%s*(%a+)"
  if not number then number, unit = low:match "retry in ([%d.]+)%s*(%a+)" end
  local per, amount = unit and UNITS[unit], tonumber(number)
  if per and amount then return amount * per end
end

-- A page's title, or the text itself.
local function bare(text)
  local low = text:sub(1, 4096)
  local title = low:match "<[tT][iI][tT][lL][eE][^>]*>%s*(.-)%s*</"
  return title or low:match "^%s*(.-)%s*$"
end

local function word(value)
  value = common.given(value)
  if type(value) == "string" and value ~= "" then return value end
  local whole = type(value) == "number" and math.tointeger(value)
  if whole then return tostring(whole) end
end

-- -> error_type, message, code, param, retry_after (seconds); all but the first two
-- may be nil.
function failure.read(status, text)
  text = common.text(text) or ""
  local looked = text:sub(1, LOOKED_AT)
  local value = host.decode(text)
  if type(value) ~= "table" then
    return class_of(status, looked, {}), bare(looked), nil, nil, wait_of({}, looked)
  end
  local object = unwrap(value)
  local inner = common.table(object.error)
  local message = text_of(object) or ""
  return class_of(status, looked, object), message, word(inner.code) or word(object.code),
    word(inner.param) or word(object.param), wait_of(object, looked)
end

return failure
