-- leme.dialect.openai_think: how vendors that speak OpenAI's format are told to
-- think: each turns the effort asked for into edits of top-level fields. Pure.

local host = require "leme.host"
local common = require "leme.dialect.common"

local think = {}

local BUDGETS = { minimal = 1024, low = 2048, medium = 8192, high = 16384, xhigh = 32768,
  max = 38912 }

-- DashScope's switch and budget. Open Qwen3 models think unless told not to, and
-- then answer in streams only.
function think.qwen(edit, body, facts, ledger)
  local effort, budget = common.effort(body)
  if effort or budget then
    edit.reasoning_effort, edit.reasoning = host.null, host.null
    edit.enable_thinking = effort ~= "none"
    if effort ~= "none" then edit.thinking_budget = budget or BUDGETS[effort] end
    return
  end
  local open = facts.model and facts.model:lower():find "^qwen3%-%d+b"
  if open and not facts.stream and common.given(body.enable_thinking) == nil then
    edit.enable_thinking = false
    ledger:note "enable_thinking is off: this model thinks in streams only"
  end
end

local LEVELS = { minimal = "low", xhigh = "max" }

function think.deepseek(edit, body, facts)
  local effort = common.effort(body)
  if body.reasoning ~= nil then edit.reasoning = host.null end
  if effort == "none" then
    edit.reasoning_effort = host.null
    edit.thinking = { type = "disabled" }
  elseif effort and (LEVELS[effort] or body.reasoning_effort ~= effort) then
    edit.reasoning_effort = LEVELS[effort] or effort
  end
  local model = (facts.model or ""):lower()
  local thinking = common.table(edit.thinking or common.given(body.thinking)).type
  return thinking ~= "disabled" and (thinking == "enabled" or model:find "reasoner" ~= nil
    or model:find "%-v[4-9]" ~= nil)
end

-- Only on and off are known.
function think.mistral(edit, body, _, ledger)
  local effort = common.effort(body)
  if not effort then return end
  local level = (effort == "none" or effort == "minimal") and "none" or "high"
  if level ~= effort and not ledger:map("reasoning_effort " .. effort, level) then
    edit.reasoning_effort = host.null
    return
  end
  edit.reasoning_effort = level
end

function think.switch(edit, body)
  local effort = common.effort(body)
  if not effort then return end
  edit.reasoning_effort, edit.reasoning = host.null, host.null
  edit.thinking = { type = effort == "none" and "disabled" or "enabled" }
end

return think
