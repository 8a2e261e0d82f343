---@meta leme
-- The reference of the Lua side, and what an editor reads. Never run.
--
-- Each entry says where it may be called and whether it suspends the request:
--   anywhere   also while a policy file is loaded
--   running    in route, hooks and policy.every
--   route      only in a policy's route, where a request can wait; suspends
-- Durations are seconds, money US dollars, sizes bytes or tokens; all counts from
-- 1. Misuse raises with file:line; the world failing returns a value.

---@class leme
---@field pick leme.pick
---@field shared leme.shared
---@field json leme.json
---@field null any JSON's null; in `req:with` and assignments it removes a field
local leme = {}

---A target's name, a function, a view of a target, or a list of routes (tried in order).
---@alias leme.Route string | leme.RouteFunction | leme.Target | leme.Route[]
---@alias leme.RouteFunction fun(req: leme.Request, tried: table<string, leme.Answer>): leme.Answer
---A list of routes, or a function of the request that returns one.
---@alias leme.Routes leme.Route[] | fun(req: leme.Request): leme.Route[]

---@class leme.Limits
---@field connect? number seconds until connected
---@field first_token? number seconds until the first token of a stream
---@field idle? number seconds between two events
---@field total? number seconds for all of it
---@field min_speed? number tokens a second
---@field hold? "all"|number what must have come before it counts as answered
---@field key? string which of the target's several keys, and no other: it does not rotate

---@class leme.PolicyFields
---@field name string letters, digits, _ . -
---@field route leme.Route
---@field attempted? fun(target: leme.Target, answer: leme.Answer) once per attempt, at its end; may not suspend
---@field ended? fun(req: leme.Request, answer: leme.Answer) once per request; may not suspend
---@field every? table<number, fun()> every so many seconds on one worker; may not suspend
---@field knobs? table<string, any> declared settings; after loading, their values
---@field test? fun(world: leme.World) run when the policy is loaded, in a virtual world
---@field text? string one line about it

---What a policy file returns. While loading.
---@param fields leme.PolicyFields
function leme.policy(fields) end

---Declare knobs at the top of a file and get their values. While loading.
---@param declared table<string, any> { name = default } or { name = { default =, min =, max =, text = } }
---@return table<string, any>
function leme.knobs(declared) end

---Views of targets, a fresh list. Anywhere. A model's name, a target's name, a list of
---names, a selector { tag =, provider =, region =, cap =, model =, priority = }, or nil: all.
---@param what? string|table
---@return leme.Target[]
function leme.targets(what) end

---The view of one target; raises for an unknown name. Anywhere.
---@param name string
---@return leme.Target
function leme.target(name) end

-- Combinators: anywhere. Each returns a route. They pass over targets that are
-- saturated, drained, cooling down, too small for this request or tried already by it,
-- and record why; when all are passed over and some only cool down or seem too small,
-- those are tried. Nothing left is an answer with error "policy_no_route".

---In the order given. rest: seconds a target is passed over that says "too many requests"
---and not for how long; without it such a target does not rest.
---@param routes leme.Routes
---@param options? { rest: number }
---@return leme.RouteFunction
function leme.fallback(routes, options) end

---In turn; the cursor is shared by all workers and survives reloads.
---@param routes leme.Routes
---@return leme.RouteFunction
function leme.round_robin(routes) end

---By weight: the configured ones, or { ["a/b"] = 3 }.
---@param routes leme.Routes|table<string, number>
---@param options? { smooth: boolean } smooth: turns instead of chances
---@return leme.RouteFunction
function leme.weighted(routes, options) end

---Fewest in flight for its weight. Targets only.
---@param routes leme.Routes
---@return leme.RouteFunction
function leme.least_busy(routes) end

---The better of two by peak moving average of latency times queue. Targets only.
---@param routes leme.Routes
---@param options? { metric: string, tau: number }
---@return leme.RouteFunction
function leme.fastest(routes, options) end

---Ascending expected price, only those with room in their context. Targets only.
---@param routes leme.Routes
---@param options? { output: number } tokens expected without max_tokens (500)
---@return leme.RouteFunction
function leme.cheapest(routes, options) end

