-- leme.pick and leme.shared: what is drawn how often, and what the board holds.
package.path = "./spec/lua/?.lua;" .. package.path
local world = require "world"

local NAMES = { "a/1", "b/2", "c/3", "d/4" }

local function setup()
  local targets = {}
  for i, name in ipairs(NAMES) do targets[i] = { name = name, weight = i } end
  local room = world.room { targets = targets, seed = 5 }
  local w, policy = room.route '"a/1"'
  room.now.policy = policy
  return room.leme, w
end

local function share(n, draw)
  local by = {}
  for _ = 1, n do
    local t = draw()
    by[t.name] = (by[t.name] or 0) + 1 / n
  end
  return by
end

local function near(expected, got, tolerance)
  for name, value in pairs(expected) do
    assert.is_true(math.abs((got[name] or 0) - value) < tolerance,
      ("%s: %.3f, expected %.3f"):format(name, got[name] or 0, value))
  end
end

describe("leme.pick", function()
  it("draws by weight", function()
    local leme = setup()
    local all = leme.targets()
    near({ ["a/1"] = .1, ["b/2"] = .2, ["c/3"] = .3, ["d/4"] = .4 },
      share(8000, function() return leme.pick.weighted(all) end), .02)
    near({ ["a/1"] = .25, ["d/4"] = .25 },
      share(8000, function() return leme.pick.random(all) end), .02)
  end)

  it("takes smooth turns that match the weights exactly", function()
    local leme = setup()
    local all, last, repeats = leme.targets(), nil, 0
    local by = share(1000, function()
      local t = leme.pick.swrr(all, "x")
      repeats = repeats + (t == last and 1 or 0)
      last = t
      return t
    end)
    near({ ["a/1"] = .1, ["b/2"] = .2, ["c/3"] = .3, ["d/4"] = .4 }, by, 1e-9)
    assert.is_true(repeats <= 200, tostring(repeats))
  end)

  it("finds the least, with chance among equals and within slack", function()
    local leme = setup()
    local value = { ["a/1"] = 1, ["b/2"] = 1.05, ["c/3"] = 2, ["d/4"] = 1 }
    local function of(t) return value[t.name] end
    near({ ["a/1"] = .5, ["d/4"] = .5, ["b/2"] = 0 },
      share(4000, function() return leme.pick.min(leme.targets(), of) end), .03)
    near({ ["a/1"] = .333, ["b/2"] = .333, ["c/3"] = 0 },
      share(4000, function() return leme.pick.min(leme.targets(), of, { slack = .1 }) end), .03)
    assert.equal("c/3", leme.pick.max(leme.targets(), of).name)
  end)

  it("takes the better of two: the worst never, the best half the time", function()
    local leme = setup()
    local rank = { ["a/1"] = 1, ["b/2"] = 2, ["c/3"] = 3, ["d/4"] = 4 }
    near({ ["a/1"] = 1 / 2, ["b/2"] = 1 / 3, ["c/3"] = 1 / 6, ["d/4"] = 0 },
      share(6000, function() return leme.pick.p2c(leme.targets(), function(t)
        return rank[t.name]
      end) end), .025)
  end)

  it("hashes by weight and bounds the load", function()
    local leme, w = setup()
    local key = 0
    near({ ["a/1"] = .1, ["d/4"] = .4 }, share(6000, function()
      key = key + 1
      return leme.pick.hash(leme.targets(), "key" .. key)
    end), .025)
    local home = leme.pick.hash(leme.targets(), "ann")
    w:set(home.name, { inflight = 100 })
    local options = { load = function(t) return t.inflight end, factor = 1.25 }
    assert.not_equal(home, leme.pick.hash(leme.targets(), "ann", options))
  end)

  it("orders, filters and leaves out", function()
    local leme = setup()
    local pick, all = leme.pick, leme.targets()
    assert.equal(3, #pick.without(all, "b/2"))
    assert.equal(2, #pick.without(all, { all[1], "b/2" }))
    assert.equal("d/4", pick.sort(all, function(t) return -t.weight end)[1].name)
    assert.equal(4, #pick.order(all, "weighted"))
    assert.equal(pick.hash(all, "k"), pick.order(all, "hash", "k")[1])
    assert.equal(2.5, pick.mean(all, function(t) return t.weight end))
    assert.equal(1, pick.lowest(all, function(t) return t.weight end))
    for _, name in ipairs { "random", "weighted", "min", "max", "p2c", "lowest", "mean" } do
      assert.is_nil(pick[name]({}, function() return 1 end), name)
    end
  end)

  it("tells misuse", function()
    local leme = setup()
    assert.error_matches(function() leme.pick.min(nil, print) end, "pick.min: expected a list, got nil")
    assert.error_matches(function() leme.pick.min(leme.targets(), function() end) end,
      "the function returned nil, expected a number")
  end)
end)

describe("leme.shared", function()
  it("keeps, counts and forgets under the policy's own name", function()
    local leme, w = setup()
    local shared = leme.shared
    shared.set("x", "one", 10)
    assert.equal("one", shared.get "x")
    assert.equal("one", shared.global.get "spec/x")
    assert.equal(3, shared.incr("n", 3))
    assert.equal("one", shared.pin("x", "two"))
    w:advance(11)
    assert.is_nil(shared.get "x")
  end)

  it("takes from a bucket and says how long to wait", function()
    local leme = setup()
    local rule = { rate = 2, burst = 4 }
    assert.is_true((leme.shared.take("b", 4, rule)))
    local ok, wait = leme.shared.take("b", 1, rule)
    assert.is_false(ok)
    assert.equal(0.5, wait)
  end)

  it("reserves up to a limit and gives back what was not used", function()
    local leme = setup()
    local rule = { limit = 10, window = 60 }
    local hold = leme.shared.reserve("r", 8, rule)
    assert.is_nil(leme.shared.reserve("r", 3, rule))
    hold:settle(2)
    hold:settle(9)
    assert.equal(2, leme.shared.used "r")
    leme.shared.reserve("r", 3, rule):cancel()
    assert.equal(2, leme.shared.used "r")
  end)
end)

describe("leme.targets", function()
  it("selects by model, list, selector and name", function()
    local room = world.room { targets = { { name = "a/1", tags = { "eu" }, region = "eu" },
      { name = "b/2", caps = { vision = true } } }, models = { m = { "b/2" } } }
    local targets = room.leme.targets
    room.route '"a/1"'
    assert.equal(2, #targets())
    assert.equal("b/2", targets("m")[1].name)
    assert.equal("a/1", targets({ "a/1" })[1].name)
    assert.equal("a/1", targets({ tag = "eu" })[1].name)
    assert.equal("b/2", targets({ cap = "vision" })[1].name)
    assert.equal(0, #targets({ provider = "z" }))
    assert.error_matches(function() targets { tags = "eu" } end, 'unknown selector "tags"')
    assert.error_matches(function() targets "mm" end, "neither a model nor a target")
  end)
end)
