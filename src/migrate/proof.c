/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "migrate/proof.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "base/error.h"
#include "base/file.h"
#include "base/log.h"
#include "base/number.h"
#include "migrate/migration.h"

#define PROOF_TIMEOUT_MS (5 * 1000)
#define SERIAL_MAX       512

typedef struct {
    char *path;
    CookieProof proof;
    char *note; /* source: where the nonce's path is kept while it lies there */
    ProofResult result;
    char *why;
} ProofJob;

static void job_free(void *data)
{
    ProofJob *job = data;

    cookie_proof_clear(&job->proof);
    g_free(job->path);
    g_free(job->note);
    g_free(job->why);
    g_free(job);
}

/* --- where the nonce lies --- */

/* The folder and the name that the image really has: links are followed, so that two ways to one file meet, and the name
 * is part of the nonce's, so that a neighbour in the same folder is another file. */
static char *nonce_path(const char *real, const char *id)
{
    g_autofree char *dir = g_path_get_dirname(real);
    g_autofree char *base = g_path_get_basename(real);
    g_autofree char *sum = g_compute_checksum_for_string(G_CHECKSUM_SHA256, base, -1);

    return g_strdup_printf("%s/" PROOF_PREFIX "%s-%.16s", dir, id, sum);
}

/* What the hardware says it is; NULL if it says nothing. */
static char *device_serial(const struct stat *status)
{
    static const char *const files[] = {"wwid", "device/wwid", "dm/uuid", "serial"};

    for (size_t i = 0; i < G_N_ELEMENTS(files); i++) {
        g_autofree char *path = g_strdup_printf("/sys/dev/block/%u:%u/%s", major(status->st_rdev), minor(status->st_rdev), files[i]);
        g_autofree char *text = file_read(path, SERIAL_MAX, NULL, NULL);

        if (text && *g_strstrip(text))
            return g_steal_pointer(&text);
    }
    return NULL;
}

static char *notes_dir(void)
{
    return g_build_filename(migrate_settings()->state_dir, "nonces", NULL);
}

/* --- the source --- */

static gboolean write_nonce(const char *path, const char *text, GError **error)
{
    auto_fd int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0644);
    size_t len = strlen(text);

    if (fd < 0)
        return error_errno(error, "cannot lay a proof beside the image, '%s'", path);
    if (write(fd, text, len) == (ssize_t)len && fchmod(fd, 0644) == 0) /* whatever the umask */
        return TRUE;
    error_errno(error, "cannot write a proof beside the image, '%s'", path);
    unlink(path);
    return FALSE;
}

/* On a worker. */
static gboolean lay_work(void *data, GError **error)
{
    ProofJob *job = data;
    char *real = realpath(job->path, NULL);
    g_autofree char *nonce = real ? nonce_path(real, job->proof.id) : NULL;
    g_autoptr(GError) why = NULL;
    struct stat status;

    free(real);
    if (!nonce || stat(job->path, &status) < 0)
        return error_errno(error, "cannot look at image '%s'", job->path);
    if (S_ISBLK(status.st_mode)) {
        job->proof.serial = device_serial(&status);
        return job->proof.serial || error_set(error, ERROR_OPERATION_FAILED,
                                              "operation failed: device '%s' has no serial number to prove it by", job->path);
    }
    job->proof.inode = status.st_ino;
    /* The note first: a daemon that is killed between the two finds nothing to remove, and is content. */
    if (!g_file_set_contents(job->note, nonce, -1, &why))
        return error_set(error, ERROR_OPERATION_FAILED, "operation failed: cannot note the file to write beside the image: %s",
                         why->message);
    if (write_nonce(nonce, job->proof.secret, error))
        return TRUE;
    unlink(job->note);
    return FALSE;
}

AWAITS gboolean proof_lay(const char *path, const char *target, unsigned layer, CookieProof *ret_proof, GError **error)
{
    g_autofree char *dir = notes_dir();
    g_autofree char *what = g_strdup_printf("a proof beside '%s'", path);
    uint8_t id[COOKIE_PROOF_ID_BYTES], secret[COOKIE_PROOF_SECRET_BYTES];
    g_autoptr(Work) work = NULL;
    ProofJob *job;

    g_assert(getrandom(id, sizeof id, 0) == sizeof id && getrandom(secret, sizeof secret, 0) == sizeof secret);
    job = g_new0(ProofJob, 1);
    job->path = g_strdup(path);
    job->proof = (CookieProof){
        .target = g_strdup(target),
        .layer = layer,
        .id = hex_format(id, sizeof id),
        .secret = hex_format(secret, sizeof secret),
    };
    job->note = g_build_filename(dir, job->proof.id, NULL);
    work = work_new(what, lay_work, job, job_free);
    if (!work_run(work, PROOF_TIMEOUT_MS, error))
        return FALSE;
    *ret_proof = job->proof;
    job->proof = (CookieProof){0};
    return TRUE;
}

/* The note tells where the nonce lies; it goes last. */
static void remove_noted(const char *note)
{
    g_autofree char *nonce = file_read(note, PATH_MAX, NULL, NULL);

    if (nonce && *nonce == '/' && strstr(nonce, "/" PROOF_PREFIX) && unlink(nonce) < 0 && errno != ENOENT)
        log_warning("cannot remove the proof '%s': %s, continuing: it is not needed any more", nonce, g_strerror(errno));
    unlink(note);
}

