-- leme.surface: what clients speak, by name. A surface turns a client's body into an
-- OpenAI chat request, which is what the engine routes, and turns OpenAI's answers
-- and chunks into what that client expects. Pure: a stream remembers its own blocks
-- and nothing else.
--
--   s:request(body) -> { body, stream, notes, ours } or nil, error type, message;
--                    ours: true when the body brings back what only we put there
--   s:answer(answer, ctx) -> the body of the answer
--   s:stream(ctx) -> state; state:start(), state:event(chunk), state:finish() and
--                    state:failure(error type, status, message) -> events as text
--   s.failure(error type, status, type, code, message, ctx) -> body, headers
--   s:ping() -> text that keeps a connection alive
--
-- ctx = { id = of the request, model = as the client named it, created = Unix
-- seconds, request = the client's body }.
--
-- What a chat request has no word for stands beside it, under the names that the
-- dialects read:
--   message.thinking_blocks      Anthropic's thinking with its signatures
--   message.reasoning_content    the same thoughts, or unsigned ones, as plain text
--   message.extra_content        { anthropic = { content = a turn with blocks that only
--                                Anthropic knows } }, { openai = { reasoning = items
--                                that only OpenAI can read } }, or a vendor's own
--   message.is_error             on tool messages
--   cache_control                on parts, tools, calls, and tool messages
--   tool_call.extra_content      what a vendor wants back with a call
--   tools of other types         tools that Anthropic runs or knows by its own name
--   members of the body          those in surface.carriers, as in Anthropic's body

local surface = {}

local FILES = { messages = "leme.surface.messages", responses = "leme.surface.responses" }

-- Members of a body that Anthropic alone takes: other vendors are not sent them.
surface.carriers = { "thinking", "output_config", "context_management", "mcp_servers",
  "container", "cache_control", "inference_geo", "speed", "fallbacks", "user_profile_id",
  "anthropic_beta", "top_k" }

-- The surface called ${name}; raises when there is none.
function surface.find(name)
  local file = FILES[name]
  if not file then
    error(("unknown surface %q; known are messages and responses"):format(tostring(name)), 2)
  end
  return require(file)
end

-- An estimate of what the body of a /messages request weighs: { input_tokens = n }.
-- Of 79 recorded requests half are within 23 % of Anthropic's own count, nine of ten
-- within 67 %; texts that servers and models add of their own are not known here.
function surface.count_tokens(body)
  return { input_tokens = require("leme.surface.tokens").messages(body) }
end

return surface