---The same key to the same target; a lost target's keys spread. Targets only. nil is no
---key: the request's own id is.
---@param routes leme.Routes
---@param options? { by: fun(req: leme.Request): string, factor: number }
---@return leme.RouteFunction
function leme.hash(routes, options) end

---Shares of the traffic: { { 0.05, canary }, { 0.95, stable } }; the last takes the rest.
---by keeps a key on its side; nil is no key, and chance decides.
---@param parts table[]
---@param options? { by: fun(req: leme.Request): string, salt: string }
---@return leme.RouteFunction
function leme.split(parts, options) end

---@param test fun(req: leme.Request): any
---@param yes leme.Route
---@param no? leme.Route
---@return leme.RouteFunction
function leme.when(test, yes, no) end

---The same route again after a retryable failure, with growing pauses.
---@param route leme.Route
---@param options? { times: integer, base: number, max: number } 2, 0.25 s, 5 s
---@return leme.RouteFunction
function leme.retry(route, options) end

---The next starts when the first is silent for a while; first good answer wins.
---@param routes leme.Routes
---@param options? { after: number|fun(req: leme.Request): number, share: number } its p95, 0.05
---@return leme.RouteFunction
function leme.hedge(routes, options) end

---All at once; the first good answer wins.
---@param routes leme.Routes
---@return leme.RouteFunction
function leme.race(routes) end

---A copy of a share of the requests to a route whose answer nobody gets.
---@param route leme.Route
---@param copy leme.Route
---@param options? { share: number, max_usd: number }
---@return leme.RouteFunction
function leme.shadow(route, copy, options) end

---Limits for each attempt of the route; of nested ones the tighter holds.
---@param route leme.Route
---@param limits leme.Limits
---@return leme.RouteFunction
function leme.limit(route, limits) end

---Other fields for the attempts of this route.
---@param route leme.Route
---@param edit table|fun(req: leme.Request): table
---@return leme.RouteFunction
function leme.rewrite(route, edit) end

---See every event before the client: nil keeps it, false drops it, a string replaces
---its text, a table the event. The function may not suspend.
---@param route leme.Route
---@param fn fun(text: string, event: table, answer: leme.Answer): nil|boolean|string|table
---@return leme.RouteFunction
function leme.filter(route, fn) end

---Does not exist yet: raises and says what serves instead.
function leme.budget() end

---Does not exist yet: raises and says what serves instead.
function leme.cache() end

---Does not exist yet: raises and says what serves instead.
function leme.resume() end

---Call a declared service. Route; suspends. A failure is an answer with ok = false; `text`
---is the body's `text` member or the body, `json` the decoded body. It is for the policy: a
---route may not return it.
---@param service string
---@param body? table|string
---@param limits? leme.Limits
---@return leme.Answer
function leme.fetch(service, body, limits) end

---Pause. Route; suspends.
---@param seconds number
function leme.sleep(seconds) end

---An answer of the policy's own: leme.respond(text), which a client gets in its own format
---(a completion, or a stream of chunks); or leme.respond(status, body, headers), as it is.
---@param status integer|string|table
---@param body? string|table
---@param headers? table<string, string>
---@return leme.Answer
function leme.respond(status, body, headers) end

---A refusal. error: a word of the error vocabulary (default: by the status). retry_after is
---told up to 60 seconds: clients given more do not come back at all.
---@param status integer
---@param why? string
---@param options? { retry_after: number, error: string, headers: table<string, string> }
---@return leme.Answer
function leme.reject(status, why, options) end

---Into the decision record. Running.
---@param key string
---@param value any what JSON can hold
function leme.trace(key, value) end

---leme.log(message) or leme.log("warn", message). Levels: debug info warn error. Running.
---@param level string
---@param message? string
function leme.log(level, message) end

---Add to a counter of the metrics. Running.
---@param name string
---@param by? number
---@param label? string
function leme.metric(name, by, label) end

---Seconds of a clock that only goes forward; the same within one step. Running.
---@return number
function leme.now() end

