# Tests, lint, fuzzing and the benchmark.

UNITS := $(sort $(wildcard spec/unit/*_test.c))
UNIT_BINS := $(UNITS:spec/unit/%_test.c=$(O)/unit-%)
DUMPS := $(B)/sse_dump $(B)/json_dump $(B)/answer_dump $(B)/tokens_dump
FUZZERS := $(patsubst spec/fuzz/fuzz_%.c,%,$(wildcard spec/fuzz/fuzz_*.c))
TEST_FLAGS := -Icore -Ispec/unit -Wno-missing-prototypes

$(O)/unit-%: spec/unit/%_test.c $(wildcard spec/unit/*.h) $(CORE_O)
	@$(CC) $(CFLAGS_ALL) $(TEST_FLAGS) $(LDFLAGS_ALL) -o $@ $< $(CORE_O) $(LIBS)

units: $(UNIT_BINS)

$(B)/%_dump: spec/fixtures/%_dump.c $(CORE_O)
	@$(CC) $(CFLAGS_ALL) $(TEST_FLAGS) -o $@ $< $(CORE_O) $(LIBS)

dumps: $(DUMPS)

# libFuzzer needs clang; the corpora are replayed by `check`.
FO := $(B)/obj-fuzz
FUZZ_FLAGS := -std=gnu11 -D_GNU_SOURCE -g -O1 -fsanitize=fuzzer,address,undefined -Icore \
              $(shell pkg-config --cflags $(PKGS) 2>/dev/null)
FUZZ_CORE := $(filter-out core/upstream%.c core/engine.c core/daemon%.c core/request%.c \
              core/server.c core/admin%.c core/check.c core/client.c,$(CORE))

$(FO)/%.o: core/%.c
	@mkdir -p $(FO)
	@clang -std=gnu11 -D_GNU_SOURCE -g -O1 -fsanitize=fuzzer-no-link,address,undefined -Icore \
	    $(shell pkg-config --cflags $(PKGS) 2>/dev/null) -c $< -o $@

FUZZ_A := $(B)/libfuzzed.a
$(FUZZ_A): $(patsubst core/%.c,$(FO)/%.o,$(wildcard core/json*.c core/http1*.c core/sse.c \
           core/answer*.c core/buf.c core/errors.c core/vm*.c core/quota.c core/thread.c))
	@rm -f $@ && ar rcs $@ $^

$(B)/fuzz_%: spec/fuzz/fuzz_%.c $(FUZZ_A)
	@clang $(FUZZ_FLAGS) -o $@ $< $(FUZZ_A) $(shell pkg-config --libs lua5.4) -lm -lpthread

fuzzers: $(FUZZERS:%=$(B)/fuzz_%)

SECONDS ?= 60
fuzz: deps-check ## fuzz each target for SECONDS (60)
	@$(MAKE) --no-print-directory fuzzers
	@for f in $(FUZZERS); do mkdir -p $(B)/corpus/$$f; echo "fuzz $$f"; \
	    $(B)/fuzz_$$f -max_total_time=$(SECONDS) -print_final_stats=0 -verbosity=0 \
	    $(B)/corpus/$$f spec/fuzz/corpus/$$f || exit 1; done

check: deps-check ## install what tests need, build, run all of them
	@$(MAKE) --no-print-directory build units dumps
	@$(MAKE) --no-print-directory build units SAN=address,undefined
	@$(MAKE) --no-print-directory fuzzers
	@python3 spec/check.py --fixtures $(DIR)

quick: ## the part of check that takes seconds
	@$(MAKE) --no-print-directory build units dumps
	@python3 spec/check.py --quick --fixtures $(DIR)

asan: deps-check ## only the suites under ASan and UBSan
	@$(MAKE) --no-print-directory build units SAN=address,undefined
	@python3 spec/check.py --only address --fixtures $(DIR)

tsan: deps-check ## what several workers share, under TSan
	@$(MAKE) --no-print-directory build units SAN=thread
	@python3 spec/check.py --only thread --fixtures $(DIR)

fixtures: deps-check ## the fixture suites over DIR, one line a suite
	@$(MAKE) --no-print-directory build dumps
	@python3 spec/check.py --only fixtures --fixtures $(DIR)

lint: deps-check ## luacheck, floors, lengths, coverage of the reference
	@$(MAKE) --no-print-directory build
	@python3 spec/check.py --only lint --fixtures $(DIR)

BENCH_BINS := $(B)/bench-mock $(B)/bench-load
BENCH_FLAGS := -std=gnu11 -D_GNU_SOURCE -O2 -g $(WARN)
RIG := spec/bench/wire.c
$(B)/bench-mock: $(wildcard spec/bench/mock*.[ch]) spec/bench/heap.c $(RIG)
	@$(CC) $(BENCH_FLAGS) -o $@ $(filter %.c,$^) -lm -lpthread
$(B)/bench-load: $(wildcard spec/bench/load*.[ch]) spec/bench/answer.c spec/bench/hist.c $(RIG)
	@$(CC) $(BENCH_FLAGS) -o $@ $(filter %.c,$^) -lm -lpthread
bench: ## compare with nginx + Lua, HAProxy and Portkey: one table
	@spec/deps.sh build bench
	@$(MAKE) --no-print-directory build $(BENCH_BINS)
	@python3 spec/bench/bench.py --build $(B) $(BENCH)

PREFIX ?= /usr/local
install: ## into PREFIX (/usr/local)
	@$(MAKE) --no-print-directory build
	install -d $(DESTDIR)$(PREFIX)/bin $(DESTDIR)$(PREFIX)/lib $(DESTDIR)$(PREFIX)/include \
	    $(DESTDIR)$(PREFIX)/share/man/man1 $(DESTDIR)$(PREFIX)/share/leme
	install -m 755 $(B)/leme $(DESTDIR)$(PREFIX)/bin/leme
	install -m 644 $(B)/libleme.a $(DESTDIR)$(PREFIX)/lib/libleme.a
	install -m 755 $(B)/libleme.so $(DESTDIR)$(PREFIX)/lib/libleme.so.0
	ln -sf libleme.so.0 $(DESTDIR)$(PREFIX)/lib/libleme.so
	install -m 644 core/leme.h $(DESTDIR)$(PREFIX)/include/leme.h
	install -m 644 core/leme.1 $(DESTDIR)$(PREFIX)/share/man/man1/leme.1
	cp -r policies $(DESTDIR)$(PREFIX)/share/leme/
