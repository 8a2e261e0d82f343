-- Made by lua/catalog.lua: US dollars per million tokens, before any discount.
-- npm @pydantic/genai-prices 0.1.8, 2026-09-23, licence MIT
-- anomalyco/models.dev, 2026-07-02, licence MIT
catalog { date = "2026-09-23" }

price "cohere/command-a" { input = 2.5, output = 10 }
price "cohere/command-a-03-2025" { input = 2.5, output = 10, context = 256000, max_output = 8000,
  caps = { "tools" } }
price "cohere/command-a-plus-05-2026" { input = 2.5, output = 10, context = 128000,
  max_output = 64000, caps = { "tools", "vision", "reasoning", "structured_output" },
  date = "2026-07-02" }
price "cohere/command-a-reasoning-08-2025" { input = 2.5, output = 10, context = 256000,
  max_output = 32000, caps = { "tools", "reasoning" }, date = "2026-07-02" }
price "cohere/command-a-translate-08-2025" { input = 2.5, output = 10, context = 8000,
  max_output = 8000, caps = { "tools" }, date = "2026-07-02" }
price "cohere/command-a-vision-07-2025" { input = 2.5, output = 10, context = 128000,
  max_output = 8000, caps = { "vision" }, date = "2026-07-02" }
price "cohere/command-r-08-2024" { input = 0.15, output = 0.6, context = 128000,
  max_output = 4000, caps = { "tools" } }
price "cohere/command-r-plus-08-2024" { input = 2.5, output = 10, context = 128000,
  max_output = 4000, caps = { "tools" } }
price "cohere/command-r7b" { input = 0.0375, output = 0.15 }
price "cohere/command-r7b-12-2024" { input = 0.0375, output = 0.15, context = 128000,
  max_output = 4000, caps = { "tools" } }
price "cohere/command-r7b-arabic-02-2025" { input = 0.0375, output = 0.15, context = 128000,
  max_output = 4000, caps = { "tools" }, date = "2026-07-02" }
price "cohere/north-mini-code-1-0" { input = 0, output = 0, context = 256000, max_output = 64000,
  caps = { "tools", "reasoning", "structured_output" }, date = "2026-07-02" }
price "cohere/embed-v4.0" { input = 0.12, context = 128000, caps = { "embedding" } }
