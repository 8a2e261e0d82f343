service "facts" { base = "http://127.0.0.1:9000", dialect = "openai" }
model "fast" { "facts/x" }
