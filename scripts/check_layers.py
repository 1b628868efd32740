#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Checks the house rules that a compiler does not: who includes whom, SPDX lines, AWAITS marks.

Usage: check_layers.py TOP.  Prints one line per offence and exits 1 if there is any.
"""
import pathlib
import re
import sys

top = pathlib.Path(sys.argv[1])
offences = []


def grants():
    table = {}
    for line in (top / "src/layers.txt").read_text().splitlines():
        line = line.split("#")[0].strip()
        if line:
            folder, _, rest = line.partition(":")
            table[folder] = set(rest.split()) | {folder}
    return table


def folder_of(path):
    parts = path.relative_to(top).parts
    return parts[1] if parts[0] == "src" else parts[0]


table = grants()
sources = [p for d in ("src", "lib", "cli", "fuzz", "include") for p in sorted((top / d).rglob("*.[ch]"))]
for path in sources:
    text = path.read_text()
    name = path.relative_to(top)
    if "SPDX-License-Identifier: LGPL-2.1-or-later" not in text.split("\n", 1)[0]:
        offences.append(f"{name}: no SPDX line at the top")
    granted = table.get(folder_of(path))
    if granted is None or path.name.startswith("test-"):
        continue
    for number, line in enumerate(text.splitlines(), 1):
        match = re.match(r'\s*#\s*include\s+"([a-z]+)/', line)
        if match and match.group(1) in table and match.group(1) not in granted:
            offences.append(f"{name}:{number}: {folder_of(path)} may not include {match.group(1)}")

for path in sorted((top / "scripts").glob("*.py")) + sorted((top / "tests").rglob("*.py")):
    if "SPDX-License-Identifier" not in "\n".join(path.read_text().split("\n", 3)[:3]):
        offences.append(f"{path.relative_to(top)}: no SPDX line at the top")

# A function that calls an AWAITS function is itself marked AWAITS in its declaration or definition.
# A static function's mark counts in its own file only.
marked = set()
marked_in = {path: set() for path in sources}
for path in sources:
    for match in re.finditer(r"^((?:static\s+)?AWAITS\s+[\w\s\*]*?)\b(\w+)\s*\(", path.read_text(), re.M):
        (marked_in[path] if "static" in match.group(1) else marked).add(match.group(2))
function = re.compile(r"^(?!\s|#|/|\*|typedef|struct|enum|union|static const)([\w\s\*]+?)\b(\w+)\(([^;{]*)\)\n\{\n(.*?)^\}", re.M | re.S)
for path in sources:
    if path.name.startswith("test-"):
        continue
    text = re.sub(r"/\*.*?\*/", lambda m: re.sub(r"[^\n]", " ", m.group(0)), path.read_text(), flags=re.S)
    text = re.sub(r'"(\\.|[^"\\\n])*"', '""', text)
    for match in function.finditer(text):
        head, name, _, body = match.groups()
        known = marked | marked_in[path]
        if "AWAITS" in head or name in known:
            continue
        for call in re.finditer(r"\b(\w+)\s*\(", body):
            if call.group(1) in known:
                line = text[: match.start(4) + call.start()].count("\n") + 1
                offences.append(f"{path.relative_to(top)}:{line}: {name} calls {call.group(1)} but is not marked AWAITS")
                break

print("\n".join(offences) or "layers, SPDX lines and AWAITS marks are in order")
sys.exit(bool(offences))
