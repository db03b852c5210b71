/* bench_streams_engine.c - see bench_streams.h. */
#include "bench_streams.h"

#include "tests/fakes/fake_engine.h"

struct streams_engine {
    struct fake_engine *fake;
    void (*on_start)(void *arg, const char *flow_run_id);
    void *arg;
};

static struct fake_program choose(void *arg, const struct fake_container *container)
{
    struct streams_engine *engine = arg;
    engine->on_start(engine->arg, container->flow_run_id);
    return (struct fake_program){.run_ms = -1};
}

struct streams_engine *streams_engine_new(struct event_base *base, struct timers *timers,
                                          void (*on_start)(void *arg, const char *flow_run_id), void *arg)
{
    struct streams_engine *engine = check_alloc(sizeof(*engine));
    engine->fake = fake_engine_new(base, timers, NULL);
    engine->on_start = on_start;
    engine->arg = arg;
    fake_engine_add_image(engine->fake, STREAMS_IMAGE);
    fake_engine_choose_program(engine->fake, choose, engine);
    fake_engine_forget_output(engine->fake);
    return engine;
}

void streams_engine_free(struct streams_engine *engine)
{
    fake_engine_free(engine->fake);
    free(engine);
}

const char *streams_engine_host(const struct streams_engine *engine)
{
    return fake_engine_host(engine->fake);
}

size_t streams_engine_open_logs(const struct streams_engine *engine)
{
    return (size_t)fake_engine_calls(engine->fake, FAKE_ENGINE_LOGS);
}

void streams_engine_write(struct streams_engine *engine, size_t index, const char *data, size_t len)
{
    const struct fake_container *c = fake_engine_container_at(engine->fake, index);
    if (c != NULL)
        (void)fake_engine_write_bytes(engine->fake, c->id, 1, data, len);
}
