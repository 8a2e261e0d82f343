# leme: `make run` and `make check` are all a newcomer needs; `make help` lists the
# rest.

SHELL := /bin/bash
comma := ,
B := build
DIR ?= ../shared/fixtures
SAN ?=
O := $(B)/obj$(if $(SAN),-$(subst $(comma),-,$(SAN)))

CC ?= cc
PKGS := lua5.4 libevent libcurl
# -Wconversion: lengths from the wire are never silently cut. -Wshadow: one name,
# one thing. -Wvla: no stack by input. The rest: prototypes and string constants.
WARN := -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes \
        -Wconversion -Wwrite-strings -Wvla -Werror
HARDEN := -fstack-protector-strong -fstack-clash-protection
OPT := $(if $(SAN),-O1 -fsanitize=$(SAN) -fno-omit-frame-pointer -fno-sanitize-recover=all,-O2 -D_FORTIFY_SOURCE=2 $(HARDEN))
# liblua leaves functions by a longjmp that TSan does not see.
TSAN := $(if $(filter thread,$(SAN)),--param tsan-instrument-func-entry-exit=0)
CFLAGS_ALL = -std=gnu11 -D_GNU_SOURCE -g $(OPT) -fPIC -fvisibility=hidden $(WARN) $(TSAN) -Icore \
             $(shell pkg-config --cflags $(PKGS) 2>/dev/null) $(CFLAGS)
LIBS = $(shell pkg-config --libs $(PKGS) 2>/dev/null) -lm -lpthread
LDFLAGS_ALL = $(if $(SAN),-fsanitize=$(SAN),-Wl,-z,relro,-z,now) $(LDFLAGS)

CORE := $(filter-out core/main.c core/cli%.c,$(wildcard core/*.c))
CLI := $(wildcard core/main.c core/cli*.c)
MODULES := $(sort $(filter-out lua/leme/meta.lua,$(wildcard lua/leme/*.lua lua/leme/*/*.lua)))
CORE_O := $(CORE:core/%.c=$(O)/%.o) $(O)/modules.o
CLI_O := $(CLI:core/%.c=$(O)/%.o)
BIN := $(B)/leme$(if $(SAN),-$(subst $(comma),-,$(SAN)))

.DEFAULT_GOAL := all
.PHONY: all run check quick bench lint asan tsan fuzz fixtures install help clean deps deps-check \
        units oom

all: deps ## build the program and both libraries
	@$(MAKE) --no-print-directory build
	@echo "built $(B)/leme; \`make check\` tests it, \`make run\` serves the quickstart"

build: $(BIN) $(if $(SAN),,$(B)/libleme.a $(B)/libleme.so)

# -- what the machine needs -----------------------------------------------------

deps:
	@spec/deps.sh build
deps-check:
	@spec/deps.sh build check

# -- building -------------------------------------------------------------------

$(O):
	@mkdir -p $@

$(B)/modules.c: lua/embed.lua $(MODULES)
	@mkdir -p $(B)
	@lua5.4 lua/embed.lua $(MODULES) > $@.new && mv $@.new $@

$(O)/modules.o: $(B)/modules.c core/modules.h | $(O)
	@$(CC) $(CFLAGS_ALL) -c $< -o $@

$(O)/%.o: core/%.c | $(O)
	@$(CC) $(CFLAGS_ALL) -MMD -MP -c $< -o $@

-include $(wildcard $(O)/*.d)

$(BIN): $(CORE_O) $(CLI_O)
	@$(CC) $(LDFLAGS_ALL) -o $@ $^ $(LIBS)

# One object whose only global symbols are the public ones.
$(B)/libleme.a: $(CORE_O)
	@ld -r -o $(O)/libleme.o $^
	@objcopy --wildcard --keep-global-symbol='leme_*' $(O)/libleme.o
	@rm -f $@ && ar rcs $@ $(O)/libleme.o

$(B)/libleme.so: $(CORE_O) core/leme.map
	@$(CC) -shared $(LDFLAGS_ALL) -Wl,--version-script=core/leme.map -Wl,-soname,libleme.so.0 \
	    -o $@ $(CORE_O) $(LIBS)

run: deps ## build and serve examples/quickstart on 127.0.0.1:8080
	@$(MAKE) --no-print-directory build
	@exec $(B)/leme run examples/quickstart/leme.lua

help: ## this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

clean: ## remove what was built
	rm -rf $(B)

include spec/check.mk