---Seconds since 1970, UTC. Running.
---@return number
function leme.wall() end

---A number >= 0 and < 1. Running.
---@return number
function leme.random() end

---A stable number >= 0 and < 1 for a key. Anywhere.
---@param key any
---@param salt? string
---@return number
function leme.bucket(key, salt) end

---Mark a table as a JSON array (for empty ones). Anywhere.
---@param list table
---@return table
function leme.array(list) end

---Put a value into a list of the request, such as req.messages. Running.
---@param list table
---@param at integer
---@param value any
function leme.insert(list, at, value) end

---Take a value out of a list of the request. Running.
---@param list table
---@param at integer
function leme.remove(list, at) end

---@class leme.json
---@field null any
leme.json = {}

---@param value any
---@return string
function leme.json.encode(value) end

---nil and a message when the text is not JSON.
---@param text string
---@return any value, string? message
function leme.json.decode(text) end

-- List helpers: anywhere (those that draw or count: running). None suspends, none
-- changes its list; an empty list gives nil.

---@class leme.pick
leme.pick = {}

---@param list any[]
---@param fn fun(item: any): any
---@return any[]
function leme.pick.filter(list, fn) end

---@param list any[]
---@param item any an item, or a list of them
---@return any[]
function leme.pick.without(list, item) end

---@param list any[]
---@return any
function leme.pick.random(list) end

---By chance in proportion to fn (default: the weight).
---@param list any[]
---@param fn? fun(item: any): number
---@return any
function leme.pick.weighted(list, fn) end

---The least; chance among equals and among those within { slack = 0.1 } of it.
---@param list any[]
---@param fn fun(item: any): number
---@param options? { slack: number }
---@return any
function leme.pick.min(list, fn, options) end

---The greatest.
---@param list any[]
---@param fn fun(item: any): number
---@param options? { slack: number }
---@return any
function leme.pick.max(list, fn, options) end

---The lesser of two drawn by chance.
---@param list any[]
---@param fn fun(item: any): number
---@return any
function leme.pick.p2c(list, fn) end

---A copy, ascending.
---@param list any[]
---@param fn fun(item: any): number
---@return any[]
function leme.pick.sort(list, fn) end

---Weighted rendezvous hash; { load = fn, factor = 1.25 } bounds the load.
---@param list any[]
---@param key any
---@param options? { load: fun(item: any): number, factor: number }
---@return any
function leme.pick.hash(list, key, options) end

---All, in an order to walk.
---@param list any[]
---@param how "weighted"|"hash"|fun(item: any): number
---@param key? any for "hash"
---@return any[]
function leme.pick.order(list, how, key) end

---The least value of fn.
---@param list any[]
---@param fn fun(item: any): number
---@return number?
function leme.pick.lowest(list, fn) end

---The mean value of fn.
---@param list any[]
---@param fn fun(item: any): number
---@return number?
function leme.pick.mean(list, fn) end

---The next of the list for a cursor of the board (a full name). For combinators.
---@param list any[]
---@param cursor string
---@param fn? fun(item: any): number
---@return any
function leme.pick.turn(list, cursor, fn) end

---Smooth weighted round robin; name tells several cursors of one policy apart.
---@param list any[]
---@param name? string
---@param fn? fun(item: any): number
---@return any
function leme.pick.swrr(list, name, fn) end

-- The board by name: running. Names are the policy's own; leme.shared.global has the
-- same functions for names all policies share. Entries expire (ttl, default 3600 s).

---@class leme.shared
---@field global leme.shared
leme.shared = {}

---@param name string
---@return number|boolean|string|nil
function leme.shared.get(name) end

---nil, "full" when there is no room.
---@param name string
---@param value number|boolean|string at most 4 KB
---@param ttl? number
---@return true?, string?
function leme.shared.set(name, value, ttl) end

---@param name string
---@param n? number
---@param ttl? number
---@return number
function leme.shared.incr(name, n, ttl) end

---Tokens of a bucket: true, or false and the seconds until they are there.
---@param name string
---@param n? number
---@param options { rate: number, burst: number }
---@return boolean, number?
function leme.shared.take(name, n, options) end

