-- Made by lua/catalog.lua: US dollars per million tokens, before any discount.
-- npm @pydantic/genai-prices 0.1.8, 2026-09-23, licence MIT
-- anomalyco/models.dev, 2026-07-02, licence MIT
catalog { date = "2026-09-23" }

price "dashscope-intl/qvq-max" { input = 1.2, output = 4.8, context = 131072, max_output = 8192,
  caps = { "tools", "vision", "reasoning" }, date = "2026-07-02" }
price "dashscope-intl/qwen-flash" { input = 0.05, output = 0.4, context = 1000000,
  max_output = 32768, caps = { "tools", "reasoning" }, date = "2026-07-02" }
price "dashscope-intl/qwen-max" { input = 1.6, output = 6.4, context = 32768, max_output = 8192,
  caps = { "tools" }, date = "2026-07-02" }
price "dashscope-intl/qwen-plus" { input = 0.4, output = 1.2, thinking = 4, context = 1000000,
  max_output = 32768, caps = { "tools", "reasoning" }, date = "2026-07-02" }
price "dashscope-intl/qwen-turbo" { input = 0.05, output = 0.2, thinking = 0.5, context = 1000000,
  max_output = 16384, caps = { "tools", "reasoning" }, date = "2026-07-02" }
price "dashscope-intl/qwen-vl-max" { input = 0.8, output = 3.2, context = 131072,
  max_output = 8192, caps = { "tools", "vision" }, date = "2026-07-02" }
price "dashscope-intl/qwen-vl-plus" { input = 0.21, output = 0.63, context = 131072,
  max_output = 8192, caps = { "tools", "vision" }, date = "2026-07-02" }
price "dashscope-intl/qwen2-5-14b-instruct" { input = 0.35, output = 1.4, context = 131072,
  max_output = 8192, caps = { "tools" }, date = "2026-07-02" }
price "dashscope-intl/qwen2.5-14b-instruct" { input = 0.35, output = 1.4, context = 131072,
  max_output = 8192, caps = { "tools" }, date = "2026-07-02" }
price "dashscope-intl/qwen2-5-32b-instruct" { input = 0.7, output = 2.8, context = 131072,
  max_output = 8192, caps = { "tools" }, date = "2026-07-02" }
price "dashscope-intl/qwen2.5-32b-instruct" { input = 0.7, output = 2.8, context = 131072,
  max_output = 8192, caps = { "tools" }, date = "2026-07-02" }
price "dashscope-intl/qwen2-5-72b-instruct" { input = 1.4, output = 5.6, context = 131072,
  max_output = 8192, caps = { "tools" }, date = "2026-07-02" }
price "dashscope-intl/qwen2.5-72b-instruct" { input = 1.4, output = 5.6, context = 131072,
  max_output = 8192, caps = { "tools" }, date = "2026-07-02" }
price "dashscope-intl/qwen2-5-7b-instruct" { input = 0.175, output = 0.7, context = 131072,
  max_output = 8192, caps = { "tools" }, date = "2026-07-02" }
price "dashscope-intl/qwen2.5-7b-instruct" { input = 0.175, output = 0.7, context = 131072,
  max_output = 8192, caps = { "tools" }, date = "2026-07-02" }
price "dashscope-intl/qwen2-5-vl-72b-instruct" { input = 2.8, output = 8.4, context = 131072,
  max_output = 8192, caps = { "tools", "vision" }, date = "2026-07-02" }
price "dashscope-intl/qwen2.5-vl-72b-instruct" { input = 2.8, output = 8.4, context = 131072,
  max_output = 8192, caps = { "tools", "vision" }, date = "2026-07-02" }
price "dashscope-intl/qwen2-5-vl-7b-instruct" { input = 0.35, output = 1.05, context = 131072,
  max_output = 8192, caps = { "tools", "vision" }, date = "2026-07-02" }
price "dashscope-intl/qwen2.5-vl-7b-instruct" { input = 0.35, output = 1.05, context = 131072,
  max_output = 8192, caps = { "tools", "vision" }, date = "2026-07-02" }
price "dashscope-intl/qwen3-14b" { input = 0.35, output = 1.4, thinking = 4.2, context = 131072,
  max_output = 8192, caps = { "tools", "reasoning" }, date = "2026-07-02" }
price "dashscope-intl/qwen3-235b-a22b" { input = 0.7, output = 2.8, thinking = 8.4,
  context = 131072, max_output = 16384, caps = { "tools", "reasoning" }, date = "2026-07-02" }
price "dashscope-intl/qwen3-32b" { input = 0.7, output = 2.8, thinking = 8.4, context = 131072,
  max_output = 16384, caps = { "tools", "reasoning" }, date = "2026-07-02" }
price "dashscope-intl/qwen3-8b" { input = 0.18, output = 0.7, thinking = 2.1, context = 131072,
  max_output = 8192, caps = { "tools", "reasoning" }, date = "2026-07-02" }
price "dashscope-intl/qwen3-coder-30b-a3b-instruct" { input = 0.45, output = 2.25,
  context = 262144, max_output = 65536, caps = { "tools" }, date = "2026-07-02" }
price "dashscope-intl/qwen3-coder-480b-a35b-instruct" { input = 1.5, output = 7.5,
  context = 262144, max_output = 65536, caps = { "tools" }, date = "2026-07-02" }
