-- Made by lua/catalog.lua: US dollars per million tokens, before any discount.
-- npm @pydantic/genai-prices 0.1.8, 2026-09-23, licence MIT
-- anomalyco/models.dev, 2026-07-02, licence MIT
catalog { date = "2026-09-23" }

price "openrouter/anthropic/claude-fable-5" { input = 10, output = 50, cached = 1,
  cache_write = 12.5, context = 1000000 }
price "openrouter/anthropic/claude-fable-5.1" { input = 10, output = 50, cached = 0.25,
  cache_write = 12.5, context = 1000000 }
price "openrouter/anthropic/claude-haiku-4.5" { input = 1, output = 5, cached = 0.1,
  cache_write = 1.25, context = 200000, max_output = 64000,
  caps = { "tools", "vision", "pdf", "reasoning", "structured_output" } }
price "openrouter/anthropic/claude-opus-4.5" { input = 5, output = 25, cached = 0.5,
  cache_write = 6.25, context = 200000, max_output = 64000,
  caps = { "tools", "vision", "pdf", "reasoning", "structured_output" } }
price "openrouter/anthropic/claude-opus-4.6" { input = 5, output = 25, cached = 0.5,
  cache_write = 6.25, context = 1000000, max_output = 128000,
  caps = { "tools", "vision", "pdf", "reasoning", "structured_output" } }
price "openrouter/anthropic/claude-opus-4.7" { input = 5, output = 25, cached = 0.5,
  cache_write = 6.25, context = 1000000, max_output = 128000,
  caps = { "tools", "vision", "pdf", "reasoning", "structured_output", "no_temperature" } }
price "openrouter/anthropic/claude-opus-4.8" { input = 5, output = 25, cached = 0.5,
  cache_write = 6.25, context = 1000000, max_output = 128000,
  caps = { "tools", "vision", "pdf", "reasoning", "structured_output", "no_temperature" } }
price "openrouter/anthropic/claude-opus-5" { input = 5, output = 25, cached = 0.5,
  cache_write = 6.25, context = 1000000 }
price "openrouter/anthropic/claude-opus-5.5" { input = 4, output = 20, cached = 0.2,
  cache_write = 5, context = 1000000 }
price "openrouter/anthropic/claude-sonnet-4.5" { input = 3, output = 15, cached = 0.3,
  cache_write = 3.75, when = { { above = 200000, input = 6, output = 22.5, cached = 0.6,
  cache_write = 7.5 } }, context = 1000000, max_output = 64000,
  caps = { "tools", "vision", "pdf", "reasoning", "structured_output" } }
price "openrouter/anthropic/claude-sonnet-4.6" { input = 3, output = 15, cached = 0.3,
  cache_write = 3.75, context = 1000000, max_output = 128000,
  caps = { "tools", "vision", "pdf", "reasoning", "structured_output" } }
price "openrouter/anthropic/claude-sonnet-5" { input = 2, output = 10, cached = 0.2,
  cache_write = 2.5, context = 1000000, max_output = 128000,
  caps = { "tools", "vision", "pdf", "reasoning", "structured_output", "no_temperature" } }
price "openrouter/deepseek/deepseek-v3.2" { input = 0.2288, output = 0.3432, context = 128000,
  max_output = 64000, caps = { "tools", "reasoning", "structured_output" } }
price "openrouter/deepseek/deepseek-v4-flash" { input = 0.0983, output = 0.1966, cached = 0.0197,
  context = 1048575, max_output = 65536, caps = { "tools", "reasoning", "structured_output" } }
price "openrouter/deepseek/deepseek-v4-pro" { input = 0.435, output = 0.87, cached = 0.003625 }
price "openrouter/google/gemini-2.5-flash" { input = 0.3, output = 2.5, cached = 0.075,
  cache_write = 0.3833, context = 1048576, max_output = 65535,
  caps = { "tools", "vision", "pdf", "audio_in", "video_in", "reasoning", "structured_output" } }
price "openrouter/google/gemini-2.5-flash-lite" { input = 0.1, output = 0.4, cached = 0.01,
  cache_write = 0.08333333333333334, context = 1048576, max_output = 65535,
  caps = { "tools", "vision", "pdf", "audio_in", "video_in", "reasoning", "structured_output" } }
price "openrouter/google/gemini-3-flash-preview" { input = 0.5, output = 3, cached = 0.05,
  cache_write = 0.08333333333333334, context = 1048576, max_output = 65535,
  caps = { "tools", "vision", "pdf", "audio_in", "video_in", "reasoning", "structured_output" } }
price "openrouter/google/gemini-3.1-flash-lite" { input = 0.25, output = 1.5, cached = 0.025,
  cache_write = 0.08333333333333334, context = 1048576, max_output = 65536,
  caps = { "tools", "vision", "pdf", "audio_in", "video_in", "reasoning", "structured_output" } }
