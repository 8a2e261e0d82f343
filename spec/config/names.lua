provider "open ai" { base = "http://127.0.0.1:1" }
provider "a/b" { base = "http://127.0.0.1:1" }
provider "openai" { key = env "OPENAI_API_KEY" }
provider "" { base = "http://127.0.0.1:1" }
target "gpt-4o" {}
target "openai/" {}
target "/gpt-4o" {}
model "line\nbreak" { "openai/gpt-4o" }
model "" { "openai/gpt-4o" }
model("m" .. ("x"):rep(128)) { "openai/gpt-4o" }
client { name = "tab\there" }
