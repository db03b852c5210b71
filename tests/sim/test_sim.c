/*
 * test_sim.c - lives through worlds (sim.h), one seed after the other, until so many runs have lived.
 *
 *     test_sim LIVES [FIRST_SEED]            worlds until LIVES runs have come to their end
 *     SLUICE_SIM_SEED=N test_sim             that world only
 *     SLUICE_SIM_STORY=1                     told line by line on stderr
 *
 * A seed that fails is printed as the command that lives through it again.
 */
#include "sim.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static const char *program;
/* How to see the present world again; made before it begins, since a signal may end it anywhere. */
static char replay[400];
static size_t replay_len;

void __asan_on_error(void);

static void print_replay(void)
{
    if (write(STDERR_FILENO, replay, replay_len) != (ssize_t)replay_len)
        _exit(1);
}

static void on_abort(int number)
{
    (void)number;
    print_replay();
    _exit(1);
}

/* Called by the address sanitizer, if it is there. */
void __asan_on_error(void)
{
    print_replay();
}

static uint64_t number_from(const char *variable, uint64_t otherwise)
{
    const char *text = getenv(variable);
    return text == NULL ? otherwise : strtoull(text, NULL, 10);
}

static bool live_through(uint64_t seed, struct sim_result *result)
{
    int len = snprintf(replay, sizeof(replay), "SLUICE_SIM_SEED=%llu SLUICE_SIM_STORY=1 %.300s\n",
                       (unsigned long long)seed, program);
    replay_len = (size_t)len;
    sim_run(seed, getenv("SLUICE_SIM_STORY") != NULL ? stderr : NULL, result);
    if (!result->has_failed)
        return true;
    fprintf(stderr, "%s\n", result->failure);
    print_replay();
    return false;
}

/* The same seed is the same world. */
static bool is_repeatable(uint64_t seed)
{
    struct sim_result first;
    struct sim_result second;
    if (!live_through(seed, &first) || !live_through(seed, &second))
        return false;
    if (first.hash == second.hash)
        return true;
    fprintf(stderr, "the same seed was not the same world\n");
    print_replay();
    return false;
}

int main(int argc, char **argv)
{
    long lives_wanted = argc > 1 ? strtol(argv[1], NULL, 10) : 1000;
    uint64_t seed = argc > 2 ? strtoull(argv[2], NULL, 10) : 1;
    uint64_t only = number_from("SLUICE_SIM_SEED", 0);
    uint64_t keep_on = number_from("SLUICE_SIM_KEEP_ON", 0);
    struct sim_result r;
    program = argv[0];
    (void)signal(SIGABRT, on_abort);
    if (only != 0) {
        bool is_fine = live_through(only, &r);
        printf("seed %llu: %d runs, %llu steps, %lld s, hash %016llx\n", (unsigned long long)only, r.lives,
               (unsigned long long)r.steps, (long long)(r.fake_ms / 1000), (unsigned long long)r.hash);
        return is_fine ? 0 : 1;
    }
    if (keep_on == 0 && !is_repeatable(seed))
        return 1;
    clock_t began = clock();
    long lives = 0;
    long worlds = 0;
    long crashes = 0;
    long faults = 0;
    long failed = 0;
    long long steps = 0;
    for (; lives < lives_wanted; seed++, worlds++) {
        if (!live_through(seed, &r)) {
            failed++;
            if (keep_on == 0)
                return 1;
        }
        lives += r.lives;
        crashes += r.crashes;
        faults += r.faults;
        steps += (long long)r.steps;
    }
    double seconds = (double)(clock() - began) / CLOCKS_PER_SEC;
    printf("%ld lives in %ld worlds, %lld steps, %ld crashes, %ld faults; %.1f s, %.0f lives/s; %ld failed\n",
           lives, worlds, steps, crashes, faults, seconds, (double)lives / seconds, failed);
    return failed == 0 ? 0 : 1;
}
