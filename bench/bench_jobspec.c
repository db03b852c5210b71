/*
 * bench_jobspec.c - how long jobspec_render takes.
 *
 * Renders an ordinary run of an ordinary deployment again and again and prints the median, the 95th
 * percentile and the longest time of one rendering. The target is 200 us. The second line is a run that
 * refers to a block and two variables: both renderings, the one that asks and the one with the answers.
 */
#include "api/jobspec.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define ROUNDS 5000

static const char deployment[] =
    "{\"image\":\"registry.example:5000/team/"
    "flows:2026.11\",\"network_mode\":\"bridge\",\"env\":{\"STAGE\":\"live\","
    "\"REGION\":\"eu\",\"LOG_LEVEL\":\"INFO\",\"DATA_FOLDER\":\"/"
    "data\",\"TZ\":\"UTC\"},\"labels\":{\"team\":\"data\","
    "\"cost/center\":\"42\"},\"volumes\":[\"/srv/data:/data\",\"cache:/cache:rw\"],\"mem_limit\":\"2g\"}";
static const char run[] = "{\"env\":{\"STAGE\":\"test\",\"ATTEMPT\":\"1\"},\"name\":\"{{ ctx.flow.name }}-{{ "
                          "ctx.flow_run.name }}\"}";
static const char run_with_references[] =
    "{\"env\":{\"STAGE\":\"{{ prefect.variables.stage }}\",\"TOKEN\":\"{{ prefect.blocks.secret.token "
    "}}\",\"URL\":"
    "\"db://{{ prefect.blocks.secret.token }}@{{ prefect.variables.host }}\"}}";
static const char *const forwarded[] = {"PREFECT_API_URL",
                                        "http://prefect.example:4200/api",
                                        "PREFECT_API_KEY",
                                        "pnu_0123456789",
                                        "PREFECT_LOGGING_LEVEL",
                                        "INFO",
                                        NULL};

static double now_us(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec * 1e6 + (double)now.tv_nsec / 1e3;
}

static int compare(const void *left, const void *right)
{
    double difference = *(const double *)left - *(const double *)right;
    return difference < 0 ? -1 : difference > 0;
}

static void render(const struct jobspec_input *input, size_t questions)
{
    struct jobspec spec;
    struct err err = {0};
    if (jobspec_render(input, &spec, &err) != 0 || spec.question_count != questions) {
        fprintf(stderr, "not as expected: %s\n", err.msg);
        exit(1);
    }
    jobspec_done(&spec);
}

static double render_us(const struct jobspec_input *input)
{
    double start = now_us();
    render(input, 0);
    return now_us() - start;
}

static double render_with_references_us(const struct jobspec_input *plain)
{
    static char texts[][24] = {"secret",   "token",         "stage", "host", "", "{\"value\":\"s3cret\"}",
                               "\"live\"", "\"db.example\""};
    static char secret[] = "[\"value\"]";
    const struct jobspec_answer answers[] = {
        {{JOBSPEC_ASK_BLOCK, texts[1], texts[0]}, true, texts[5], strlen(texts[5]), secret},
        {{JOBSPEC_ASK_VARIABLE, texts[2], texts[4]}, true, texts[6], strlen(texts[6]), NULL},
        {{JOBSPEC_ASK_VARIABLE, texts[3], texts[4]}, true, texts[7], strlen(texts[7]), NULL},
    };
    struct jobspec_input input = *plain;
    input.run_variables_json = run_with_references;
    double start = now_us();
    render(&input, 3);
    input.answers = answers;
    input.answer_count = 3;
    render(&input, 0);
    return now_us() - start;
}

static void measure(const char *what, const struct jobspec_input *input,
                    double (*once_us)(const struct jobspec_input *input))
{
    static double times[ROUNDS];
    for (size_t i = 0; i < ROUNDS; i++)
        times[i] = once_us(input);
    qsort(times, ROUNDS, sizeof(times[0]), compare);
    printf("%s: median %.1f us, p95 %.1f us, longest %.1f us (%d times, default template)\n", what,
           times[ROUNDS / 2], times[ROUNDS * 95 / 100], times[ROUNDS - 1], ROUNDS);
}

int main(void)
{
    struct jobspec_input input = {
        .template_json = jobspec_default_template(),
        .deployment_variables_json = deployment,
        .run_variables_json = run,
        .flow_run_id = "9cbc73f1-52d4-41c9-8e06-1c2c934f169e",
        .flow_run_name = "sophisticated-heron",
        .flow_id = "62069e31-5965-4bb9-9f78-50f6d26eff79",
        .flow_name = "nightly load",
        .deployment_id = "4b9dc601-a385-4946-88e6-7c27a77f2c56",
        .deployment_name = "production",
        .deployment_updated = "2026-11-23T02:14:43.797123Z",
        .pool_id = "d2596db4-9ee0-4848-bbd0-7ac7c3207dcd",
        .pool_name = "docker",
        .worker_name = "sluice host",
        .worker_id = "",
        .prefect_version = "3.8.8",
        .api_url = "http://prefect.example:4200/api",
        .forwarded = forwarded,
        .default_image = "prefecthq/prefect:3-latest",
        .working_directory = "/srv",
        .instance = "0123456789abcdef",
        .launch_id = "fedcba9876543210",
        .class_name = "default",
        .engine_api_version = "1.41",
    };
    measure("jobspec_render", &input, render_us);
    measure("twice, with a block and two variables", &input, render_with_references_us);
    return 0;
}
