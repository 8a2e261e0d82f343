#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""exports: both libraries offer exactly the functions that core/leme.h declares.

Usage: python3 spec/lint/exports.py, after `make build`. Prints what is missing
or too much and fails if there was anything.
"""

import re
import subprocess
import sys

HEADER = "core/leme.h"
LIBRARIES = {"build/libleme.so": ["nm", "-D", "--defined-only"],
             "build/libleme.a": ["nm", "-g", "--defined-only"]}


def declared():
    """The names of the prototypes, and those that stand there without LEME_API."""
    with open(HEADER, encoding="utf-8") as file:
        text = re.sub(r"/\*.*?\*/", " ", file.read(), flags=re.S)
    text = re.sub(r"^\s*#.*?(?<!\\)$", " ", text, flags=re.S | re.M)
    marked = set(re.findall(r"\bLEME_API\b[^;]*?\b(leme_\w+)\s*\(", text))
    plain = set(re.findall(r"^(?!typedef)\w[\w \t*]*?\b(leme_\w+)\s*\([^;{]*\)\s*;", text, re.M))
    return marked, plain - marked


def exported(library, command):
    out = subprocess.run(command + [library], check=True, capture_output=True, text=True).stdout
    symbols = {line.split()[-1].split("@")[0] for line in out.splitlines()
               if len(line.split()) >= 3}
    return symbols - {"LEME_0"}         # the version itself


def main():
    marked, unmarked = declared()
    findings = [f"{HEADER}: {name} is declared without LEME_API" for name in sorted(unmarked)]
    if not marked:
        findings.append(f"{HEADER}: no prototype was found")
    for library, command in LIBRARIES.items():
        names = exported(library, command)
        findings += [f"{library}: {name} is declared but not there" for name in sorted(marked - names)]
        findings += [f"{library}: {name} is there but not declared" for name in sorted(names - marked)]
    for finding in findings:
        print(finding)
    print(f"exports: {len(marked)} functions, {len(findings)} findings")
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main())
