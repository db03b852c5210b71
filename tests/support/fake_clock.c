/* fake_clock.c - see fake_clock.h. */
#include "tests/support/fake_clock.h"

#define START_MONO_MS 1000000
#define START_WALL_MS 1767225600000
#define DEADLINES_MAX 1000000

static int64_t read_mono_ms(void *arg)
{
    const struct fake_clock *fc = arg;
    return fc->mono_ms;
}

static int64_t read_wall_ms(void *arg)
{
    const struct fake_clock *fc = arg;
    return fc->wall_ms;
}

void fake_clock_init(struct fake_clock *fc)
{
    *fc = (struct fake_clock){.clock = {.mono_ms = read_mono_ms, .wall_ms = read_wall_ms, .arg = fc},
                              .mono_ms = START_MONO_MS,
                              .wall_ms = START_WALL_MS};
}

const struct clock *fake_clock_clock(const struct fake_clock *fc)
{
    return &fc->clock;
}

static void move(struct fake_clock *fc, int64_t ms)
{
    fc->mono_ms += ms;
    fc->wall_ms += ms;
}

void fake_clock_advance(struct fake_clock *fc, struct timers *timers, int64_t ms)
{
    int64_t end_ms = fc->mono_ms + ms;
    for (int turns = 0;; turns++) {
        CHECK(turns < DEADLINES_MAX);
        int64_t wait_ms = timers_next_ms(timers);
        if (wait_ms < 0 || fc->mono_ms + wait_ms > end_ms)
            break;
        move(fc, wait_ms);
        timers_run(timers);
        if (fc->after_timers != NULL)
            fc->after_timers(fc->after_timers_arg);
    }
    if (end_ms > fc->mono_ms)
        move(fc, end_ms - fc->mono_ms);
}