---Reserve of a limit in a window of seconds; nil when it is reached. What is not settled
---when the request is over counts as used.
---@param name string
---@param n? number
---@param options { limit: number, window: number, ttl: number }
---@return leme.Hold?
function leme.shared.reserve(name, n, options) end

---Settled and reserved in the running window.
---@param name string
---@return number
function leme.shared.used(name) end

---Set if absent; the value that is there now.
---@param name string
---@param value number|boolean|string
---@param ttl? number
---@return number|boolean|string
function leme.shared.pin(name, value, ttl) end

---@class leme.Hold
---@field settle fun(self: leme.Hold, used: number)
---@field cancel fun(self: leme.Hold)

-- A target. Reading: anywhere; live fields and methods: running. Fields cannot be set.

---@class leme.Target
---@field index integer
---@field name string "provider/model"
---@field provider string
---@field model string
---@field priority integer
---@field price_in number? US dollars for a million tokens of a short prompt, at the load
---@field price_out number?
---@field price_cached number?
---@field price_date string? "2026-09-23": the day of these prices, where it is known
---@field context integer? tokens
---@field max_output integer? tokens
---@field region string?
---@field tags table
---@field caps table
---@field inflight integer live
---@field weight number live: configured times the operator's factor
---@field state "ready"|"drain"|"maint"|"cooling"|"half_open"|"saturated" live
---@field why string live: the reason of the state
---@field outage_age number? live: seconds since the last failure
---@field remaining_requests number? live: what the provider says is left
---@field remaining_tokens number? live
---@field keys table live: of a provider with several keys, a view for each: in order and by
--- name. Each is a route, with numbers, limits and cooling of its own; those of the target
--- itself are of all together, and it is ready while one of them is
---@field key string? of such a view: the name of its key
local Target = {}

---Moving average with a time constant of tau seconds; nil without samples. Metrics:
---connect first_token total speed cost error success.
---@param metric string
---@param tau number
---@return number?
function Target:ewma(metric, tau) end

---@param metric string
---@param q number 0 to 1
---@param window number
---@return number?
function Target:quantile(metric, q, window) end

---Share of attempts that failed ("error") or not ("success").
---@param metric "error"|"success"
---@param window number
---@return number
function Target:rate(metric, window) end

---How many: "attempt", "error", "success", or samples of a metric.
---@param metric string
---@param window number
---@return number
function Target:count(metric, window) end

---US dollars for a call with so many tokens at the prices of this moment, tiers and
---hours regarded; nil when no price is known. Live: one table look-up.
---@param input integer
---@param output? integer
---@return number?
function Target:cost(input, output) end

---Passed over for so long; never shortens a longer pause.
---@param seconds number
---@param why? string
function Target:cool(seconds, why) end

---Passed over for base seconds times the ejections so far, at most max; then half open.
---@param options? { base: number, max: number, why: string }
---@return number seconds
function Target:eject(options) end

---Ready again.
function Target:restore() end

---May this request probe the half open target? True for one caller.
---@return boolean
function Target:probe() end

-- The request. Reading decodes what is touched; assigning edits every later attempt.

---@class leme.Request
---@field model string
---@field messages table
---@field system string?
---@field question string the last user message's text
---@field stream boolean
---@field tools table?
---@field max_tokens integer?
---@field headers table<string, string> lower case names; what may hold a credential is hidden
---@field client string? name of the client, nil when none is configured
---@field tags table<string, string> of the client
---@field id string
---@field api string what the client speaks: "chat", "completions", "embeddings", "messages",
---"responses", "gemini" or "gemini_embeddings"
---@field tokens integer estimate of the input
---@field remaining number seconds until the request's deadline
local Request = {}

---Attempt a route; returns when it has answered or failed. Route; suspends. Never raises for
---what the world did.
---@param route leme.Route
---@param limits? leme.Limits
---@return leme.Answer
function Request:try(route, limits) end

