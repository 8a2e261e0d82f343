provider "a" { base = "http://127.0.0.1:1/v1", key = "sk-one-two-three", native = { "mesages" } }
provider "b" { base = "http://127.0.0.1:1/v1", key = "sk-one-two-three", native = "responses" }
provider "c" { base = "http://127.0.0.1:1/v1", key = "sk-one-two-three", native = { "messages", "responses" } }
model "m" { "a/x", "b/x", "c/x" }
