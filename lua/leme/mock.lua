-- leme.mock: the policy that makes an ordinary engine a mock provider. It asks
-- leme.mock_answers what to say and says it, waiting as long as the plan tells.
-- Its knobs are the options described there.

local host = require "leme.host"
local leme = require "leme"
local context = require "leme.context"
local answer = require "leme.answer"
local answers = require "leme.mock_answers"
local task = require "leme.task"

local options = context.now.loading.given
context.now.loading.values = options
answers.check(options)

local function wait(seconds)
  if seconds and seconds > 0 then leme.sleep(seconds) end
end

-- One step of a policy has room for so many events.
local STEP = 32

local function send_stream(plan)
  for i, event in ipairs(plan.stream) do
    wait(i % STEP == 0 and math.max(event.delay, 0.001) or event.delay)
    if i == 1 then
      task.push("open", plan.status, event.data, plan.headers, false, false)
    else
      task.push("write", event.data, false, false, false, false)
    end
  end
  task.push("close", plan.cut or false, false, false, false, false)
end

return leme.policy {
  name = "mock",
  route = function(req)
    local body = host.decode(host.body(req))
    local plan = answers.answer(body, req.headers[":path"], options, leme.random, req.headers)
    if plan.stream then
      send_stream(plan)
      return answer.reply(plan.status, false)
    end
    wait(plan.delay)
    return leme.respond(plan.status, plan.body, plan.headers)
  end,
}
