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

static uint64_t present_seed;
static const char *program;

void __asan_on_error(void);

static void print_seed(const char *why)
{
    char line[400];
    int len = snprintf(line, sizeof(line), "%s\nSLUICE_SIM_SEED=%llu SLUICE_SIM_STORY=1 %s\n", why,
                       (unsigned long long)present_seed, program);
    if (write(STDERR_FILENO, line, (size_t)len) != len)
        _exit(1);
}

static void on_abort(int number)
{
    (void)number;
    print_seed("the world broke off");
    _exit(1);
}

/* Called by the address sanitizer, if it is there. */
void __asan_on_error(void)
{
    print_seed("the sanitizer found something");
}

static uint64_t number_from(const char *variable, uint64_t otherwise)
{
    const char *text = getenv(variable);
    return text == NULL ? otherwise : strtoull(text, NULL, 10);
}

static bool live_through(uint64_t seed, struct sim_result *result)
{
    present_seed = seed;
    sim_run(seed, getenv("SLUICE_SIM_STORY") != NULL ? stderr : NULL, result);
    if (!result->has_failed)
        return true;
    print_seed(result->failure);
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
    print_seed("the same seed was not the same world");
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