---Begin without waiting. Route; does not suspend.
---@param route leme.Route
---@param limits? leme.Limits
---@return table handle
function Request:start(route, limits) end

---Wait for the first of what was started; nil when time is up. Route; suspends.
---@param handles table a handle or a list of them
---@param seconds? number
---@return leme.Answer?, table? handle
function Request:await(handles, seconds) end

---Stop what was started. Route; does not suspend.
---@param handle table
function Request:cancel(handle) end

---Give the client this answer and wait until it has ended. With resume it continues
---a stream that broke; the model needs `resume = true`. Route; suspends.
---@param answer leme.Answer
---@param options? { resume: boolean }
---@return leme.Answer
function Request:relay(answer, options) end

---The same request with other fields, for its own attempts only; has all these methods.
---@param fields table
---@return leme.Request
function Request:with(fields) end

---A system message before the others.
---@param text string
---@return leme.Request
function Request:prepend_system(text) end

---A message after the others.
---@param role string
---@param text string
---@return leme.Request
function Request:append(role, text) end

-- An answer. Never an exception; an unknown field raises.

---@class leme.Answer
---@field ok boolean
---@field error string "" or a word of the error vocabulary
---@field status integer
---@field target leme.Target?
---@field key string? which of the target's several keys was used
---@field text string? content so far
---@field body string? as it came: in the client's own format where provider and client share one
---@field json any the decoded body
---@field usage { input: integer, output: integer, total: integer, cached: integer, reasoning: integer }?
---@field cost number? US dollars; nil before its tokens are counted, and when no price is known
---@field first_token number? seconds
---@field total number? seconds, once it has ended
---@field retry_after number? seconds
---@field finish string?
---@field retryable boolean the same target may be repeated
---@field fallback boolean another target may help
---@field committed boolean bytes of it went to the client
---@field final boolean ok, or committed, or no other target can help
---@field id integer
---@field speed number? output tokens a second
---@field reason string? of policy_no_route: who was passed over and why

-- leme.text: require "leme.text". Anywhere; pure; each reads a bounded part.

---@class leme.text
local text = {}

---A sum and nothing else (at most 200 bytes).
---@param said string?
---@return boolean
function text.is_arithmetic(said) end

---The first of the words that occurs as a whole word in the first 16 KiB, or nil.
---@param said string?
---@param ... string
---@return string?
function text.mentions(said, ...) end

---By script: th vi zh ja ko ar he ru el hi latin, or nil. The first 2,000 characters.
---@param said string?
---@return string?
function text.language(said) end

---At most max (1,000) words, lower case.
---@param said string?
---@param max? integer
---@return string[]
function text.words(said, max) end

-- leme.test: what policy.test gets. Only there and in specs.

---@class leme.World
local World = {}

---How a target or service behaves: one behaviour, or one for each call (the last stays).
---{ first_token =, total =, error =, status =, retry_after =, after =, cut =, silent =, text =,
---finish =, usage = { input =, output = }, cost =, body = }, or a function(call) giving one.
---@param name string
---@param ... table|function
function World:script(name, ...) end

---Live numbers: { inflight =, weight =, operator = "drain", max_in_flight = }.
---@param name string
---@param numbers table
function World:set(name, numbers) end

---Give a target a past.
---@param name string
---@param metric string
---@param value number
---@param count? integer
function World:sample(name, metric, value, count) end

---Send a request and run until its plan is done. The result has target, ok, error, status,
---attempts, fetches, passes, body, first_token, total.
---@param fields? table
---@return table result
function World:request(fields) end

---Send a request; its result fills up as time passes.
---@param fields? table
---@return table result
function World:send(fields) end

---The client leaves.
---@param result table
function World:leave(result) end

---An event passes the policy's filter.
---@param result table
---@param data string
---@param id? integer
function World:item(result, data, id) end

---Let time pass.
---@param seconds number
function World:advance(seconds) end

---Run all that is under way.
function World:finish() end

---Run function i of policy.every.
---@param i? integer
function World:tick(i) end

---Call fn later.
---@param seconds number
---@param fn function
function World:after(seconds, fn) end

return leme
