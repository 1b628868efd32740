/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The peer book. */
#include "migrate/peer-book.h"

#include <string.h>

#include "base/error.h"
#include "host/address.h"

#define NAME_MAX_BYTES 255
#define NO_NAME "-"

typedef struct {
    Uuid uuid;            /* null: configured by name */
    char *name;           /* NO_NAME: not known */
    GPtrArray *addresses; /* of char *, learned: the newest last; configured: as written */
} Entry;

struct PeerBook {
    GPtrArray *configured;
    GPtrArray *learned; /* longest ago first */
};

static Entry *entry_new(const Uuid *uuid, const char *name)
{
    Entry *entry = g_new0(Entry, 1);

    if (uuid)
        entry->uuid = *uuid;
    entry->name = g_strdup(name);
    entry->addresses = g_ptr_array_new_with_free_func(g_free);
    return entry;
}

static void entry_free(void *data)
{
    Entry *entry = data;

    g_free(entry->name);
    g_ptr_array_free(entry->addresses, TRUE);
    g_free(entry);
}

PeerBook *peer_book_new(void)
{
    PeerBook *book = g_new0(PeerBook, 1);

    book->configured = g_ptr_array_new_with_free_func(entry_free);
    book->learned = g_ptr_array_new_with_free_func(entry_free);
    return book;
}

void peer_book_free(PeerBook *book)
{
    if (!book)
        return;
    g_ptr_array_free(book->configured, TRUE);
    g_ptr_array_free(book->learned, TRUE);
    g_free(book);
}

/* The name comes from the other side and goes to a file of words. */
static gboolean is_word(const char *name)
{
    size_t len = name ? strlen(name) : 0;

    if (len == 0 || len > NAME_MAX_BYTES)
        return FALSE;
    for (const char *c = name; *c; c++)
        if (!g_ascii_isalnum(*c) && !strchr("-._", *c))
            return FALSE;
    return TRUE;
}

/* Its one spelling; NULL: no address, or one that leads to whoever asks. */
static char *normal(const char *literal)
{
    struct sockaddr_storage address;

    if (!literal || !address_parse(literal, &address) || address_is_loopback(&address) || address_is_wildcard(&address))
        return NULL;
    return address_format(&address);
}

static int find_text(const GPtrArray *list, const char *text)
{
    for (unsigned i = 0; i < list->len; i++)
        if (g_str_equal(list->pdata[i], text))
            return (int)i;
    return -1;
}

static int find_learned(const PeerBook *book, const Uuid *uuid)
{
    for (unsigned i = 0; i < book->learned->len; i++)
        if (uuid_equal(&((const Entry *)book->learned->pdata[i])->uuid, uuid))
            return (int)i;
    return -1;
}

gboolean peer_book_learn(PeerBook *book, const Uuid *uuid, const char *name, const char *literal)
{
    g_autofree char *address = normal(literal);
    int at = uuid_is_null(uuid) ? -1 : find_learned(book, uuid);
    Entry *entry;
    gboolean is_newest;
    int known;

    if (!address || uuid_is_null(uuid))
        return FALSE;
    if (!is_word(name))
        name = NO_NAME;
    is_newest = at >= 0 && at == (int)book->learned->len - 1;
    entry = at >= 0 ? g_ptr_array_steal_index(book->learned, (unsigned)at) : entry_new(uuid, name);
    g_ptr_array_add(book->learned, entry); /* now the newest */
    if (book->learned->len > PEER_BOOK_HOSTS_MAX)
        g_ptr_array_remove_index(book->learned, 0);
    known = find_text(entry->addresses, address);
    if (is_newest && g_str_equal(entry->name, name) && known >= 0 && known == (int)entry->addresses->len - 1)
        return FALSE;
    if (!g_str_equal(entry->name, name)) {
        g_free(entry->name);
        entry->name = g_strdup(name);
    }
    if (known >= 0)
        g_ptr_array_remove_index(entry->addresses, (unsigned)known);
    g_ptr_array_add(entry->addresses, g_steal_pointer(&address));
    if (entry->addresses->len > PEER_BOOK_ADDRESSES_MAX)
        g_ptr_array_remove_index(entry->addresses, 0);
    return TRUE;
}