price "openrouter/google/gemini-3.1-pro-preview" { input = 2, output = 12, cached = 0.2,
  cache_write = 0.375, context = 1048576, max_output = 65536,
  caps = { "tools", "vision", "pdf", "audio_in", "video_in", "reasoning", "structured_output" } }
price "openrouter/google/gemini-3.5-flash" { input = 1.5, output = 9, cached = 0.15,
  cache_write = 0.08333333333333334, context = 1048576, max_output = 65536,
  caps = { "tools", "vision", "pdf", "audio_in", "video_in", "reasoning", "structured_output" } }
price "openrouter/meta-llama/llama-3.3-70b-instruct" { input = 0.05, output = 0.24,
  context = 131072, max_output = 16384, caps = { "tools", "structured_output" } }
price "openrouter/meta-llama/llama-4-maverick" { input = 0.15, output = 0.6, context = 1048576,
  max_output = 16384, caps = { "tools", "vision", "structured_output" } }
price "openrouter/meta-llama/llama-4-scout" { input = 0.08, output = 0.3, context = 327680,
  max_output = 16384, caps = { "tools", "vision", "structured_output" } }
price "openrouter/minimax/minimax-m2.5" { input = 0.15, output = 0.9, cached = 0.05,
  context = 196608, max_output = 196608, caps = { "tools", "reasoning", "structured_output" } }
price "openrouter/minimax/minimax-m2.7" { input = 0.27, output = 1.08, cached = 0.054,
  context = 196608, max_output = 196608, caps = { "tools", "reasoning", "structured_output" } }
price "openrouter/minimax/minimax-m3" { input = 0.3, output = 1.2, cached = 0.06,
  context = 524288, max_output = 512000,
  caps = { "tools", "vision", "video_in", "reasoning", "structured_output" } }
price "openrouter/mistralai/codestral-2508" { input = 0.3, output = 0.9, cached = 0.03,
  context = 256000, max_output = 256000, caps = { "tools", "pdf", "structured_output" } }
price "openrouter/mistralai/devstral-2512" { input = 0.4, output = 2, cached = 0.04,
  context = 262144, max_output = 262144, caps = { "tools", "pdf", "structured_output" } }
price "openrouter/mistralai/mistral-large-2512" { input = 0.5, output = 1.5, cached = 0.05,
  context = 262144, max_output = 262144,
  caps = { "tools", "vision", "pdf", "structured_output" } }
price "openrouter/mistralai/mistral-medium-3-5" { input = 1.5, output = 7.5, context = 262144,
  max_output = 262144, caps = { "tools", "vision", "pdf", "reasoning", "structured_output" } }
price "openrouter/mistralai/mistral-medium-3.1" { input = 0.4, output = 2, cached = 0.04,
  context = 131072, max_output = 262144,
  caps = { "tools", "vision", "pdf", "structured_output" } }
price "openrouter/mistralai/mistral-small-2603" { input = 0.15, output = 0.6, cached = 0.015,
  context = 262144, max_output = 262144,
  caps = { "tools", "vision", "reasoning", "structured_output" } }
price "openrouter/moonshotai/kimi-k2.5" { input = 0.4, output = 1.9, cached = 0.09,
  context = 256000, max_output = 256000,
  caps = { "tools", "vision", "reasoning", "structured_output" } }
price "openrouter/moonshotai/kimi-k2.6" { input = 0.68, output = 3.41, cached = 0.34,
  context = 262144, max_output = 262144,
  caps = { "tools", "vision", "reasoning", "structured_output" } }
price "openrouter/moonshotai/kimi-k2.7-code" { input = 0.75, output = 3.5, cached = 0.16,
  context = 262144, max_output = 16384,
  caps = { "tools", "vision", "reasoning", "structured_output" } }
price "openrouter/moonshotai/kimi-k3" { input = 3, output = 15, cached = 0.3, context = 1048576 }
price "openrouter/openai/gpt-4.1" { input = 2, output = 8, cached = 0.5, context = 1047576,
  max_output = 32768, caps = { "tools", "vision", "pdf", "structured_output" } }
price "openrouter/openai/gpt-4.1-mini" { input = 0.4, output = 1.6, cached = 0.1,
  context = 1047576, max_output = 32768,
  caps = { "tools", "vision", "pdf", "structured_output" } }
price "openrouter/openai/gpt-4.1-nano" { input = 0.1, output = 0.4, cached = 0.025,
  context = 1047576, max_output = 32768,
  caps = { "tools", "vision", "pdf", "structured_output" } }
price "openrouter/openai/gpt-4o" { input = 2.5, output = 10, context = 128000, max_output = 16384,
  caps = { "tools", "vision", "pdf", "structured_output" } }
