-- support: Qwen and DeepSeek in turn, Gemini when both are saturated, arithmetic
-- to Mistral, legal wording to GPT-4o, fresh facts from a vector store; what one
-- vendor's filter refuses, another is asked.
-- Knobs: none. Needs the service "facts".
-- Usage: model "support" { policy = "policies/support.lua", default_route = {
--   "qwen/qwen-plus", "google/gemini-flash-latest" } }
local leme = require "leme"
local text = require "leme.text"

local pair = leme.round_robin { "qwen/qwen-plus", "deepseek/deepseek-chat" }
local chat = leme.fallback { pair, "google/gemini-flash-latest" }

return leme.policy {
  name = "support",
  route = function(req)
    local found = leme.fetch("facts", { query = req.question, top = 3 })
    if found.ok then req:prepend_system(found.text) end
    if text.is_arithmetic(req.question) then return req:try "mistral/mistral-large-latest" end
    if text.mentions(req.question, "contract", "liability") then return req:try "openai/gpt-4o" end
    local answer = req:try(chat, { first_token = 2.5 })
    if answer.error == "provider_content_filtered" then
      return req:try "anthropic/claude-sonnet-4-5"
    end
    return answer
  end,

  test = function(world)
    assert(world:request { question = "What is 17 * 23?" }.target == "mistral/mistral-large-latest")
    assert(world:request { question = "Is this contract valid?" }.target == "openai/gpt-4o")
    for _, name in ipairs { "qwen/qwen-plus", "deepseek/deepseek-chat" } do
      world:set(name, { max_in_flight = 0 })
    end
    local spare = world:request { question = "Where is my parcel?" }
    assert(spare.target == "google/gemini-flash-latest")
  end,
}
