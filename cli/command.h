/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Commands: one entry each, from which parsing, help and completion come.  Commands that do the same
 * thing with another call share a file and its run function.  Words, order of positional arguments
 * and exit statuses are virsh's: 0 it worked, 1 it did not. */
#pragma once

#include <ferry/ferry.h>
#include <glib.h>

typedef enum {
    OPTION_FLAG,   /* --live */
    OPTION_TEXT,   /* --name VALUE, --name=VALUE, or by its place */
    OPTION_NUMBER, /* the same, decimal */
    OPTION_REST,   /* all further words by place */
} OptionKind;

typedef enum {
    OPTION_REQUIRED = 1 << 0,
    OPTION_NAMED = 1 << 1,  /* never by its place */
    OPTION_DOMAIN = 1 << 2, /* for completion: a domain's name */
    OPTION_FILE = 1 << 3,   /* for completion: a file */
    OPTION_HIDDEN = 1 << 4, /* another spelling, not shown */
} OptionFlags;

typedef struct {
    const char *name;
    OptionKind kind;
    unsigned flags;
    const char *help;
    const char *same_as; /* a spelling of that option */
    unsigned bit;        /* of a flag: what it adds to arguments_bits */
} Option;                /* a list ends with { NULL } */

typedef struct Session Session;
typedef struct Arguments Arguments;

typedef struct {
    const char *name;
    const char *group;
    const char *summary; /* one line */
    const char *help;    /* more; NULL: nothing more to say */
    const Option *options;
    int (*run)(Session *session, const Arguments *arguments); /* exit status */
    const void *plan; /* what a run of several commands does for this one */
} Command;

extern const Command *const commands[]; /* ends with NULL */
const Command *command_find(const char *name);

#define EXIT_OK  0
#define EXIT_BAD 1

/* ---- what was given ---- */

/* NULL, with the complaint printed: not what the command takes. */
Arguments *arguments_parse(const Command *command, char **words);
void arguments_free(Arguments *arguments);
gboolean arguments_has(const Arguments *arguments, const char *name);
const char *arguments_text(const Arguments *arguments, const char *name); /* NULL: not given */
/* Was checked while parsing: never fails for a number. */
guint64 arguments_number(const Arguments *arguments, const char *name, guint64 fallback);
char **arguments_rest(const Arguments *arguments); /* borrowed; may be empty, never NULL */
/* Of all flags given. */
unsigned arguments_bits(const Arguments *arguments);
/* Of the command they were given to. */
const void *arguments_plan(const Arguments *arguments);

/* ---- the session ---- */

struct Session {
    const char *uri; /* NULL: the default */
    gboolean is_readonly;
    gboolean is_quiet;
    FerryConnection *conn; /* opened at the first need */
};

/* NULL, with the complaint printed. */
FerryConnection *session_connect(Session *session);
/* The domain of --domain; NULL, with the complaint printed. */
FerryDomain *session_domain(Session *session, const Arguments *arguments);

/* "error: TEXT" on stderr; always EXIT_BAD.  session_fail says the library's error and frees it. */
int complain(const char *format, ...) G_GNUC_PRINTF(1, 2);
int fail(FerryError *error);
int fail_with(FerryError *error, const char *format, ...) G_GNUC_PRINTF(2, 3);
/* For people only: nothing with --quiet. */
void say(const Session *session, const char *format, ...) G_GNUC_PRINTF(2, 3);
/* A text and a line break, and the empty line behind it that virsh prints. */
void print_text(const Session *session, const char *text);
/* That empty line alone. */
void print_end(const Session *session);
/* The whole file, or NULL with the complaint printed. */
char *read_file(const char *path);

#define DOMAIN_OPTION                                                                              \
    {                                                                                              \
        "domain", OPTION_TEXT, OPTION_REQUIRED | OPTION_DOMAIN, "domain name, id or uuid"          \
    }
#define JSON_OPTION                                                                                \
    {                                                                                              \
        "json", OPTION_FLAG, 0, "print JSON, for programs"                                         \
    }

G_DEFINE_AUTOPTR_CLEANUP_FUNC(Arguments, arguments_free)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(FerryConnection, ferry_connection_close)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(FerryDomain, ferry_domain_free)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(FerryParams, ferry_params_free)
