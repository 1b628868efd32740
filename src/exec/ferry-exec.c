/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* ferry-exec: becomes what its options say, then the program behind "--".  ferryd starts every
 * child through it, so that the daemon never forks and never changes user, limits or namespaces
 * itself.
 *
 *   ferry-exec [--keep-fd=N]… [--user=UID --group=GID] [--cgroup=FOLDER] [--max-fds=N]
 * [--max-core=N]
 *              [--net-namespace=FILE] [--mount-namespace=FILE] [--note=FILE] [--die-with-parent]
 *              [--parent=PID] -- PROGRAM [ARGUMENT]…
 *
 * Exit status before the program runs: 125 for bad options or anything that could not be done, 126
 * for a program that cannot be run, 127 for one that is not there.  The order of the steps matters:
 * what needs privileges comes before the user is changed, the cgroup before the limits of the old
 * one could hurt, namespaces before all paths.
 *
 * --note writes "PID START-TIME" first of all; then the program runs only if the parent still
 * lives. So a daemon that is killed at any moment leaves either no program or one that its
 * successor finds by the note.  --die-with-parent is for what nobody needs without the daemon; it comes
 * behind the change of user, which would undo it.  Both want --parent. */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <grp.h>
#include <linux/capability.h>
#include <pwd.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { EXIT_SETUP = 125, EXIT_CANNOT_RUN = 126, EXIT_NOT_FOUND = 127 };

#define KEEP_MAX 4096

typedef struct {
    int keep[KEEP_MAX];
    int keep_count;
    long long user, group; /* -1: stay */
    long long max_fds, max_core;
    const char *cgroup;
    const char *net_namespace;
    const char *mount_namespace;
    const char *note;
    int dies_with_parent;
    long long parent;
} Options;

static Options options = {.user = -1, .group = -1, .max_fds = -1, .max_core = -1};

static void __attribute__((noreturn, format(printf, 2, 3))) die(int status, const char *format, ...)
{
    va_list args;

    fputs("ferry-exec: ", stderr);
    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    fputc('\n', stderr);
    exit(status);
}

static long long number(const char *name, const char *text, long long max)
{
    char *end = NULL;
    long long value;

    errno = 0;
    value = strtoll(text, &end, 10);
    if (errno || end == text || *end || value < 0 || value > max)
        die(EXIT_SETUP, "--%s=%s is not a number from 0 to %lld", name, text, max);
    return value;
}

static void keep_fd(const char *text)
{
    if (options.keep_count == KEEP_MAX)
        die(EXIT_SETUP, "more than %d descriptors to keep", KEEP_MAX);
    options.keep[options.keep_count++] = (int)number("keep-fd", text, 0x7fffffff);
}

static void parse(int argc, char **argv)
{
    static const struct option table[] = {
        {"keep-fd", required_argument, NULL, 'k'},
        {"user", required_argument, NULL, 'u'},
        {"group", required_argument, NULL, 'g'},
        {"cgroup", required_argument, NULL, 'c'},
        {"max-fds", required_argument, NULL, 'n'},
        {"max-core", required_argument, NULL, 'r'},
        {"net-namespace", required_argument, NULL, 'N'},
        {"mount-namespace", required_argument, NULL, 'M'},
        {"note", required_argument, NULL, 'o'},
        {"die-with-parent", no_argument, &options.dies_with_parent, 1},
        {"parent", required_argument, NULL, 'p'},
        {NULL, 0, NULL, 0},
    };
    int option;

    while ((option = getopt_long(argc, argv, "+", table, NULL)) != -1) {
        switch (option) {
        case 'k':
            keep_fd(optarg);
            break;
        case 'u':
            options.user = number("user", optarg, 0xfffffffeLL);
            break;
        case 'g':
            options.group = number("group", optarg, 0xfffffffeLL);
            break;
        case 'c':
            options.cgroup = optarg;
            break;
        case 'n':
            options.max_fds = number("max-fds", optarg, 0x7fffffff);
            break;
        case 'r':
            options.max_core = number("max-core", optarg, 0x7fffffffffffffffLL);
            break;
        case 'N':
            options.net_namespace = optarg;
            break;
        case 'M':
            options.mount_namespace = optarg;
            break;
        case 'o':
            options.note = optarg;
            break;
        case 0: /* a flag, already set */
            break;
        case 'p':
            options.parent = number("parent", optarg, 0x7fffffff);
            break;
        default:
            exit(EXIT_SETUP); /* getopt has spoken */
        }
    }
    if (optind >= argc || argv[optind][0] != '/')
        die(EXIT_SETUP, "no program with an absolute path behind the options");
    if ((options.user < 0) != (options.group < 0))
        die(EXIT_SETUP, "--user and --group go together");
}

/* Field 22 of /proc/self/stat, counted behind the name, which may hold anything. */
static unsigned long long own_start_time(void)
{
    char text[1024] = "";
    int fd = open("/proc/self/stat", O_RDONLY | O_CLOEXEC);
    ssize_t size = fd < 0 ? -1 : read(fd, text, sizeof text - 1);
    const char *p = size < 0 ? NULL : strrchr(text, ')');

    if (fd >= 0)
        close(fd);
    for (int field = 2; p && field < 22; field++)
        p = strchr(p + 1, ' ');
    return p ? strtoull(p + 1, NULL, 10) : 0;
}

static void check_parent(void)
{
    if (getppid() != (pid_t)options.parent)
        die(EXIT_SETUP, "the daemon has ended");
}

static void leave_note(void)
{
    char text[64];
    int fd, size;

    if (!options.note)
        return;
    size = snprintf(text, sizeof text, "%d %llu", (int)getpid(), own_start_time());
    fd = open(options.note, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0 || write(fd, text, (size_t)size) != size)
        die(EXIT_SETUP, "cannot write '%s': %s", options.note, strerror(errno));
    close(fd);
    check_parent();
}

