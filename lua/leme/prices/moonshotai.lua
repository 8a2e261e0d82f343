-- Made by lua/catalog.lua: US dollars per million tokens, before any discount.
-- npm @pydantic/genai-prices 0.1.8, 2026-09-23, licence MIT
-- anomalyco/models.dev, 2026-07-02, licence MIT
catalog { date = "2026-09-23" }

price "moonshotai/kimi-k2" { input = 0.57, output = 2.3 }
price "moonshotai/kimi-k2-thinking" { input = 0.6, output = 2.5, cached = 0.15, context = 262144,
  max_output = 262144, caps = { "tools", "reasoning" } }
price "moonshotai/kimi-k2-thinking-turbo" { input = 1.15, output = 8, cached = 0.15,
  context = 262144, max_output = 262144, caps = { "tools", "reasoning" } }
price "moonshotai/kimi-k2-turbo-preview" { input = 1.15, output = 8, cached = 0.15,
  context = 262144, max_output = 262144, caps = { "tools" } }
price "moonshotai/kimi-k2.5" { input = 0.6, output = 3, cached = 0.1, context = 262144,
  max_output = 262144,
  caps = { "tools", "vision", "video_in", "reasoning", "structured_output", "no_temperature" } }
price "moonshotai/kimi-k2.6" { input = 0.95, output = 4, cached = 0.16, context = 262144,
  max_output = 262144,
  caps = { "tools", "vision", "video_in", "reasoning", "structured_output" } }
price "moonshotai/kimi-k2.7-code" { input = 0.95, output = 4, cached = 0.19, context = 262144,
  max_output = 262144,
  caps = { "tools", "vision", "video_in", "reasoning", "structured_output", "no_temperature" } }
price "moonshotai/kimi-k2.7-code-highspeed" { input = 1.9, output = 8, cached = 0.38,
  context = 262144, max_output = 262144,
  caps = { "tools", "vision", "video_in", "reasoning", "structured_output", "no_temperature" } }
price "moonshotai/kimi-k3" { input = 3, output = 15, cached = 0.3, context = 1048576 }
price "moonshotai/moonshot-v1-128k" { input = 2, output = 5, context = 131072 }
price "moonshotai/moonshot-v1-32k" { input = 1, output = 3, context = 32768 }
