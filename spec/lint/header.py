#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""header: core/leme.h is C99 and C++ from 11 to 17, alone, without a warning.

Usage: python3 spec/lint/header.py. Each row also links a program that calls the
library, so that a name mangled by C++ would show. Fails if a compiler said
anything.
"""

import os
import shutil
import subprocess
import sys
import tempfile

WARNINGS = ["-Wall", "-Wextra", "-Wpedantic", "-Wshadow", "-Wconversion", "-Wundef", "-Werror"]
C_ONLY = ["-Wstrict-prototypes", "-Wmissing-prototypes"]
ROWS = [(compiler, standard, suffix, extra)
        for compiler, standards, suffix, extra in [
            ("gcc", ["c99", "c11", "c17"], ".c", C_ONLY),
            ("clang", ["c99", "c17"], ".c", C_ONLY),
            ("g++", ["c++11", "c++17"], ".cc", []),
            ("clang++", ["c++17"], ".cc", [])]
        for standard in standards]

PROGRAM = """
#include "leme.h"
#include "leme.h"
#include <stdio.h>

int main(void)
{
    struct leme_error error;
    struct leme_engine_options options;
    leme_engine *engine = NULL;

    error.size = sizeof error;
    options.size = sizeof options;
    options.kill_signal = 0;
    options.config = NULL;
    options.lua_dir = NULL;
    options.event_base = NULL;
    options.log = NULL;
    options.log_arg = NULL;
    if (leme_abi() != LEME_ABI || leme_engine_new(&options, &engine, &error) != LEME_USAGE)
        return 1;
    leme_engine_free(engine);
    printf("%s", leme_version());
    return 0;
}
"""


def said(command, **more):
    done = subprocess.run(command, capture_output=True, text=True, **more)
    return (done.stdout + done.stderr) if done.returncode else done.stderr


def linked(source, folder):
    """A host in C and one in C++ run with both libraries."""
    libraries = subprocess.run(["pkg-config", "--libs", "lua5.4", "libevent", "libcurl"],
                               check=True, capture_output=True, text=True).stdout.split()
    build = os.path.abspath("build")
    program = os.path.join(folder, "host")
    for compiler, suffix in ("cc", ".c"), ("c++", ".cc"):
        for library in (["build/libleme.a", *libraries, "-lm", "-lpthread"],
                        ["build/libleme.so", f"-Wl,-rpath,{folder}"]):
            if library[0].endswith(".so"):
                link = os.path.join(folder, "libleme.so.0")
                if not os.path.exists(link):
                    os.symlink(os.path.join(build, "libleme.so"), link)
            text = said([compiler, "-Icore", source + suffix, "-o", program, *library])
            if not text:
                text = said([program])
            if text:
                yield f"{compiler} with {library[0]}:\n{text}"


def main():
    findings, rows = [], 0
    with tempfile.TemporaryDirectory() as folder:
        source = os.path.join(folder, "host")
        for suffix in ".c", ".cc":
            with open(source + suffix, "w", encoding="utf-8") as file:
                file.write(PROGRAM)
        for compiler, standard, suffix, extra in ROWS:
            if not shutil.which(compiler):
                continue
            rows += 1
            text = said([compiler, f"-std={standard}", *WARNINGS, *extra, "-Icore",
                         "-fsyntax-only", source + suffix])
            if text:
                findings.append(f"{compiler} -std={standard}:\n{text}")
        findings += linked(source, folder)
    for finding in findings:
        print(finding)
    print(f"header: {rows} compilers and standards, {len(findings)} findings")
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main())