/* Nothing that changes credentials may come behind it, nor may the program be one that gains some. */
static void die_with_parent(void)
{
    if (!options.dies_with_parent)
        return;
    if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) < 0)
        die(EXIT_SETUP, "cannot be tied to the daemon's end: %s", strerror(errno));
    check_parent(); /* it may have ended before that */
}

static void enter_namespace(const char *path, int kind)
{
    int fd;

    if (!path)
        return;
    fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || setns(fd, kind) < 0)
        die(EXIT_SETUP, "cannot enter namespace '%s': %s", path, strerror(errno));
    close(fd);
}

static void enter_cgroup(const char *folder)
{
    char path[4096];
    int fd;

    if (!folder)
        return;
    if (snprintf(path, sizeof path, "%s/cgroup.procs", folder) >= (int)sizeof path)
        die(EXIT_SETUP, "the name of the cgroup is too long");
    fd = open(path, O_WRONLY | O_CLOEXEC);
    if (fd < 0 || write(fd, "0", 1) != 1)
        die(EXIT_SETUP, "cannot enter cgroup '%s': %s", folder, strerror(errno));
    close(fd);
}

static void set_limit(int resource, const char *name, long long value)
{
    struct rlimit limit = {.rlim_cur = (rlim_t)value, .rlim_max = (rlim_t)value};
    struct rlimit old;

    if (value < 0)
        return;
    /* Without privileges the hard limit can only fall: take what there is. */
    if (getrlimit(resource, &old) == 0 && geteuid() != 0 && old.rlim_max < limit.rlim_max)
        limit.rlim_cur = limit.rlim_max = old.rlim_max;
    if (setrlimit(resource, &limit) < 0)
        die(EXIT_SETUP, "cannot set the limit of %s to %lld: %s", name, value, strerror(errno));
}

/* Out of the bounding set too, so that root's own programs do not get them back by execve. */
static void drop_capabilities_first(void)
{
    prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
    for (int cap = 0; prctl(PR_CAPBSET_READ, cap, 0, 0, 0) >= 0; cap++)
        if (prctl(PR_CAPBSET_DROP, cap, 0, 0, 0) < 0 && errno != EPERM)
            die(EXIT_SETUP, "cannot drop capability %d: %s", cap, strerror(errno));
}

static void drop_capabilities_last(void)
{
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct none[2] = {{0}, {0}};

    if (syscall(SYS_capset, &header, none) < 0)
        die(EXIT_SETUP, "cannot drop the capabilities: %s", strerror(errno));
}

/* Also the groups the user is a member of, as kvm may be one of them. */
static void become_user(uid_t user, gid_t group)
{
    const struct passwd *entry = getpwuid(user);

    if (entry ? initgroups(entry->pw_name, group) < 0 : setgroups(1, &group) < 0)
        die(EXIT_SETUP, "cannot set the groups of user %u: %s", user, strerror(errno));
    if (setresgid(group, group, group) < 0)
        die(EXIT_SETUP, "cannot become group %u: %s", group, strerror(errno));
    if (setresuid(user, user, user) < 0)
        die(EXIT_SETUP, "cannot become user %u: %s", user, strerror(errno));
}

static void change_user(void)
{
    if (options.user < 0)
        return;
    /* Without privileges there is nothing to change, as long as it asks for who we are. */
    if (geteuid() != 0 && (uid_t)options.user == geteuid() && (gid_t)options.group == getegid())
        return;
    drop_capabilities_first();
    become_user((uid_t)options.user, (gid_t)options.group);
    drop_capabilities_last();
}

static int compare_ints(const void *a, const void *b)
{
    int x = *(const int *)a, y = *(const int *)b;

    return (x > y) - (x < y);
}

/* All but 0, 1, 2 and the kept ones.  Kept ones lose close-on-exec; one that is not open is a
 * mistake of the caller. */
static void close_others(void)
{
    unsigned next = 3;

    qsort(options.keep, (size_t)options.keep_count, sizeof(int), compare_ints);
    for (int i = 0; i < options.keep_count; i++) {
        int fd = options.keep[i];
        int flags = fcntl(fd, F_GETFD);

        if (flags < 0 || fcntl(fd, F_SETFD, flags & ~FD_CLOEXEC) < 0)
            die(EXIT_SETUP, "descriptor %d is to be kept but is not open", fd);
        if ((unsigned)fd > next)
            close_range(next, (unsigned)fd - 1, 0);
        if ((unsigned)fd >= next)
            next = (unsigned)fd + 1;
    }
    close_range(next, ~0U, 0);
}

static void reset_signals(void)
{
    sigset_t none;

    for (int number_ = 1; number_ < NSIG; number_++)
        signal(number_, SIG_DFL);
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
}

int main(int argc, char **argv)
{
    char **program;

    parse(argc, argv);
    program = argv + optind;
    leave_note();
    enter_cgroup(options.cgroup);
    enter_namespace(options.mount_namespace, CLONE_NEWNS);
    enter_namespace(options.net_namespace, CLONE_NEWNET);
    set_limit(RLIMIT_NOFILE, "open files", options.max_fds);
    set_limit(RLIMIT_CORE, "core files", options.max_core);
    setsid(); /* fails only for one who leads a session already */
    umask(0002);
    change_user();
    die_with_parent();
    reset_signals();
    close_others();
    execv(program[0], program);
    die(errno == ENOENT ? EXIT_NOT_FOUND : EXIT_CANNOT_RUN, "cannot run '%s': %s", program[0],
        strerror(errno));
}
