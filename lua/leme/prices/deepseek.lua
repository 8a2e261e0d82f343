-- Made by lua/catalog.lua: US dollars per million tokens, before any discount.
-- npm @pydantic/genai-prices 0.1.8, 2026-09-23, licence MIT
-- anomalyco/models.dev, 2026-07-02, licence MIT
catalog { date = "2026-09-23" }

price "deepseek/deepseek-chat" { input = 0.14, output = 0.28, cached = 0.0028, context = 1000000,
  max_output = 384000, caps = { "tools" }, date = "2026-07-02" }
price "deepseek/deepseek-reasoner" { input = 0.14, output = 0.28, cached = 0.0028,
  context = 1000000, max_output = 384000, caps = { "tools", "reasoning" }, date = "2026-07-02" }
price "deepseek/deepseek-v3.2" { input = 0.2288, output = 0.3432, context = 128000 }
price "deepseek/deepseek-v4-flash" { input = 0.22, output = 0.66, cached = 0.007,
  when = { { from = "01:00", to = "04:00", input = 0.44, output = 1.32, cached = 0.014 },
  { from = "06:00", to = "10:00", input = 0.44, output = 1.32, cached = 0.014 } },
  context = 1000000, max_output = 384000, caps = { "tools", "reasoning", "structured_output" } }
price "deepseek/deepseek-v4-pro" { input = 0.66, output = 1.98, cached = 0.022,
  when = { { from = "01:00", to = "04:00", input = 1.32, output = 3.96, cached = 0.044 },
  { from = "06:00", to = "10:00", input = 1.32, output = 3.96, cached = 0.044 } },
  context = 1000000, max_output = 384000, caps = { "tools", "reasoning", "structured_output" } }
