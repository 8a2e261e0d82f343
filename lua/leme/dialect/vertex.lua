-- leme.dialect.vertex: Gemini at Google's Vertex, which differs in how it is asked for
-- embeddings: texts are instances of a prediction. Its newest models take one content
-- a call instead. Pure.

local host = require "leme.host"
local gemini = require "leme.dialect.gemini"

local vertex = setmetatable({ name = "vertex" }, gemini)

function vertex.asked(path, list)
  local size = list[1] and list[1].outputDimensionality
  local out = { instances = host.array {},
    parameters = size and { outputDimensionality = size } or nil }
  for i, item in ipairs(list) do
    out.instances[i] = { content = item.content.parts[1].text, title = item.title,
      task_type = item.taskType or item.task_type }
  end
  return path .. ":predict", out
end

return vertex
