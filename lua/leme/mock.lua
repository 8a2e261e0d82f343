-- leme.mock: the policy that makes an ordinary engine a mock provider. It asks
-- leme.mock_answers what to say and says it, waiting as long as the plan tells.
-- Its knobs are the options described there.

local host = require "leme.host"
local leme = require "leme"
local context = require "leme.context"
local answer = require "leme.answer"
local answers = require "leme.mock_answers"
local task = require "leme.task"

-- Clients with another format are answered as chats; the engine translates.
local PATHS = { chat = "/v1/chat/completions", completions = "/v1/completions",
  embeddings = "/v1/embeddings", messages = "/v1/chat/completions",
  responses = "/v1/chat/completions", gemini = "/v1/chat/completions",
  gemini_embeddings = "/v1/embeddings" }

-- Knobs of any name: leme.mock_answers knows what it takes.
local options = context.now.loading.given
context.now.loading.values = options

local function wait(seconds)
  if seconds and seconds > 0 then leme.sleep(seconds) end
end

local function send_stream(plan)
  plan.headers = plan.headers or {}
  plan.headers["content-type"] = "text/event-stream"
  for i, event in ipairs(plan.stream) do
    wait(event.delay)
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
    local service = req.api:match("^service:(.*)")
    if service then return leme.respond(200, host.encode(answers.service(service, body))) end
    local plan = answers.answer(body, PATHS[req.api], options, leme.random)
    if plan.stream then
      send_stream(plan)
      return answer.reply(plan.status, false)
    end
    wait(plan.delay)
    return leme.respond(plan.status, plan.body, plan.headers)
  end,
}
