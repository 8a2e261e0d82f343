-- Made by lua/catalog.lua: US dollars per million tokens, before any discount.
-- npm @pydantic/genai-prices 0.1.8, 2026-09-23, licence MIT
-- anomalyco/models.dev, 2026-07-02, licence MIT
catalog { date = "2026-09-23" }

price "groq/llama-3.1-8b-instant" { input = 0.05, output = 0.08, context = 131072,
  max_output = 131072, caps = { "tools" } }
price "groq/llama-3.3-70b-versatile" { input = 0.59, output = 0.79, context = 131072,
  max_output = 32768, caps = { "tools" } }
price "groq/meta-llama/llama-4-maverick-17b-128e-instruct" { input = 0.2, output = 0.6,
  context = 131072 }
price "groq/meta-llama/llama-4-scout-17b-16e-instruct" { input = 0.11, output = 0.34,
  context = 131072, max_output = 8192, caps = { "tools", "vision", "structured_output" } }
price "groq/moonshotai/kimi-k2-instruct" { input = 1, output = 3, cached = 0.5, context = 131072 }
price "groq/openai/gpt-oss-120b" { input = 0.15, output = 0.6, cached = 0.075, context = 131072,
  max_output = 65536, caps = { "tools", "reasoning", "structured_output" } }
price "groq/openai/gpt-oss-20b" { input = 0.075, output = 0.3, cached = 0.0375, context = 131072,
  max_output = 65536, caps = { "tools", "reasoning", "structured_output" } }
price "groq/qwen/qwen3-32b" { input = 0.29, output = 0.59, context = 131072, max_output = 40960,
  caps = { "tools", "reasoning" } }
