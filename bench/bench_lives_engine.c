/* bench_lives_engine.c - see bench_lives.h. */
#include "bench_lives.h"

#include "tests/fakes/fake_engine.h"

#include <string.h>

#define RUN_MS 20

struct bench_engine {
    struct fake_engine *fake;
    void (*on_start)(void *arg, const char *flow_run_id);
    void *arg;
    int engine_ms;
};

static struct fake_program choose(void *arg, const struct fake_container *container)
{
    struct bench_engine *engine = arg;
    engine->on_start(engine->arg, container->flow_run_id);
    return (struct fake_program){.run_ms = RUN_MS};
}

static int64_t latency(void *arg, int call, int in_flight)
{
    const struct bench_engine *engine = arg;
    (void)in_flight;
    return call == FAKE_ENGINE_CREATE || call == FAKE_ENGINE_START ? engine->engine_ms : 0;
}

struct bench_engine *bench_engine_new(struct event_base *base, struct timers *timers, int engine_ms,
                                      void (*on_start)(void *arg, const char *flow_run_id), void *arg)
{
    struct bench_engine *engine = check_alloc(sizeof(*engine));
    engine->fake = fake_engine_new(base, timers, NULL);
    engine->on_start = on_start;
    engine->arg = arg;
    engine->engine_ms = engine_ms;
    if (engine_ms > 0)
        fake_engine_set_latency(engine->fake, latency, engine);
    fake_engine_add_image(engine->fake, BENCH_IMAGE);
    fake_engine_choose_program(engine->fake, choose, engine);
    return engine;
}

void bench_engine_free(struct bench_engine *engine)
{
    fake_engine_free(engine->fake);
    free(engine);
}

const char *bench_engine_host(const struct bench_engine *engine)
{
    return fake_engine_host(engine->fake);
}

int bench_engine_starts(const struct bench_engine *engine)
{
    return fake_engine_starts(engine->fake, NULL);
}

int bench_engine_calls(const struct bench_engine *engine)
{
    return fake_engine_calls(engine->fake, FAKE_ENGINE_ANY);
}

bool bench_engine_is_over(struct bench_engine *engine, int lives)
{
    size_t count = fake_engine_container_count(engine->fake);
    if (count < (size_t)lives)
        return false;
    for (size_t i = 0; i < count; i++)
        if (strcmp(fake_engine_container_at(engine->fake, i)->state, "exited") != 0)
            return false;
    return true;
}
