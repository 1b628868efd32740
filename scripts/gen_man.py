#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Completes a manual page with what the programs themselves know.

gen_man.py commands PAGE.scd FERRY     @COMMANDS@ becomes the commands, from `ferry help`
gen_man.py settings PAGE.scd FERRYD    @SETTINGS@ becomes the settings, from `ferryd --print-config`
"""
import re
import subprocess
import sys

LINK = re.compile(r"`([^`]*)`")


def escape(text):
    return re.sub(r"([\\*_<>\[\]#~])", r"\\\1", text)


def prose(text):
    """A sentence for scdoc: marks escaped, `commands` bold."""
    parts = LINK.split(text)
    return "".join(f"*{escape(part)}*" if i % 2 else escape(part) for i, part in enumerate(parts))


def run(*argv):
    return subprocess.run(argv, check=True, stdout=subprocess.PIPE, text=True).stdout


def command_section(ferry, name):
    """From the sections NAME, SYNOPSIS, DESCRIPTION and OPTIONS of its help."""
    sections, current = {}, None
    for line in run(ferry, "help", name).splitlines():
        if re.fullmatch(r"  [A-Z]+", line):
            current = sections.setdefault(line.strip(), [])
        elif current is not None:
            current.append(line[4:])
    summary = sections["NAME"][0].partition(" - ")[2]
    out = [f"## {name}", "", prose(summary[0].upper() + summary[1:]) + ".", ""]
    synopsis = escape(sections["SYNOPSIS"][0])
    out += [f"*{name}*{synopsis[len(escape(name)):]}", ""]
    for line in sections.get("DESCRIPTION", []):
        out.append(prose(line))
    out.append("")
    for line in filter(None, sections.get("OPTIONS", [])):
        option, _, text = re.match(r"(.*?)(\s\s+|\s(?=\S*$)|$)(.*)", line).groups()
        out += [f"*{escape(option.strip())}*", f"\t{prose(text.strip())}.", ""]
    return out


def commands(ferry):
    names = [match.group(1) for match in re.finditer(r"^    ([a-z][a-z-]*)  +\S", run(ferry, "help"), re.M)]
    return [line for name in names for line in command_section(ferry, name)]


def settings(ferryd):
    out, help_lines = [], []
    for line in run(ferryd, "--print-config").splitlines()[1:]:
        row = re.fullmatch(r"#(\w+) = (.*)", line)
        if line.startswith("## "):
            out += [f"# {line[3:].upper()}", ""]
        elif row:
            value = row.group(2).strip('"')
            out += [f"*{escape(row.group(1))}*", *("\t" + prose(text) for text in help_lines),
                    f"\tDefault: {escape(value)}" if value else "\tDefault: none", ""]
            help_lines = []
        elif line.startswith("# "):
            help_lines.append(line[2:])
    return out


def main():
    what, page, program = sys.argv[1:]
    with open(page, encoding="utf-8") as source:
        text = source.read()
    body = commands(program) if what == "commands" else settings(program)
    sys.stdout.write(text.replace(f"@{what.upper()}@", re.sub(r"\n{3,}", "\n\n", "\n".join(body)).strip()))


if __name__ == "__main__":
    main()
