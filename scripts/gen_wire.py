#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Generates C from the tables in protocol/.

gen_wire.py errors IN.tsv OUT.h                               error codes and error domains
gen_wire.py procedures OUT.h OUT.c TYPES.tsv PROGRAM.tsv …    structs, enums, codec rows and procedure rows
gen_wire.py page OUT.md TYPES.tsv PROGRAM.tsv … -- SOURCE.c …  the reference page: all procedures, and who serves them
"""
import re
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


# C type, kind, size on the wire
PRIMITIVES = {
    "int32": ("int32_t", "INT32", 4), "uint32": ("uint32_t", "UINT32", 4), "int64": ("int64_t", "INT64", 8),
    "uint64": ("uint64_t", "UINT64", 8), "f64": ("double", "F64", 8), "i8w": ("char", "I8W", 4),
    "u8w": ("uint8_t", "U8W", 4), "u16w": ("uint16_t", "U16W", 4), "str": ("char *", "STR", 4),
}
KEYWORDS = {"auto", "break", "case", "char", "const", "default", "do", "double", "else", "enum", "extern", "for", "goto",
            "if", "int", "long", "register", "return", "short", "signed", "static", "struct", "switch", "union", "unsigned"}


def camel(name):
    return "".join(part[:1].upper() + part[1:] for part in name.split("_"))


class Field:
    """One `name:type` of a table: type is a primitive, bytes, uuid or a named type, then ? or [N] or [<=N], then !secret."""

    def __init__(self, text):
        match = re.fullmatch(r"(\w+):(\w+)(\?|\[(?:<=)?\d+\])?(!secret)?", text)
        if not match or match.group(1) in KEYWORDS:
            raise SystemExit(f"gen_wire.py: cannot read field '{text}'")
        self.name, self.base, suffix, secret = match.groups()
        self.is_secret = bool(secret)
        if self.base == "uuid":
            self.base, suffix = "bytes", "[16]"
            self.is_uuid = True
        else:
            self.is_uuid = False
        self.limit = int(re.sub(r"\D", "", suffix or "") or 0)
        self.shape = {"": "ONE", "?": "OPTIONAL", "[": "ARRAY"}[(suffix or "")[:1]]
        if suffix and suffix.startswith("[<"):
            self.shape = "LIST"

    def resolve(self, types):
        """Fills in what depends on the named types: C type, kind, least bytes on the wire."""
        self.type_name = None
        if self.base == "bytes":
            self.c_type, self.kind, least = "guint8", "BYTES", 1
        elif self.base in PRIMITIVES:
            self.c_type, self.kind, least = PRIMITIVES[self.base]
        elif types[self.base].kind == "enum":
            self.c_type, self.kind, least = "int32_t", "INT32", 4
        else:
            named = types[self.base]
            self.c_type, self.kind, least, self.type_name = named.c_name, "STRUCT", named.least, named.symbol
        padded = (least * self.limit + 3) // 4 * 4
        self.least = {"ONE": least, "OPTIONAL": 4, "ARRAY": padded, "LIST": 4}[self.shape]

    def count_name(self):
        return self.name + ("_len" if self.kind == "BYTES" else "_count")

    def declaration(self):
        star = self.c_type if self.c_type.endswith("*") else self.c_type + " "
        if self.is_uuid:
            return [f"Uuid {self.name};"]
        if self.shape == "ARRAY":
            return [f"{star}{self.name}[{self.limit}];"]
        if self.shape == "LIST":
            return [f"{star}*{self.name};", f"uint32_t {self.count_name()};"]
        if self.shape == "OPTIONAL" and self.base != "str":
            return [f"{star}*{self.name};"]
        return [f"{star}{self.name};"]

    def row(self, struct, selector=0):
        count = f"offsetof({struct}, {self.count_name()})" if self.shape == "LIST" else "0"
        type_name = f"&{self.type_name}" if self.type_name else "NULL"
        return (f'    {{"{self.name}", {type_name}, {self.limit}, {selector}, offsetof({struct}, {self.name}), {count}, '
                f"WIRE_{self.kind}, WIRE_{self.shape}, {int(self.is_secret)}}},")


class Struct:
    """A struct or union: knows how to declare itself and how to write its codec rows."""

    def __init__(self, c_name, symbol, log_name, kind, text):
        self.c_name, self.symbol, self.log_name, self.kind, self.text = c_name, symbol, log_name, kind, text

    def resolve(self, types):
        if self.kind == "union":
            selector, *arms = self.text.split()
            assert selector == "int32"
            self.arms = [(int(number), Field(f"{arm}:{arm}")) for number, arm in (a.split("=") for a in arms)]
            self.fields = [field for _, field in self.arms]
        else:
            self.fields = [Field(text) for text in self.text.split(", ")]
        for field in self.fields:
            field.resolve(types)
        least = [field.least for field in self.fields]
        self.least = 4 + min(least) if self.kind == "union" else sum(least)

    def declare(self):
        lines = [line for field in self.fields for line in field.declaration()]
        if self.kind == "union":
            inner = "".join(f"        {line}\n" for line in dict.fromkeys(lines))
            return f"typedef struct {{\n    int32_t selector;\n    union {{\n{inner}    }};\n}} {self.c_name};"
        return "typedef struct {\n" + "".join(f"    {line}\n" for line in lines) + f"}} {self.c_name};"

    def define(self, storage):
        if self.kind == "union":
            body = [field.row(self.c_name, number) for number, field in self.arms]
        else:
            body = [field.row(self.c_name) for field in self.fields]
        rows_name = self.symbol + "_fields"
        return "\n".join([f"static const WireField {rows_name}[] = {{", *body, "};",
                          f'{storage}const WireType {self.symbol} = {{"{self.log_name}", {rows_name}, sizeof({self.c_name}), '
                          f'{self.least}, {len(body)}, {int(self.kind == "union")}}};'])


class Enum:
    kind = "enum"

    def __init__(self, name, text):
        self.name, self.values = name, [value.split("=") for value in text.split()]

    def declare(self):
        body = "".join(f"    WIRE_{self.name.upper()}_{word.upper()} = {number},\n" for number, word in self.values)
        return f"typedef enum {{\n{body}}} Wire{camel(self.name)};"


class Procedure:
    STREAMS = {"-": "WIRE_STREAM_NONE", "down": "WIRE_STREAM_DOWN", "up": "WIRE_STREAM_UP", "both": "WIRE_STREAM_BOTH",
               "up+holes": "WIRE_STREAM_UP | WIRE_STREAM_HOLES", "down+holes": "WIRE_STREAM_DOWN | WIRE_STREAM_HOLES"}
    FDS = {"-": "WIRE_FDS_NONE", "call": "WIRE_FDS_CALL", "reply": "WIRE_FDS_REPLY",
           "call,reply": "WIRE_FDS_CALL | WIRE_FDS_REPLY"}
    READONLY = {"-": "WIRE_READONLY_YES", "yes": "WIRE_READONLY_YES", "no": "WIRE_READONLY_NO", "flag": "WIRE_READONLY_FLAG"}

    def __init__(self, program, row):
        (number, self.name, self.kind, self.prio, self.stream, self.fds, self.readonly, args, ret, self.acl) = row
        self.number, self.program = int(number), program
        self.symbol = f"{program.name}_{self.name}"
        self.args = self.body(args, "msg" if self.kind == "event" else "args")
        self.ret = self.body(ret, "ret")

    def body(self, text, part):
        if text == "-":
            return None
        words = {"args": "arguments", "ret": "result", "msg": "event"}
        return Struct(camel(f"{self.symbol}_{part}"), f"{self.symbol}_{part}", f"{words[part]} of {self.name}", "struct", text)

    def row(self):
        args, ret = (f"&{body.symbol}" if body else "NULL" for body in (self.args, self.ret))
        kind = "WIRE_EVENT" if self.kind == "event" else "WIRE_CALL"
        priority = "WIRE_HIGH" if self.prio == "high" else "WIRE_LOW"
        acl = "" if self.acl in ("-", "none") else self.acl
        return (f'    {{"{self.name}", "{acl}", {args}, {ret}, {self.program.upper}_PROGRAM, {self.number}, {kind}, {priority}, '
                f"{self.STREAMS[self.stream]}, {self.FDS[self.fds]}, {self.READONLY[self.readonly]}}},")


class Program:
    def __init__(self, path):
        with open(path, encoding="utf-8") as table:
            self.name, self.number, self.version = re.match(
                r"# Program (\w+), number (0x[0-9a-f]+), version (\d+)", table.readline()).groups()
        self.upper = self.name.upper()
        self.procedures = sorted((Procedure(self, row) for row in rows(path)), key=lambda p: p.number)
        numbers = [procedure.number for procedure in self.procedures]
        if len(set(numbers)) != len(numbers):
            raise SystemExit(f"gen_wire.py: {path} has a number twice")

    def bodies(self):
        return [body for procedure in self.procedures for body in (procedure.args, procedure.ret) if body]


def load(types_path, program_paths):
    """The tables: named types by name (in an order in which each comes after what it contains), constants, programs."""
    types, constants = {}, {}
    waiting = [row for row in rows(types_path)]
    programs = [Program(path) for path in program_paths]
    used_programs = {"frame", "header"} | {program.name for program in programs}
    for kind, name, text, origin in waiting:
        if kind == "const" and origin in used_programs and not name.endswith(("_program", "_version")):
            constants[name] = text
        elif kind == "enum":
            types[name] = Enum(name, text)
    waiting = [row for row in waiting if row[0] in ("struct", "union") and row[3] in used_programs]
    while waiting:
        late = []
        for row in waiting:
            kind, name, text, _ = row
            struct = Struct("Wire" + camel(name), "wire_type_" + name, name, kind, text)
            try:
                struct.resolve(types)
            except KeyError:
                late.append(row)
                continue
            types[name] = struct
        if len(late) == len(waiting):
            raise SystemExit("gen_wire.py: types that contain unknown types or themselves: " + ", ".join(r[1] for r in late))
        waiting = late
    for program in programs:
        for body in program.bodies():
            body.resolve(types)
    return types, constants, programs


def write(path, text):
    with open(path, "w", encoding="utf-8") as target:
        target.write(text)


def procedures(header_path, source_path, types_path, *program_paths):
    types, constants, programs = load(types_path, program_paths)
    head = ["/* SPDX-License-Identifier: LGPL-2.1-or-later */",
            "/* Generated from protocol/: numbers, structs and rows of the wire. */"]
    header = head + ["#pragma once", "", '#include "base/uuid.h"', '#include "wire/procedure.h"', ""]
    header += [f"#define WIRE_{name.upper()} {text}" for name, text in constants.items()] + [""]
    header += [item.declare() for item in types.values()] + [""]
    header += [f"extern const WireType {item.symbol};" for item in types.values() if item.kind != "enum"] + [""]
    source = head + ['#include "wire/procedures.h"', "", "#include <stddef.h>", "",
                     "/* The rows hold sizes and offsets in 16 bits. */", "/* clang-format off */"]
    source += [item.define("") for item in types.values() if item.kind != "enum"]
    for program in programs:
        header += [f"#define {program.upper}_PROGRAM {program.number}", f"#define {program.upper}_VERSION {program.version}",
                   "typedef enum {", *(f"    {p.symbol.upper()} = {p.number}," for p in program.procedures),
                   f"}} {camel(program.name)}Procedure;", ""]
        for body in program.bodies():
            header.append(body.declare())
            source.append(body.define("static "))
        source += [f"static const WireProcedure {program.name}_procedures[] = {{", *(p.row() for p in program.procedures), "};"]
    source += ["const WireProgram wire_programs[] = {"]
    source += [f'    {{"{p.name}", {p.upper}_PROGRAM, {p.upper}_VERSION, {p.name}_procedures, G_N_ELEMENTS({p.name}_procedures)}},'
               for p in programs]
    source += ["    {NULL},", "};", ""]
    write(header_path, "\n".join(header) + "\n")
    write(source_path, "\n".join(source))


PAGE_HEAD = """# The wire

