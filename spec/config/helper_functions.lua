-- Lines are right where a helper stands between the fault and the constructor.
local function openai_like(name, options)
  provider(name) {
    base = options.base,
    kee = options.key,
  }
end
openai_like("a", { base = "http://127.0.0.1:1", key = "abc" })
for _, n in ipairs { "b", "c" } do
  model(n) { "a/" .. n, knobz = {} }
end
