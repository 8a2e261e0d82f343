-- leme.text: signals of a text, row by row.
package.path = "./spec/lua/?.lua;" .. package.path
local world = require "world"
local text = world.room { targets = { "a/1" } }.require "leme.text"

local ROWS = {
  { "is_arithmetic", true, "What is 17 * 23?" }, { "is_arithmetic", true, "(3 + 4) * 12.5 =" },
  { "is_arithmetic", true, "calculate 12 x 9" }, { "is_arithmetic", true, "5 plus 7" },
  { "is_arithmetic", true, "2^10" }, { "is_arithmetic", true, "How much is 9 ÷ 3 ?" },
  { "is_arithmetic", false, "What is love?" }, { "is_arithmetic", false, "42" },
  { "is_arithmetic", false, "call 555-1234 now" }, { "is_arithmetic", false, "" },
  { "is_arithmetic", false, ("1+"):rep(200) .. "1" }, { "is_arithmetic", false, nil },
  { "language", "th", "สวัสดีครับ" }, { "language", "zh", "你好，请问" },
  { "language", "ja", "日本語のテキスト" }, { "language", "ko", "안녕하세요" },
  { "language", "ar", "مرحبا بالعالم" }, { "language", "ru", "Привет, мир" },
  { "language", "vi", "Xin chào, tôi muốn hỏi về đơn hàng" }, { "language", "he", "שלום" },
  { "language", "latin", "Où est mon colis?" }, { "language", nil, "123 !?" },
  { "language", "latin", "\255\254 broken bytes" }, { "language", nil, nil },
}

describe("leme.text", function()
  for i, row in ipairs(ROWS) do
    it(("row %d: %s(%q)"):format(i, row[1], tostring(row[3]):sub(1, 30)), function()
      assert.equal(row[2], text[row[1]](row[3]))
    end)
  end

  it("mentions whole words only, in any case", function()
    assert.equal("contract", text.mentions("Is my Contract valid?", "law", "contract"))
    assert.is_nil(text.mentions("contractors", "contract"))
    assert.is_nil(text.mentions("subcontract", "contract"))
    assert.equal("terms of use", text.mentions("the terms of use.", "terms of use"))
    assert.is_nil(text.mentions(("x "):rep(20000) .. "contract", "contract"))
    assert.error_matches(function() text.mentions("x", 3) end, "expected words")
  end)

  it("splits into words", function()
    assert.same({ "don't", "panic", "42" }, text.words "Don't panic: 42!")
    assert.equal(2, #text.words("a b c", 2))
  end)
end)
