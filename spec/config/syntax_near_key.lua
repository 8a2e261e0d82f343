-- The message of Lua repeats the text it stopped at, which may be a key.
provider "openai" { key = "x" "sk-very-secret-value-1234567890" }
