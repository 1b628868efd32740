#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Generates C from the tables in protocol/.

gen_wire.py errors IN.tsv OUT.h     error codes and error domains
"""
import sys


def rows(path):
    with open(path, encoding="utf-8") as table:
        for line in table:
            if line.strip() and not line.startswith("#"):
                yield line.rstrip("\n").split("\t")


def errors(source, target):
    """VIR_ERR_NO_DOMAIN becomes ERROR_NO_DOMAIN, VIR_FROM_QEMU becomes FROM_QEMU."""
    out = ["/* SPDX-License-Identifier: LGPL-2.1-or-later */",
           "/* Generated from protocol/errors.tsv. */", "#pragma once", ""]
    for kind, prefix, name in (("code", "ERROR_", "ErrorCode"), ("domain", "FROM_", "ErrorDomain")):
        out.append("typedef enum {")
        for row in rows(source):
            if row[0] == kind:
                symbol = row[2].replace("VIR_ERR_", "").replace("VIR_FROM_", "").replace("VIR_WAR_", "WAR_")
                out.append(f"    {prefix}{symbol} = {row[1]},")
        out += [f"}} {name};", ""]
    with open(target, "w", encoding="utf-8") as header:
        header.write("\n".join(out))


if __name__ == "__main__":
    {"errors": errors}[sys.argv[1]](*sys.argv[2:])
