/* abort.c: tests of assertions, which end a process. SPDX-License-Identifier: Apache-2.0 */
#include "base/assert.h"
#include "harness/test.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

static void run_as_child(void (*body)(void *arg), void *arg)
{
    int null = open("/dev/null", O_WRONLY | O_CLOEXEC);

    dup2(null, STDERR_FILENO);
    setrlimit(RLIMIT_CORE, &(struct rlimit){0, 0});
    assert_set_hook(NULL);
    body(arg);
    _exit(0);
}

bool test_aborts(void (*body)(void *arg), void *arg)
{
    pid_t child = fork();
    int status;

    if (child == 0)
        run_as_child(body, arg);
    if (child == -1 || waitpid(child, &status, 0) == -1)
        test_fail(__FILE__, __LINE__, "cannot run a child");
    return WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT;
}