price "openrouter/openai/gpt-4o-mini" { input = 0.15, output = 0.6, cached = 0.075,
  context = 128000, max_output = 16384, caps = { "tools", "vision", "pdf", "structured_output" } }
price "openrouter/openai/gpt-5" { input = 1.25, output = 10, cached = 0.125, context = 400000,
  max_output = 128000,
  caps = { "tools", "vision", "pdf", "reasoning", "structured_output", "no_temperature" } }
price "openrouter/openai/gpt-5-mini" { input = 0.25, output = 2, cached = 0.025, context = 400000,
  max_output = 128000,
  caps = { "tools", "vision", "pdf", "reasoning", "structured_output", "no_temperature" } }
price "openrouter/openai/gpt-5-nano" { input = 0.05, output = 0.4, cached = 0.01,
  context = 400000, max_output = 128000,
  caps = { "tools", "vision", "pdf", "reasoning", "structured_output", "no_temperature" } }
price "openrouter/openai/gpt-5.1" { input = 1.25, output = 10, cached = 0.13, context = 400000,
  max_output = 128000,
  caps = { "tools", "vision", "pdf", "reasoning", "structured_output", "no_temperature" } }
price "openrouter/openai/gpt-5.2" { input = 1.75, output = 14, cached = 0.175, context = 400000,
  max_output = 128000,
  caps = { "tools", "vision", "pdf", "reasoning", "structured_output", "no_temperature" } }
price "openrouter/openai/gpt-5.4" { input = 2.5, output = 15, cached = 0.25,
  when = { { above = 272000, input = 5, output = 22.5, cached = 0.5 } }, context = 1050000,
  max_output = 128000,
  caps = { "tools", "vision", "pdf", "reasoning", "structured_output", "no_temperature" } }
price "openrouter/openai/gpt-5.4-mini" { input = 0.75, output = 4.5, cached = 0.075,
  context = 400000, max_output = 128000,
  caps = { "tools", "vision", "pdf", "reasoning", "structured_output", "no_temperature" } }
price "openrouter/openai/gpt-5.4-nano" { input = 0.2, output = 1.25, cached = 0.02,
  context = 400000, max_output = 128000,
  caps = { "tools", "vision", "pdf", "reasoning", "structured_output", "no_temperature" } }
price "openrouter/openai/gpt-5.5" { input = 5, output = 30, cached = 0.5,
  when = { { above = 272000, input = 10, output = 45, cached = 1 } }, context = 1050000,
  max_output = 128000,
  caps = { "tools", "vision", "pdf", "reasoning", "structured_output", "no_temperature" } }
price "openrouter/openai/gpt-6-luna" { input = 0.1, output = 0.5, cached = 0.01,
  cache_write = 0.125, when = { { above = 272000, input = 0.2, output = 0.75, cached = 0.02,
  cache_write = 0.25 } }, context = 1050000 }
price "openrouter/openai/gpt-6-sol" { input = 2, output = 10, cached = 0.2, cache_write = 2.5,
  when = { { above = 272000, input = 4, output = 15, cached = 0.4, cache_write = 5 } },
  context = 1050000 }
price "openrouter/openai/gpt-oss-120b" { input = 0.039, output = 0.18, context = 131072,
  max_output = 131072, caps = { "tools", "reasoning", "structured_output" } }
price "openrouter/openai/gpt-oss-20b" { input = 0.029, output = 0.14, context = 131072,
  max_output = 131072, caps = { "tools", "reasoning", "structured_output" } }
price "openrouter/openai/o3" { input = 2, output = 8, cached = 0.5, context = 200000,
  max_output = 100000,
  caps = { "tools", "vision", "pdf", "reasoning", "structured_output", "no_temperature" } }
price "openrouter/openai/o4-mini" { input = 1.1, output = 4.4, cached = 0.275, context = 200000,
  max_output = 100000,
  caps = { "tools", "vision", "pdf", "reasoning", "structured_output", "no_temperature" } }
price "openrouter/qwen/qwen3-235b-a22b-2507" { input = 0.09, output = 0.1, context = 262144,
  max_output = 16384, caps = { "tools", "structured_output" } }
price "openrouter/qwen/qwen3-235b-a22b-thinking-2507" { input = 0.1, output = 0.1,
  context = 131072, max_output = 262144, caps = { "tools", "reasoning", "structured_output" } }
price "openrouter/qwen/qwen3-coder" { input = 0.22, output = 1.8, context = 262144,
  max_output = 65536, caps = { "tools", "structured_output" } }
price "openrouter/qwen/qwen3-coder-flash" { input = 0.195, output = 0.975, cached = 0.039,
  cache_write = 0.24375, context = 1000000, max_output = 65536, caps = { "tools" } }
