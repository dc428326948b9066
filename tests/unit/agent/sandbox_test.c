/* sandbox_test.c - what is public of a folder, and which system calls fail */
#include "actors/base/ama_str.h"
#include "agent/sandbox_filter.h"
#include "agent/sandbox_rules.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static char root[] = "/tmp/ama-test-XXXXXX";

static void put (const char *name, mode_t mode)
{
    ama_str_t path = { 0 };
    size_t size = strlen (name);
    int fd;

    ama_str_printf (&path, "%s/%s", root, name);
    if (name[size - 1] == '/')
        assert_int_equal (mkdir (path.data, 0700), 0);
    else {
        fd = open (path.data, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
        assert_true (fd >= 0);
        (void) close (fd);
    }
    assert_int_equal (chmod (path.data, mode), 0);
    ama_str_done (&path);
}

/* "name:rights" of each rule, in the order of their names. */
static void check (const char *name, const char *expected)
{
    ama_sandbox_rules_t rules = { 0 };
    ama_str_t path = { 0 }, said = { 0 };
    char *lines[SANDBOX_RULES_MAX];

    ama_str_printf (&path, "%s/%s", root, name);
    ama_sandbox_rules_public (&rules, path.data);
    for (size_t i = 0; i < rules.count; i++) {
        char link[64], real[256];
        ssize_t n;
        (void) snprintf (link, sizeof link, "/proc/self/fd/%d", rules.all[i].fd);
        n = readlink (link, real, sizeof real - 1);
        assert_true (n > (ssize_t) strlen (root));
        real[n] = '\0';
        lines[i] = ama_strdup (real + strlen (root) + 1);
    }
    for (size_t i = 0; i < rules.count; i++)
        for (size_t k = i + 1; k < rules.count; k++)
            if (strcmp (lines[k], lines[i]) < 0) {
                char *line = lines[i];
                ama_sandbox_rule_t rule = rules.all[i];
                lines[i] = lines[k];
                lines[k] = line;
                rules.all[i] = rules.all[k];
                rules.all[k] = rule;
            }
    for (size_t i = 0; i < rules.count; i++) {
        ama_str_printf (&said, "%s%s:%s", i ? " " : "", lines[i],
                        rules.all[i].allowed == ama_sandbox_rules_fit (rules.all[i].fd, LL_READ) ? "all"
                        : rules.all[i].allowed == LL_READ_DIR                                    ? "names"
                                                                                                 : "?");
        free (lines[i]);
    }
    assert_string_equal (said.data ? said.data : "", expected);
    ama_sandbox_rules_close (&rules);
    ama_str_done (&path);
    ama_str_done (&said);
}

static void public_files (void **state)
{
    (void) state;
    assert_non_null (mkdtemp (root));
    put ("open/", 0755);
    put ("open/a", 0644);
    put ("open/sub/", 0755);
    put ("open/sub/b", 0644);
    put ("mixed/", 0755);
    put ("mixed/a", 0644);
    put ("mixed/secret", 0600);
    put ("mixed/group", 0640);
    put ("mixed/closed/", 0750);
    put ("mixed/closed/a", 0644);
    put ("mixed/sub/", 0755);
    put ("mixed/sub/b", 0644);
    check ("open", "open:all");
    check ("mixed", "mixed:names mixed/a:all mixed/sub:all");
    check ("mixed/secret", "");
    check ("mixed/closed", "");
    check ("mixed/a", "mixed/a:all");
    check ("none", "");
}

static void links_lead_nowhere (void **state)
{
    ama_str_t from = { 0 }, to = { 0 };

    (void) state;
    ama_str_printf (&from, "%s/open/link", root);
    ama_str_printf (&to, "%s/mixed/secret", root);
    assert_int_equal (symlink (to.data, from.data), 0);
    check ("open", "open:all");
    check ("open/link", "");
    ama_str_done (&from);
    ama_str_done (&to);
}

static int inside (void)
{
    pid_t child;
    int status;

    if (prctl (PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 || ama_sandbox_filter_enter () != 0)
        return 1;
    if (ptrace (PTRACE_TRACEME, 0, NULL, NULL) == 0 || errno != EPERM)
        return 2;
    if (unshare (CLONE_NEWUSER) == 0 || errno != EPERM)
        return 3;
    if (unshare (CLONE_FS) < 0)
        return 4;
    if (syscall (SYS_mount, "none", "/", "tmpfs", 0, NULL) == 0 || errno != EPERM)
        return 5;
    if (syscall (435, NULL, 0) == 0 || errno != ENOSYS) /* clone3 */
        return 6;
    if (syscall (SYS_clone, CLONE_NEWNET | SIGCHLD, NULL, NULL, NULL, NULL) >= 0 || errno != EPERM)
        return 7;
    child = fork ();
    if (child == 0)
        _exit (getppid () > 0 ? 0 : 1);
    if (child < 0 || waitpid (child, &status, 0) != child || status != 0)
        return 8;
    return 0;
}

static void calls (void **state)
{
    pid_t child;
    int status;

    (void) state;
    if (!ama_sandbox_filter_works ())
        skip ();
    child = fork ();
    if (child == 0)
        _exit (inside ());
    assert_true (child > 0);
    assert_int_equal (waitpid (child, &status, 0), child);
    assert_int_equal (WIFEXITED (status) ? WEXITSTATUS (status) : 99, 0);
}

static int clean (void **state)
{
    ama_str_t command = { 0 };
    int rc;

    (void) state;
    ama_str_printf (&command, "rm -rf '%s'", root);
    rc = system (command.data);
    ama_str_done (&command);
    return rc;
}

int main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (public_files),
        cmocka_unit_test (links_lead_nowhere),
        cmocka_unit_test (calls),
    };

    return cmocka_run_group_tests (tests, NULL, clean);
}
