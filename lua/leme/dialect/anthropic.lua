-- leme.dialect.anthropic: Anthropic's Messages. request() is here, what comes back
-- is read by anthropic_answer. Pure.

local host = require "leme.host"
local common = require "leme.dialect.common"
local turns = require "leme.dialect.anthropic_turns"
local answer = require "leme.dialect.anthropic_answer"
local failure = require "leme.dialect.failure"
local ipairs, next, type = ipairs, next, type

local VERSION = "2023-06-01"

-- --- what a model can do ---------------------------------------------------------------

-- "claude-opus-4-6" -> "opus", 4.6. A model of a form nobody knows yet counts as
-- the newest.
local function generation(model)
  local name = model:lower()
  local family = name:match "fable" or name:match "opus" or name:match "sonnet"
    or name:match "haiku" or name:match "mythos"
  local major, minor = name:match "claude%-(%d)%-?(%d?)%-?%a"
  if not major then major, minor = name:match "%a%-(%d)[-.](%d)%f[%D]" end
  if not major then major, minor = name:match "%a%-(%d)%f[%D]", "" end
  if not major then return family, 99 end
  return family, tonumber(major) + (tonumber(minor) or 0) / 10
end

local function read_abilities(model, schema, most)
  local family, version = generation(model)
  local can = { thinks = version >= 3.65, adaptive = version >= 4.55,
    schema = version >= 4.45, sampling = version < 4.65, both = version < 4,
    effort = version >= 4.55 or (family == "opus" and version >= 4.45), prefill = version < 4.55,
    xhigh = version >= 4.65, budget = version < 4.65, max_tokens = common.count(most) }
  if schema ~= nil then can.schema = schema == true end
  if not can.max_tokens then
    can.max_tokens = version < 3.45 and 4096 or version < 3.65 and 8192
      or (version < 4.45 and family == "opus") and 32000 or version < 4.55 and 64000 or 128000
  end
  return can
end

-- Models are few, and each is asked for again and again: for reading only.
local known, count = {}, 0

local function abilities(model, facts)
  local schema, most = common.table(facts.caps).json_schema, facts.max_output
  local found = known[model]
  if found and found.schema == schema and found.most == most then return found.can end
  if not found then count = count + 1 end
  if count > 1000 then known, count = {}, 1 end
  known[model] = { schema = schema, most = most, can = read_abilities(model, schema, most) }
  return known[model].can
end

-- --- schemas ---------------------------------------------------------------------------

local UNTAKEN = { minimum = true, maximum = true, exclusiveMinimum = true,
  exclusiveMaximum = true, multipleOf = true, minLength = true, maxLength = true, maxItems = true,
  uniqueItems = true, minProperties = true, maxProperties = true }
-- The formats of texts that are taken.
local FORMATS = { ["date-time"] = true, time = true, date = true, duration = true, email = true,
  hostname = true, uri = true, ipv4 = true, ipv6 = true, uuid = true }
local NAMED = { properties = true, ["$defs"] = true, definitions = true }