Generated from `protocol/*.tsv` and the tables of the service functions; do not edit.

Ferry speaks libvirt's RPC. A frame is a length word that counts itself, six words of header (program, version,
procedure, type, serial, status) and a body in XDR: big-endian words, everything padded to four bytes. A call is answered
by a reply with the same serial, a result or an error; events come as messages without being asked for; streams carry
bytes beside the calls. Field types are explained at the head of `protocol/remote.tsv`.

*Served*: `yes`; `absent` for nouns that a ferryd does not keep (lists are empty, look-ups find nothing); `-` answers
"not supported" (code 3). *Read-only*: allowed on a read-only connection; `flag`: except for some flag bits.
"""


def served_by(sources):
    """{"remote_domain_suspend": "yes", …} from the rows in the sources of the service functions."""
    found = {}
    for path in sources:
        with open(path, encoding="utf-8") as source:
            text = source.read()
        for program, name in re.findall(r"SERVER_ROW\((\w+),\s*(\w+),", text):
            found[f"{program}_{name}".lower()] = "yes"
        for name in re.findall(r"\b(?:EMPTY|OF_DOMAIN)\((\w+)\)|\{ REMOTE_(\w+), ABSENT_", text):
            found.setdefault("remote_" + (name[0] or name[1]).lower(), "absent")
        for noun in re.findall(r"\bWATCH\(([A-Z_]+)\)", text):
            for verb in ("register", "deregister"):
                found[f"remote_connect_{noun.lower()}_event_{verb}_any"] = "absent"
    return found


def page(target, *paths):
    cut = paths.index("--")
    _, _, programs = load(*paths[:1], paths[1:cut])
    served = served_by(paths[cut + 1:])
    out = [PAGE_HEAD]
    for program in programs:
        out += [f"## Program {program.name}, {program.number}, version {program.version}", ""]
        calls = [p for p in program.procedures if p.kind == "call"]
        if calls:
            out += ["| nr | procedure | served | read-only | stream | descriptors | arguments | result |",
                    "|---|---|---|---|---|---|---|---|"]
        for p in calls:
            args, ret = (body.text.replace("!secret", "") if body else "-" for body in (p.args, p.ret))
            out.append(f"| {p.number} | {p.name} | {served.get(p.symbol, '-')} | {p.readonly} | {p.stream} | {p.fds} | {args} | {ret} |")
        events = [p for p in program.procedures if p.kind == "event"]
        if events:
            out += ["", "| nr | event | payload |", "|---|---|---|"]
            out += [f"| {p.number} | {p.name} | {p.args.text if p.args else '-'} |" for p in events]
        out.append("")
    write(target, "\n".join(out))


if __name__ == "__main__":
    {"errors": errors, "procedures": procedures, "page": page}[sys.argv[1]](*sys.argv[2:])