price "openrouter/qwen/qwen3-coder-next" { input = 0.11, output = 0.8, cached = 0.07,
  context = 262144, max_output = 262144, caps = { "tools", "structured_output" } }
price "openrouter/qwen/qwen3-coder-plus" { input = 0.65, output = 3.25, cached = 0.13,
  cache_write = 0.8125, context = 1000000, max_output = 65536,
  caps = { "tools", "structured_output" } }
price "openrouter/qwen/qwen3-max" { input = 1.2, output = 6, context = 262144, max_output = 32768,
  caps = { "tools", "structured_output" } }
price "openrouter/qwen/qwen3.5-397b-a17b" { input = 0.39, output = 2.34, context = 131072,
  max_output = 64000, caps = { "tools", "vision", "video_in", "reasoning", "structured_output" } }
price "openrouter/qwen/qwen3.5-flash-02-23" { input = 0.065, output = 0.26, context = 1000000,
  max_output = 65536, caps = { "tools", "vision", "video_in", "reasoning", "structured_output" } }
price "openrouter/qwen/qwen3.5-plus-20260420" { input = 0.3, output = 1.8, cache_write = 0.375,
  context = 1000000, max_output = 65536,
  caps = { "tools", "vision", "video_in", "reasoning", "structured_output" } }
price "openrouter/qwen/qwen3.6-flash" { input = 0.1875, output = 1.125, cache_write = 0.234375,
  context = 1000000, max_output = 65536,
  caps = { "tools", "vision", "video_in", "reasoning", "structured_output" } }
price "openrouter/qwen/qwen3.6-max-preview" { input = 1.04, output = 6.24, cache_write = 1.3,
  context = 262144, max_output = 65536, caps = { "tools", "reasoning", "structured_output" } }
price "openrouter/qwen/qwen3.6-plus" { input = 0.325, output = 1.95, cache_write = 0.40625,
  context = 1000000, max_output = 65536,
  caps = { "tools", "vision", "video_in", "reasoning", "structured_output" } }
price "openrouter/qwen/qwen3.7-max" { input = 1.25, output = 3.75, cached = 0.25,
  cache_write = 1.5625, context = 1000000, max_output = 65536,
  caps = { "tools", "reasoning", "structured_output" } }
price "openrouter/qwen/qwen3.7-plus" { input = 0.4, output = 1.6, cached = 0.08,
  cache_write = 0.5, context = 1000000, max_output = 65536,
  caps = { "tools", "vision", "reasoning", "structured_output" } }
price "openrouter/x-ai/grok-4.20" { input = 1.25, output = 2.5, cached = 0.2, context = 2000000,
  max_output = 2000000, caps = { "tools", "vision", "pdf", "reasoning", "structured_output" } }
price "openrouter/x-ai/grok-4.3" { input = 1.25, output = 2.5, cached = 0.2, context = 1000000,
  max_output = 1000000, caps = { "tools", "vision", "pdf", "reasoning", "structured_output" } }
price "openrouter/z-ai/glm-4.7" { input = 0.4, output = 1.75, cached = 0.08, context = 202752,
  max_output = 131072, caps = { "tools", "reasoning", "structured_output" } }
price "openrouter/z-ai/glm-4.7-flash" { input = 0.06, output = 0.4, cached = 0.01,
  context = 202752, max_output = 16384, caps = { "tools", "reasoning", "structured_output" } }
price "openrouter/z-ai/glm-5" { input = 0.6, output = 1.92, cached = 0.12, context = 202752,
  max_output = 128000, caps = { "tools", "reasoning", "structured_output" } }
price "openrouter/z-ai/glm-5-turbo" { input = 1.2, output = 4, cached = 0.24, context = 262144,
  max_output = 131072, caps = { "tools", "reasoning" } }
price "openrouter/z-ai/glm-5.1" { input = 0.98, output = 3.08, cached = 0.182, context = 65536,
  max_output = 128000, caps = { "tools", "reasoning", "structured_output" } }
price "openrouter/z-ai/glm-5.2" { input = 1.4, output = 4.4, cached = 0.26, context = 1048576,
  max_output = 32768, caps = { "tools", "reasoning", "structured_output" } }
price "openrouter/z-ai/glm-5.3" { input = 1.4, output = 4.4, cached = 0.26, context = 1048576 }
price "openrouter/z-ai/glm-5.3-flash" { input = 0.075, output = 0.25, cached = 0.015,
  context = 1310720 }
price "openrouter/z-ai/glm-5v-turbo" { input = 1.2, output = 4, cached = 0.24, context = 202752,
  max_output = 131072, caps = { "tools", "vision", "video_in", "reasoning" },
  date = "2026-07-02" }
