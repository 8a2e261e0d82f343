provider "openai" {
  -- baze = "a comment is not the place",
  --[[ nor is baze in a long one ]]
  key = env "OPENAI_API_KEY", note = [==[ baze = ]] ]==],
  query = 'baze = "x"',
  baze = "https://example.org",
}
model "fast" { "openai/gpt-4o" }