void peer_book_read(PeerBook *book, const char *text)
{
    g_auto(GStrv) lines = g_strsplit(text, "\n", -1);

    for (char **line = lines; *line; line++) {
        g_auto(GStrv) words = g_strsplit(*line, " ", PEER_BOOK_ADDRESSES_MAX + 3);
        unsigned count = g_strv_length(words);
        Uuid uuid;

        if (count < 3 || !uuid_parse(words[0], &uuid))
            continue;
        for (unsigned i = 2; i < count; i++)
            peer_book_learn(book, &uuid, words[1], words[i]);
    }
}

char *peer_book_format(const PeerBook *book)
{
    GString *text = g_string_new(NULL);

    for (unsigned i = 0; i < book->learned->len; i++) {
        const Entry *entry = book->learned->pdata[i];
        char uuid[UUID_TEXT_SIZE];

        g_string_append_printf(text, "%s %s", uuid_format(&entry->uuid, uuid), entry->name);
        for (unsigned j = 0; j < entry->addresses->len; j++)
            g_string_append_printf(text, " %s", (const char *)entry->addresses->pdata[j]);
        g_string_append_c(text, '\n');
    }
    return g_string_free(text, FALSE);
}

gboolean peer_book_configure(PeerBook *book, const char *row, GError **error)
{
    g_auto(GStrv) words = g_strsplit_set(row, " \t,", -1);
    Entry *entry = NULL;
    Uuid uuid;

    for (char **word = words; *word; word++) {
        g_autofree char *address = NULL;

        if (!**word)
            continue;
        if (!entry) {
            entry = entry_new(uuid_parse(*word, &uuid) ? &uuid : NULL, *word);
            g_ptr_array_add(book->configured, entry);
            continue;
        }
        address = normal(*word);
        if (!address)
            return error_set(error, ERROR_CONF_SYNTAX,
                             "peer = %s: '%s' is no address under which another host could be met: write a literal such "
                             "as 192.0.2.7",
                             row, *word);
        g_ptr_array_add(entry->addresses, g_steal_pointer(&address));
    }
    return (entry && entry->addresses->len > 0) ||
           error_set(error, ERROR_CONF_SYNTAX, "peer = %s: write the host's name and then its addresses", row);
}

char **peer_book_find(const PeerBook *book, const Uuid *uuid, const char *name)
{
    g_autoptr(GPtrArray) found = g_ptr_array_new_with_free_func(g_free);
    int learned = uuid && !uuid_is_null(uuid) ? find_learned(book, uuid) : -1;

    for (unsigned i = 0; i < book->configured->len; i++) {
        const Entry *entry = book->configured->pdata[i];
        gboolean is_it = uuid_is_null(&entry->uuid) ? name && g_ascii_strcasecmp(entry->name, name) == 0
                                                    : uuid && uuid_equal(&entry->uuid, uuid);

        for (unsigned j = 0; is_it && j < entry->addresses->len; j++)
            if (find_text(found, entry->addresses->pdata[j]) < 0)
                g_ptr_array_add(found, g_strdup(entry->addresses->pdata[j]));
    }
    if (learned >= 0) {
        const Entry *entry = book->learned->pdata[learned];

        for (unsigned j = entry->addresses->len; j > 0; j--)
            if (find_text(found, entry->addresses->pdata[j - 1]) < 0)
                g_ptr_array_add(found, g_strdup(entry->addresses->pdata[j - 1]));
    }
    g_ptr_array_add(found, NULL);
    return (char **)g_ptr_array_steal(found, NULL);
}