price "dashscope-intl/qwen3-coder-flash" { input = 0.3, output = 1.5, context = 1000000,
  max_output = 65536, caps = { "tools" }, date = "2026-07-02" }
price "dashscope-intl/qwen3-coder-plus" { input = 1, output = 5, context = 1048576,
  max_output = 65536, caps = { "tools" }, date = "2026-07-02" }
price "dashscope-intl/qwen3-max" { input = 1.2, output = 6, context = 262144, max_output = 65536,
  caps = { "tools" }, date = "2026-07-02" }
price "dashscope-intl/qwen3-next-80b-a3b-instruct" { input = 0.5, output = 2, context = 131072,
  max_output = 32768, caps = { "tools" }, date = "2026-07-02" }
price "dashscope-intl/qwen3-next-80b-a3b-thinking" { input = 0.5, output = 6, context = 131072,
  max_output = 32768, caps = { "tools", "reasoning" }, date = "2026-07-02" }
price "dashscope-intl/qwen3-vl-235b-a22b" { input = 0.7, output = 2.8, thinking = 8.4,
  context = 131072, max_output = 32768, caps = { "tools", "vision", "reasoning" },
  date = "2026-07-02" }
price "dashscope-intl/qwen3-vl-30b-a3b" { input = 0.2, output = 0.8, thinking = 2.4,
  context = 131072, max_output = 32768, caps = { "tools", "vision", "reasoning" },
  date = "2026-07-02" }
price "dashscope-intl/qwen3-vl-plus" { input = 0.2, output = 1.6, thinking = 4.8,
  context = 262144, max_output = 32768, caps = { "tools", "vision", "reasoning" },
  date = "2026-07-02" }
price "dashscope-intl/qwen3.5-122b-a10b" { input = 0.4, output = 3.2, context = 262144,
  max_output = 65536,
  caps = { "tools", "vision", "audio_in", "video_in", "reasoning", "structured_output" },
  date = "2026-07-02" }
price "dashscope-intl/qwen3.5-27b" { input = 0.3, output = 2.4, context = 262144,
  max_output = 65536,
  caps = { "tools", "vision", "audio_in", "video_in", "reasoning", "structured_output" },
  date = "2026-07-02" }
price "dashscope-intl/qwen3.5-35b-a3b" { input = 0.25, output = 2, context = 262144,
  max_output = 65536,
  caps = { "tools", "vision", "audio_in", "video_in", "reasoning", "structured_output" },
  date = "2026-07-02" }
price "dashscope-intl/qwen3.5-397b-a17b" { input = 0.6, output = 3.6, context = 262144,
  max_output = 65536,
  caps = { "tools", "vision", "audio_in", "video_in", "reasoning", "structured_output" },
  date = "2026-07-02" }
price "dashscope-intl/qwen3.5-plus" { input = 0.4, output = 2.4, thinking = 2.4,
  context = 1000000, max_output = 65536, caps = { "tools", "vision", "video_in", "reasoning" },
  date = "2026-07-02" }
price "dashscope-intl/qwen3.6-27b" { input = 0.6, output = 3.6, context = 262144,
  max_output = 65536,
  caps = { "tools", "vision", "audio_in", "video_in", "reasoning", "structured_output" },
  date = "2026-07-02" }
price "dashscope-intl/qwen3.6-35b-a3b" { input = 0.248, output = 1.485, context = 262144,
  max_output = 65536,
  caps = { "tools", "vision", "audio_in", "video_in", "reasoning", "structured_output" },
  date = "2026-07-02" }
price "dashscope-intl/qwen3.6-flash" { input = 0.1875, output = 1.125, cache_write = 0.234375,
  context = 1000000, max_output = 65536,
  caps = { "tools", "vision", "video_in", "reasoning", "structured_output" },
  date = "2026-07-02" }
price "dashscope-intl/qwen3.6-max-preview" { input = 1.3, output = 7.8, cached = 0.13,
  cache_write = 1.625, context = 262144, max_output = 65536, caps = { "tools", "reasoning" },
  date = "2026-07-02" }
price "dashscope-intl/qwen3.6-plus" { input = 0.5, output = 3, cached = 0.05, cache_write = 0.625,
  when = { { above = 256000, input = 2, output = 6, cached = 0.2, cache_write = 2.5 } },
  context = 1000000, max_output = 65536, caps = { "tools", "vision", "video_in", "reasoning" },
  date = "2026-07-02" }
price "dashscope-intl/qwen3.7-max" { input = 2.5, output = 7.5, cached = 0.5, cache_write = 3.125,
  context = 1000000, max_output = 65536, caps = { "tools", "reasoning" }, date = "2026-07-02" }
price "dashscope-intl/qwen3.7-plus" { input = 0.5, output = 3, cached = 0.05, cache_write = 0.625,
  when = { { above = 256000, input = 2, output = 6, cached = 0.2, cache_write = 2.5 } },
  context = 1000000, max_output = 65536, caps = { "tools", "vision", "video_in", "reasoning" },
  date = "2026-07-02" }
price "dashscope-intl/qwq-plus" { input = 0.8, output = 2.4, context = 131072, max_output = 8192,
  caps = { "tools", "reasoning" }, date = "2026-07-02" }
