/*
 * bench_recovery_fakes.c - the process of the fakes: a server and an engine in the middle of many runs, whose
 * worker has just died.
 */
#include "bench_recovery.h"

#include "api/jobspec.h"
#include "base/random.h"
#include "scheduler/loop.h"
#include "tests/fakes/fake_engine.h"
#include "tests/fakes/fake_prefect.h"

#include <event2/event.h>

#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

struct fakes {
    struct loop *loop;
    struct fake_prefect *prefect;
    struct fake_engine *engine;
    char instance[64];
};

static void on_closed(evutil_socket_t fd, short what, void *arg)
{
    struct fakes *f = arg;
    (void)fd;
    (void)what;
    loop_stop(f->loop);
}

static void write_all(int fd, const void *data, size_t len)
{
    for (size_t done = 0; done < len;) {
        ssize_t n = write(fd, (const char *)data + done, len - done);
        CHECK(n > 0);
        done += (size_t)n;
    }
}

/* As many labels as a container of ours has. */
static char *body_of(const struct fakes *f, const struct recovery_row *row)
{
    return check_printf(
        "{\"Image\":\"" RECOVERY_IMAGE "\",\"Cmd\":[\"flow\"],\"Labels\":{\"io.sluice.launch\":\"%s\","
        "\"io.sluice.instance\":\"%s\",\"io.sluice.class\":\"default\",\"io.prefect.flow-run-id\":\"%s\","
        "\"io.prefect.work-pool-name\":\"" RECOVERY_POOL "\",\"io.prefect.version\":\"3.8.8\","
        "\"io.prefect.flow-run-name\":\"run\",\"io.prefect.flow-name\":\"flow\","
        "\"io.prefect.worker-name\":\"" RECOVERY_NAME "\",\"io.prefect.deployment-name\":\"nightly\"}}",
        row->launch_id, f->instance, row->flow_run_id);
}

static void make_row(struct fakes *f, const char *deployment, enum recovery_kind kind, int i,
                     struct recovery_row *row)
{
    const char *run =
        fake_prefect_add_run(f->prefect, &(struct fake_prefect_run){.deployment_id = deployment});
    random_uuid(&random_system, row->launch_id);
    snprintf(row->flow_run_id, sizeof(row->flow_run_id), "%s", run);
    (void)fake_prefect_propose(f->prefect, run,
                               &(struct prefect_proposal){.type = PREFECT_STATE_PENDING,
                                                          .name = "Pending",
                                                          .transition_id = row->launch_id});
    if (kind == RECOVERY_CREATING)
        return;
    char name[32];
    char *body = body_of(f, row);
    snprintf(name, sizeof(name), "row-%d", i);
    const struct fake_container *c = fake_engine_create(f->engine, name, body);
    free(body);
    CHECK(c != NULL && fake_engine_start(f->engine, c->id));
    snprintf(row->container_id, sizeof(row->container_id), "%s", c->id);
    (void)fake_prefect_container_runs(f->prefect, run);
    if (kind == RECOVERY_ENDED || kind == RECOVERY_REPORTING)
        fake_engine_exit(f->engine, c->id, 3);
}

void recovery_fakes_run(int rows, int is_mixed, void (*instance_of)(const char *api_url, char *text),
                        int out_fd, int in_fd)
{
    struct fakes f = {0};
    struct err err;
    prctl(PR_SET_NAME, "bench_fakes");
    CHECK(loop_new(&clock_system, &f.loop, &err) == 0);
    f.engine = fake_engine_new(loop_base(f.loop), loop_timers(f.loop), NULL);
    fake_engine_add_image(f.engine, RECOVERY_IMAGE);
    fake_engine_set_program(f.engine, &(struct fake_program){.run_ms = -1});
    fake_prefect_new(
        &(struct fake_prefect_settings){.base = loop_base(f.loop), .timers = loop_timers(f.loop), .seed = 7},
        &f.prefect);
    (void)fake_prefect_add_pool(f.prefect, RECOVERY_POOL, "docker", jobspec_default_template());
    const char *flow = fake_prefect_add_flow(f.prefect, "flow");
    const char *deployment = fake_prefect_add_deployment(
        f.prefect, &(struct fake_prefect_deployment){.name = "nightly",
                                                     .flow_id = flow,
                                                     .pool = RECOVERY_POOL,
                                                     .job_variables_json = "{\"image\":\"" RECOVERY_IMAGE
                                                                           "\",\"command\":\"flow\"}"});
    instance_of(fake_prefect_url(f.prefect), f.instance);
    struct recovery_addresses addresses = {0};
    snprintf(addresses.api_url, sizeof(addresses.api_url), "%s", fake_prefect_url(f.prefect));
    snprintf(addresses.engine_host, sizeof(addresses.engine_host), "%s", fake_engine_host(f.engine));
    snprintf(addresses.deployment_id, sizeof(addresses.deployment_id), "%s", deployment);
    snprintf(addresses.flow_id, sizeof(addresses.flow_id), "%s", flow);
    write_all(out_fd, &addresses, sizeof(addresses));
    for (int i = 0; i < rows; i++) {
        struct recovery_row row = {0};
        make_row(&f, deployment, recovery_kind_of(i, is_mixed), i, &row);
        write_all(out_fd, &row, sizeof(row));
    }
    struct event *closed = event_new(loop_base(f.loop), in_fd, EV_READ, on_closed, &f);
    CHECK(closed != NULL && event_add(closed, NULL) == 0);
    loop_run(f.loop);
    event_free(closed);
    fake_engine_free(f.engine);
    fake_prefect_free(f.prefect);
    loop_free(f.loop);
}
