-- Made by lua/catalog.lua: US dollars per million tokens, before any discount.
-- npm @pydantic/genai-prices 0.1.8, 2026-09-23, licence MIT
-- anomalyco/models.dev, 2026-07-02, licence MIT
catalog { date = "2026-09-23" }

price "perplexity/sonar" { input = 1, output = 1, context = 128000, max_output = 4096 }
price "perplexity/sonar-deep-research" { input = 2, output = 8, reasoning = 3, context = 128000,
  max_output = 32768, caps = { "reasoning", "no_temperature" } }
price "perplexity/sonar-pro" { input = 3, output = 15, context = 200000, max_output = 8192,
  caps = { "vision" } }
price "perplexity/sonar-reasoning" { input = 1, output = 5 }
price "perplexity/sonar-reasoning-pro" { input = 2, output = 8, context = 128000,
  max_output = 4096, caps = { "vision", "reasoning" } }
