-- leme.mock.openai_errors: a fault in the words of each vendor of OpenAI's format.
-- Each function gives the body and may give another status and headers. Pure.

local host = require "leme.host"

local NULL = host.null

-- kind -> type, code
local OPENAI = { invalid = { "invalid_request_error", NULL },
  key = { "invalid_request_error", "invalid_api_key" },
  billing = { "insufficient_quota", "insufficient_quota" },
  quota = { "insufficient_quota", "insufficient_quota" },
  forbidden = { "permission_error", "permission_denied" },
  model = { "invalid_request_error", "model_not_found" },
  timeout = { "timeout", NULL }, large = { "invalid_request_error", "request_too_large" },
  rate = { "requests", "rate_limit_exceeded" }, server = { "server_error", NULL },
  overload = { "service_unavailable_error", "overloaded" },
  context = { "invalid_request_error", "context_length_exceeded" },
  filter = { "invalid_request_error", "content_filter" } }

local say = {}

function say.openai(fault)
  local row = OPENAI[fault.kind]
  return { error = { message = fault.message, type = row[1], param = fault.param or NULL,
    code = fault.code or row[2] } }
end

-- Without codes, as servers that only imitate the form.
function say.plain(fault)
  local body = say.openai(fault)
  body.error.code = NULL
  if fault.kind == "context" then
    body.error.message = "this model's maximum context length is 8192 tokens: " .. fault.message
  end
  return body
end

function say.azure(fault)
  local code = ({ key = "401", model = "DeploymentNotFound", rate = "RateLimitReached",
    quota = "insufficient_quota", filter = "content_filter" })[fault.kind]
  local body = { error = { code = code or tostring(fault.status), message = fault.message } }
  if fault.kind == "filter" then
    body.error.param, body.error.status = "prompt", 400
    body.error.innererror = { code = "ResponsibleAIPolicyViolation",
      content_filter_result = { hate = { filtered = true, severity = "high" } } }
  elseif fault.kind == "invalid" or fault.kind == "context" then
    return say.openai(fault)
  end
  return body
end

-- Three shapes, none with a member "error".
function say.mistral(fault)
  if fault.kind == "key" then return { detail = "Invalid API Key" } end
  if fault.extra then
    return { object = "error", type = "invalid_request_error", code = NULL, param = NULL,
      message = { detail = host.array { { type = "extra_forbidden", input = NULL,
        loc = host.array { "body", fault.extra }, msg = "Extra inputs are not permitted" } } } },
      422
  end
  local row = OPENAI[fault.kind]
  local message = fault.kind == "context" and "Prompt contains 99999 tokens and 0 draft tokens,"
    .. " too large for model with 32768 maximum context length" or fault.message
  return { object = "error", message = message, type = row[1], param = NULL,
    code = fault.kind == "rate" and "1300" or "3280", raw_status_code = fault.status }
end

function say.deepseek(fault)
  local kind = ({ key = "authentication_error", billing = "unknown_error",
    invalid = "invalid_request_error", model = "invalid_request_error",
    context = "invalid_request_error" })[fault.kind] or "server_error"
  local message = fault.message
  if fault.kind == "billing" then message = "Insufficient Balance" end
  if fault.kind == "model" then message = "Model Not Exist" end
  if fault.kind == "filter" then message = "Content Exists Risk" end
  if fault.kind == "context" then
    message = "This model's maximum context length is 131072 tokens. " .. message
  end
  return { error = { message = message, type = kind, param = NULL,
    code = "invalid_request_error" } }, fault.kind == "model" and 400 or nil
end

local QWEN = { invalid = "invalid_parameter_error", key = "invalid_api_key",
  billing = "Arrearage", quota = "insufficient_quota", model = "model_not_found",
  rate = "limit_requests", filter = "data_inspection_failed",
  context = "invalid_parameter_error" }

function say.qwen(fault)
  local message = fault.message
  if fault.kind == "context" then
    message = "Range of input length should be [1, 129024]"
  elseif fault.kind == "filter" then
    message = "Input text data may contain inappropriate content."
  end
  local code = QWEN[fault.kind] or "internal_error"
  return { error = { message = message, type = code, param = NULL, code = code },
    request_id = "mock" }, fault.kind == "billing" and 400 or nil
end

function say.openrouter(fault)
  local metadata
  if fault.kind == "filter" then
    metadata = { reasons = host.array { "violence" }, provider_name = "Mock" }
    return { error = { message = "Input was flagged by moderation", code = 403,
      metadata = metadata } }, 403
  elseif fault.kind ~= "key" and fault.kind ~= "billing" then
    metadata = { provider_name = "Mock",
      raw = host.encode { error = { message = fault.message, type = OPENAI[fault.kind][1] } } }
  end
  local message = fault.message
  if fault.kind == "context" then
    message = "This endpoint's maximum context length is 8192 tokens. " .. message
  end
  return { error = { message = message, code = fault.status, metadata = metadata },
    user_id = "user_mock" }
end

function say.vllm(fault)
  local message = fault.message
  if fault.kind == "context" then
    message = "This model's maximum context length is 4096 tokens. " .. message
  end
  return { object = "error", message = message, type = "BadRequestError", param = NULL,
    code = fault.status }
end

function say.llamacpp(fault)
  local kind = ({ overload = "unavailable_error", context = "exceed_context_size_error",
    key = "authentication_error" })[fault.kind] or "invalid_request_error"
  local message = fault.kind == "overload" and "Loading model" or fault.message
  return { error = { code = fault.status, message = message, type = kind } }
end

function say.groq(fault)
  local body = say.openai(fault)
  if fault.kind == "rate" then body.error.type = "tokens" end
  return body
end

function say.xai(fault)
  local message, status = fault.message, nil
  if fault.kind == "key" then
    message, status = "Incorrect API key provided: no***ne.", 400
  elseif fault.kind == "context" then
    message = "This model's maximum prompt length is 131072. " .. message
  end
  return { code = ({ key = "invalid-argument", rate = "resource-exhausted" })[fault.kind]
    or "invalid-argument", error = message }, status
end

-- A code that is a number.
function say.numbered(fault)
  return { error = { message = fault.message, type = OPENAI[fault.kind][1], code = fault.status } }
end

function say.zai(fault)
  local code = ({ key = "1000", billing = "1113", quota = "1113", rate = "1302",
    filter = "1301", model = "1211", context = "1261" })[fault.kind] or "1210"
  return { error = { code = code, message = fault.message } }, fault.kind == "billing" and 429
end

function say.litellm(fault)
  local body = say.openai(fault)
  body.error.message = "litellm.BadRequestError: " .. body.error.message
  body.error.code = tostring(fault.status)
  return body
end

-- Google's OpenAI form: a list of one error of its own.
function say.google(fault)
  local gemini = require "leme.mock.gemini"
  local status, body = gemini.failure(fault)
  return host.array { body }, status
end

function say.flat(fault)
  return { message = fault.message, code = tostring(fault.status), request_id = "mock" }
end

local errors = {}

-- The body for ${fault} in the words of ${vendor}, and the status.
function errors.say(fault, vendor)
  local body, status = say[vendor.errors or "openai"](fault)
  return body, status or fault.status
end

return errors