-- A schema as output_config takes it: objects are closed, ranges are left out.
local function strict_schema(schema, lost, depth)
  if type(schema) ~= "table" or next(schema) == nil or depth > 40 then return schema end
  local copy = {}
  for key, value in pairs(schema) do
    if UNTAKEN[key] or (key == "minItems" and value ~= 0 and value ~= 1)
        or (key == "format" and not FORMATS[value]) then
      lost[#lost + 1] = key
    elseif key == "oneOf" and schema.anyOf then
      lost[#lost + 1] = key
    elseif key == "oneOf" then
      copy.anyOf = strict_schema(value, lost, depth + 1)
    elseif NAMED[key] and common.is_object(value) then
      copy[key] = {}
      for name, inner in pairs(value) do copy[key][name] = strict_schema(inner, lost, depth + 1) end
    elseif key == "enum" or key == "const" or key == "default" or key == "required" then
      copy[key] = value
    else
      copy[key] = strict_schema(value, lost, depth + 1)
    end
  end
  if common.is_list(schema) then return host.array(copy) end
  if copy.type == "object" or copy.properties then
    copy.additionalProperties = false
  end
  return copy
end

-- --- tools -----------------------------------------------------------------------------

local function input_schema(parameters)
  if type(parameters) ~= "table" or next(parameters) == nil then
    return { type = "object", properties = {} }
  end
  if parameters.type == nil then return common.with(parameters, { type = "object" }) end
  return parameters
end

local NONE = {}
local MARKS = { "cache_control", "defer_loading", "allowed_callers", "input_examples",
  "eager_input_streaming" }

local function closed(schema)
  return type(schema) == "table" and schema.additionalProperties == false
end

local function read_tools(body, can, conversation, ledger)
  if not (common.given(body.tools) or common.given(body.functions) or conversation.called) then
    return NONE
  end
  local tools, keep = host.array {}, nil
  local _, _, allowed = common.tool_choice(body)
  for _, name in ipairs(allowed or {}) do
    keep = keep or {}
    keep[name] = true
  end
  for _, tool in ipairs(common.tools(body)) do
    if tool.native and tool.native.type == "custom" and tool.native.custom then
      ledger:drop "custom tools"
    elseif tool.native then
      tools[#tools + 1] = tool.native
    elseif not keep or keep[tool.name] then
      local made = { name = tool.name, description = tool.description,
        input_schema = input_schema(tool.parameters) }
      for _, key in ipairs(MARKS) do
        made[key] = common.given(tool.raw[key])
          or common.given(common.table(tool.raw["function"])[key])
      end
      if tool.strict and can.schema and closed(tool.parameters) then
        local lost = {}
        made.strict, made.input_schema = true, strict_schema(made.input_schema, lost, 0)
        if #lost > 0 then
          ledger:note("left out of the schema of tool " .. tool.name .. ": "
            .. table.concat(lost, ", "))
        end
      elseif tool.strict then
        ledger:note("tool " .. tool.name .. ": strict is left out")
      end
      tools[#tools + 1] = made
    end
  end
  if #tools == 0 and conversation.called then
    for name in pairs(conversation.names) do
      tools[#tools + 1] = { name = name, input_schema = { type = "object", properties = {} } }
    end
    ledger:note "the history has calls but there are no tools: tools without parameters were added"
    return tools, true
  end
  return tools
end

local CHOICES = { auto = "auto", required = "any", none = "none" }

local function read_choice(body, tools, invented, thinking, ledger)
  if #tools == 0 then return nil end
  if invented then return { type = "none" } end
  local kind, name = common.tool_choice(body)
  local choice = kind and { type = CHOICES[kind] or "tool", name = name }
  if choice and thinking and thinking.type == "enabled"
      and (choice.type == "any" or choice.type == "tool") then
    ledger:map("tool_choice " .. choice.type, "auto: it cannot be forced while thinking")
    choice = { type = "auto" }
  end
  if body.parallel_tool_calls == false and (not choice or choice.type ~= "none") then
    choice = choice or { type = "auto" }
    choice.disable_parallel_tool_use = true
  end
  return choice
end

-- --- thinking --------------------------------------------------------------------------

local BUDGETS = { minimal = 1024, low = 2048, medium = 8192, high = 16384, xhigh = 32768,
  max = 65536 }
local LEVELS = { minimal = "low", low = "low", medium = "medium", high = "high", xhigh = "xhigh",
  max = "max" }

-- A budget model refuses to think on inside a tool loop whose calls came without
-- their thinking blocks.
local function loop_lost_thoughts(list)
  for i = #list, 1, -1 do
    local turn = list[i]
    if turn.role == "assistant" then
      local first, calls = turn.content[1], false
      for _, block in ipairs(turn.content) do calls = calls or block.type == "tool_use" end
      return i == #list - 1 and list[#list].results > 0 and calls and first.type ~= "thinking"
        and first.type ~= "redacted_thinking"
    end
  end
  return false
end

local LOST = "the calls of this tool loop lost their thinking_blocks"

local function budget_thinking(effort, budget, out, list, ledger)
  if effort == "none" and not budget then return nil end
  budget = budget or BUDGETS[effort]
  if budget >= out.max_tokens then budget = out.max_tokens - 1 end
  if budget < 1024 then
    return ledger:drop("reasoning_effort", "max_tokens leaves no room for 1024 tokens of thinking")
  end
  if loop_lost_thoughts(list) then
    return ledger:drop("reasoning_effort", LOST)
  end
  return { type = "enabled", budget_tokens = budget }
end

local function effort_level(effort, can, ledger)
  local level = LEVELS[effort]
  if level == "xhigh" and not can.xhigh then
    ledger:map("reasoning_effort xhigh", "high")
    level = "high"
  end
  return level
end

-- A client's own output_config with such an effort as this model takes.
local function read_config(body, effort, can, ledger)
  local config = common.given(body.output_config)
  local own = common.text(common.table(config).effort)
  if effort then return common.with(common.table(config), { effort = effort }) end
  if not own then return type(config) == "table" and config or nil end
  if can.effort then
    return common.with(config, { effort = effort_level(own, can, ledger) or own })
  end
  if not common.given(body.reasoning_effort) then ledger:drop "output_config.effort" end
  config = common.with(config, {})
  config.effort = nil
  return next(config) ~= nil and config or nil
end

-- Is a client's own thinking such as this model takes? Other vendors have a field of
-- that name too.
local function fits_thinking(thinking, can, out)
  if thinking.type == "adaptive" then return can.adaptive end
  if thinking.type == "disabled" then return can.thinks end
  local budget = common.count(thinking.budget_tokens)
  return thinking.type == "enabled" and budget ~= nil and budget >= 1024
    and budget < out.max_tokens and can.thinks and can.budget
end

local function read_thinking(body, can, out, conversation, ledger)
  if body.thinking == nil and body.reasoning == nil and body.reasoning_effort == nil then
    return nil
  end
  local effort, budget = common.effort(body)
  local native = common.given(body.thinking)
  if type(native) == "table" then
    if fits_thinking(native, can, out) then
      if native.type ~= "enabled" or not loop_lost_thoughts(conversation.turns) then
        return native
      end
      return ledger:drop("thinking", LOST)
    end
    effort = effort or (native.type == "disabled" and "none") or "medium"
    budget = budget or common.count(native.budget_tokens)
  end
  if not effort and not budget then return nil end
  if not can.thinks then
    if effort ~= "none" then ledger:drop "reasoning_effort" end
    return nil
  end
  if can.adaptive and (effort or not can.budget) then
    if effort == "none" then return { type = "disabled" } end
    return { type = "adaptive", display = common.text(common.table(native).display) },
      effort and effort_level(effort, can, ledger)
  end
  return budget_thinking(effort, budget, out, conversation.turns, ledger)
end

-- --- the rest --------------------------------------------------------------------------

local SAMPLING = { "temperature", "top_p", "top_k" }

local function read_sampling(body, can, thinking, out, ledger)
  local busy = thinking and thinking.type ~= "disabled"
  for i = 1, #SAMPLING do
    local key = SAMPLING[i]
    local value = common.number(body[key])
    local same = (key == "temperature" or key == "top_p") and value == 1
    if value and not can.sampling then
      if not same then ledger:drop(key, "this model takes none") end
    elseif value and busy and not same and not (key == "top_p" and value >= 0.95) then
      ledger:drop(key, "not while thinking")
    else
      out[key] = value
    end
  end
  if out.temperature and out.temperature > 1 then
    ledger:clamp("temperature", out.temperature, 1)
    out.temperature = 1
  elseif out.temperature and out.temperature < 0 then
    ledger:clamp("temperature", out.temperature, 0)
    out.temperature = 0
  end
  if out.temperature and out.top_p and not can.both then
    out.top_p = nil
    ledger:drop("top_p", "this model does not take it beside temperature")
  end
end

local function system_and(system, text)
  if not system then return text end
  if type(system) == "string" then return system .. "\n\n" .. text end
  local list = host.array {}
  for i, block in ipairs(system) do list[i] = block end
  list[#list + 1] = { type = "text", text = text }
  return list
end

-- A target without structured output is made to call a tool of that shape; the
-- answer is turned back, which needs the tool's name in facts.
local function force_tool(out, named, thinking, facts, ledger)
  local tool = named.name:sub(1, 64):gsub("[^%w_-]", "_")
  if not ledger:map("response_format json_schema", "a tool that must be called") then return end
  if thinking and thinking.type == "enabled" then
    ledger:note "thinking is off: the answer's shape is forced by a tool"
    out.thinking = nil
  end
  out.tools = out.tools or host.array {}
  out.tools[#out.tools + 1] = { name = tool, input_schema = input_schema(named.schema),
    description = named.description or "Gives the answer." }
  out.tool_choice = #out.tools == 1 and { type = "tool", name = tool } or { type = "any" }
  facts.json_tool = tool
end

local function read_format(body, can, thinking, out, facts, ledger)
  if body.response_format == nil then return end
  local kind, named = common.response_format(body)
  if kind == "json_object" then
    if ledger:map("response_format json_object", "an instruction in the system text") then
      out.system = system_and(out.system, "Answer with one JSON object and nothing else.")
    end
  elseif kind and can.schema then
    local lost = {}
    out.output_config = out.output_config or {}
    out.output_config.format = { type = "json_schema",
      schema = strict_schema(input_schema(named.schema), lost, 0) }
    if #lost > 0 then ledger:note("left out of the schema: " .. table.concat(lost, ", ")) end
  elseif kind then
    force_tool(out, named, thinking, facts, ledger)
  end
end

local function read_stops(body, out, ledger)
  if body.stop == nil then return end
  local list = host.array {}
  for _, stop in ipairs(common.stops(body)) do
    if common.blank(stop) then
      ledger:drop("stop", "a stop of white space only is refused")
    else
      list[#list + 1] = stop
    end
  end
  if #list > 0 then out.stop_sequences = list end
end

-- An address or a telephone number is refused, so is what is longer than 256.
local function opaque(user, ledger)
  local named = #user <= 256
    and (user:find "%S@%S" or (#user > 9 and user:find "^%+?[%d%s().-]+$"))
  if #user <= 256 and not named then return user end
  ledger:note "user: sent as letters made of it, for it is none that Anthropic takes"
  return common.letters(user, 32)
end

local function read_user(body, out, ledger)
  local metadata = common.table(common.given(body.metadata))
  local user = common.text(body.safety_identifier) or common.text(body.user)
    or common.text(metadata.user_id)
  if user then out.metadata = { user_id = opaque(user, ledger) } end
  for key in next, metadata do
    if key ~= "user_id" then return ledger:drop "metadata" end
  end
end

local function read_search(body, out, ledger)
  local wish = common.given(body.web_search_options)
  if type(wish) ~= "table" then return end
  if not ledger:map("web_search_options", "the web_search tool") then return end
  local place = common.table(common.table(common.given(wish.user_location)).approximate)
  out.tools = out.tools or host.array {}
  out.tools[#out.tools + 1] = { type = "web_search_20250305", name = "web_search",
    user_location = next(place) and common.with(place, { type = "approximate" }) or nil }
end

local TIERS = { auto = "auto", default = "standard_only", standard_only = "standard_only" }

-- Anthropic's own fields, for those who send them.
local NATIVE = { context_management = true, mcp_servers = true, container = true,
  cache_control = true, inference_geo = true, speed = true, fallbacks = true,
  user_profile_id = true }
local READ = { model = true, messages = true, max_tokens = true, max_completion_tokens = true,
  stream = true, stream_options = true, tools = true, tool_choice = true, functions = true,
  function_call = true, parallel_tool_calls = true, temperature = true, top_p = true, top_k = true,
  stop = true, reasoning_effort = true, reasoning = true, thinking = true, output_config = true,
  response_format = true, user = true, safety_identifier = true, metadata = true,
  web_search_options = true, service_tier = true }

local function read_others(body, out, ledger)
  local tier = common.given(body.service_tier)
  if tier then
    out.service_tier = TIERS[tier]
    if not TIERS[tier] then ledger:drop("service_tier " .. tostring(tier)) end
  end
  local dropped
  for key, value in next, body do
    if NATIVE[key] then
      out[key] = common.given(value)
    elseif not READ[key] and out[key] == nil and not common.idle(key, value) then
      dropped = dropped or {}
      dropped[#dropped + 1] = key
    end
  end
  if not dropped then return end
  table.sort(dropped)
  for _, key in ipairs(dropped) do ledger:drop(key) end
end

local function read_limit(body, can, ledger)
  local asked = common.max_tokens(body)
  if asked and asked > can.max_tokens then
    ledger:clamp("max_tokens", asked, can.max_tokens)
    return can.max_tokens
  end
  if asked == 0 then
    ledger:clamp("max_tokens", 0, 1)
    return 1
  end
  return asked or can.max_tokens
end

local anthropic = { name = "anthropic", wire = "anthropic", answers = "clean",
  auth = { header = "x-api-key", prefix = "" } }
anthropic.__index = anthropic

function anthropic:request(body, facts)
  local ledger = common.ledger(self.name, facts)
  local model = facts.model or common.text(body.model) or ""
  local can = abilities(model, facts)
  local conversation = turns.read(body, ledger)
  local streams = facts.stream or (facts.stream == nil and body.stream == true)
  local out = { model = model, messages = conversation.messages, system = conversation.system,
    stream = streams and true or nil, max_tokens = read_limit(body, can, ledger) }
  local thinking, effort = read_thinking(body, can, out, conversation, ledger)
  out.thinking = thinking
  out.output_config = read_config(body, effort, can, ledger)
  common.note_functions(body, facts)
  local tools, invented = read_tools(body, can, conversation, ledger)
  out.tools = #tools > 0 and tools or nil
  out.tool_choice = read_choice(body, tools, invented, thinking, ledger)
  read_search(body, out, ledger)
  read_format(body, can, thinking, out, facts, ledger)
  read_sampling(body, can, out.thinking, out, ledger)
  read_stops(body, out, ledger)
  read_user(body, out, ledger)
  read_others(body, out, ledger)
  local last = out.messages[#out.messages]
  if last and last.role == "assistant" and (not can.prefill or out.thinking) then
    ledger:note "the conversation ends with the assistant, which this model may refuse"
  end
  return ledger:result("/messages", out, { ["anthropic-version"] = VERSION })
end

function anthropic:answer(text, facts) -- luacheck: ignore 212/self
  return answer.read(text, facts)
end

function anthropic:stream(facts) -- luacheck: ignore 212/self
  return answer.stream(facts)
end

function anthropic:error(status, text) -- luacheck: ignore 212/self
  return failure.read(status, text)
end

return anthropic
