/*
 * test_sim_broken.c - the test of the test: a service with one known bug (sim_broken.c) must fail the
 * simulation within 1,000 lives.
 */
#include "sim.h"
#include "sim_broken.h"

#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#define LIVES_MAX 1000

/* In a process of its own, since a service with a bug may break off at a check of its own. */
static int live_with(size_t number)
{
    const char *what;
    struct sim_result r = {0};
    if (!sim_break(number, &what))
        return 2;
    int lives = 0;
    for (uint64_t seed = 1; lives < LIVES_MAX; seed++) {
        sim_run(seed, NULL, &r);
        lives += r.lives;
        if (r.has_failed) {
            printf("%s: caught within %d lives: %.300s\n", what, lives, r.failure);
            return 0;
        }
    }
    printf("%s: NOT caught within %d lives\n", what, lives);
    return 1;
}

int main(void)
{
    int missed = 0;
    for (size_t number = 0;; number++) {
        fflush(stdout);
        pid_t child = fork();
        if (child == 0)
            exit(live_with(number));
        int status = 0;
        CHECK(child > 0 && waitpid(child, &status, 0) == child);
        if (WIFEXITED(status) && WEXITSTATUS(status) == 2)
            break;
        if (WIFSIGNALED(status))
            printf("bug %zu: caught by signal %d\n", number, WTERMSIG(status));
        missed += WIFEXITED(status) && WEXITSTATUS(status) != 0;
    }
    return missed == 0 ? 0 : 1;
}
