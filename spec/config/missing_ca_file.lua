provider "a" { base = "https://example.org/v1", auth = "none", ca_file = "/nowhere/ca.pem" }
model "x" { "a/b" }