/* On a worker. */
static gboolean remove_work(void *data, GError **error)
{
    char **notes = data;

    for (char **note = notes; *note; note++)
        remove_noted(*note);
    return TRUE;
}

AWAITS static void remove_task(void *data)
{
    char **notes = data;
    g_autoptr(Work) work = work_new("the removal of proofs", remove_work, notes, (GDestroyNotify)g_strfreev);

    work_run(work, PROOF_TIMEOUT_MS, NULL);
}

/* Takes notes. */
static void remove_soon(GPtrArray *notes)
{
    g_ptr_array_add(notes, NULL);
    if (notes->len > 1)
        task_spawn("proofs", remove_task, g_ptr_array_free(notes, FALSE), NULL);
    else
        g_ptr_array_free(notes, TRUE);
}

static GPtrArray *notes_of(const GArray *proofs)
{
    g_autofree char *dir = notes_dir();
    GPtrArray *notes = g_ptr_array_new();

    for (guint i = 0; i < proofs->len; i++) {
        const CookieProof *proof = &g_array_index(proofs, CookieProof, i);

        if (!proof->serial)
            g_ptr_array_add(notes, g_build_filename(dir, proof->id, NULL));
    }
    return notes;
}

void proofs_remove(const GArray *proofs)
{
    remove_soon(notes_of(proofs));
}

AWAITS void proofs_remove_now(const GArray *proofs)
{
    GPtrArray *notes = notes_of(proofs);

    g_ptr_array_add(notes, NULL);
    remove_task(g_ptr_array_free(notes, FALSE));
}

void proofs_remove_leftovers(void)
{
    g_autofree char *path = notes_dir();
    g_autoptr(GDir) dir = g_dir_open(path, 0, NULL);
    GPtrArray *notes = g_ptr_array_new();
    const char *name;

    while (dir && (name = g_dir_read_name(dir)))
        g_ptr_array_add(notes, g_build_filename(path, name, NULL));
    remove_soon(notes);
}

/* --- the destination --- */

static ProofResult other(ProofJob *job, const char *why)
{
    job->why = g_strdup(why);
    return PROOF_OTHER;
}

static ProofResult unknown(ProofJob *job, const char *what, int number)
{
    job->why = number ? g_strdup_printf("%s: %s", what, g_strerror(number)) : g_strdup(what);
    return PROOF_UNKNOWN;
}

static ProofResult compare_device(ProofJob *job, const struct stat *status)
{
    g_autofree char *serial = S_ISBLK(status->st_mode) ? device_serial(status) : NULL;

    if (!S_ISBLK(status->st_mode))
        return other(job, "it is a file here and a device at the source");
    if (!serial)
        return unknown(job, "the device has no serial number here", 0);
    return g_str_equal(serial, job->proof.serial) ? PROOF_SAME : other(job, "the device has another serial number here");
}

static ProofResult compare_file(ProofJob *job, const char *real, const struct stat *status)
{
    g_autofree char *nonce = nonce_path(real, job->proof.id);
    auto_fd int fd = open(nonce, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    char text[2 * COOKIE_PROOF_SECRET_BYTES + 1] = "";
    ssize_t n;

    if (!S_ISREG(status->st_mode))
        return other(job, "it is no regular file here");
    if (fd < 0 && errno == ENOENT)
        return other(job, "what the source wrote beside it is not seen here");
    if (fd < 0 || (n = read(fd, text, sizeof text)) < 0)
        return unknown(job, "what the source wrote beside it cannot be read here", errno);
    if (n != (ssize_t)strlen(job->proof.secret) || memcmp(text, job->proof.secret, (size_t)n) != 0)
        return other(job, "what lies beside it here was not written by the source");
    if (status->st_ino != job->proof.inode)
        return unknown(job, "the folder is the same, but the file has another number", 0);
    return PROOF_SAME;
}

/* On a worker. */
static gboolean read_work(void *data, GError **error)
{
    ProofJob *job = data;
    char *real = realpath(job->path, NULL);
    struct stat status;

    if (!real || stat(real, &status) < 0)
        job->result = errno == ENOENT || errno == ENOTDIR ? PROOF_MISSING
                                                          : unknown(job, "it cannot be looked at", errno);
    else
        job->result = job->proof.serial ? compare_device(job, &status) : compare_file(job, real, &status);
    free(real);
    return TRUE;
}

AWAITS ProofResult proof_read(const char *path, const CookieProof *proof, char **ret_why)
{
    g_autofree char *what = g_strdup_printf("'%s'", path);
    g_autoptr(GError) error = NULL;
    g_autoptr(Work) work = NULL;
    ProofJob *job = g_new0(ProofJob, 1);

    job->path = g_strdup(path);
    cookie_proof_copy(proof, &job->proof);
    work = work_new(what, read_work, job, job_free);
    if (!work_run(work, PROOF_TIMEOUT_MS, &error)) {
        *ret_why = g_strdup(error->message);
        return PROOF_UNKNOWN;
    }
    *ret_why = g_steal_pointer(&job->why);
    return job->result;
}
