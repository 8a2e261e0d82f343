-- What stands before the error is checked all the same.
provider "openai" { kye = env "OPENAI_API_KEY" }
local t = nil
model "fast" { t.x }
model "never reached" { "nobody/x" }
