provider "openai" { key = 5, headers = {}, base = true, mock = 1 }
target "openai/gpt-4o" {
  weight = "2",
  price = 5,
  tags = "cheap",
  context = 1.5,
  rpm = -1,
}
model "fast" { "openai/gpt-4o", early_headers = true, resume = "yes", 7 }
client { name = 5 }
settings {
  watch = "true",
  body_max = "32MB",
  total_timeout = "30s",
  log = {},
}
model "odd" { policy = print2, default_route = { "openai/gpt-4o" } }
