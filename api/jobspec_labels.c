/*
 * jobspec_labels.c - the container's labels.
 *
 * Prefect's labels are prefect.io/KEY, the job's own win over them, and all are turned into Docker's form
 * with the namespace reversed. io.prefect.version is set last and always wins. Behind them stand ours, which
 * decide whose container it is and so can't be overridden.
 */
#include "api/engine.h"
#include "api/jobspec_internal.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

/* --- time ------------------------------------------------------------------------------------------------
 */

/* "+02:00", "-0130", "Z", "" -> seconds; false if it is none. */
static bool parse_offset(const char *text, long *seconds)
{
    *seconds = 0;
    if (*text == '\0' || strcmp(text, "Z") == 0 || strcmp(text, "z") == 0)
        return true;
    int hours = 0;
    int minutes = 0;
    int used = 0;
    if ((*text != '+' && *text != '-') || sscanf(text + 1, "%2d%n", &hours, &used) != 1)
        return false;
    const char *rest = text + 1 + used;
    if (*rest == ':')
        rest++;
    if (*rest != '\0' && sscanf(rest, "%2d%n", &minutes, &used) != 1)
        return false;
    if (*rest != '\0' && rest[used] != '\0')
        return false;
    *seconds = (hours * 60L + minutes) * (*text == '-' ? -60L : 60L);
    return true;
}

/* Up to six digits behind the point as microseconds; *at moves behind all of them. */
static long parse_fraction(const char **at)
{
    long micros = 0;
    long unit = 100000;
    if (**at != '.')
        return 0;
    for ((*at)++; **at >= '0' && **at <= '9'; (*at)++) {
        micros += (**at - '0') * unit;
        unit /= 10;
    }
    return micros;
}

char *jobspec_utc_time(const char *text)
{
    struct tm tm = {0};
    int used = 0;
    char separator = ' ';
    if (sscanf(text, "%4d-%2d-%2d%c%2d:%2d:%2d%n", &tm.tm_year, &tm.tm_mon, &tm.tm_mday, &separator,
               &tm.tm_hour, &tm.tm_min, &tm.tm_sec, &used) != 7)
        return check_strdup(text);
    const char *rest = text + used;
    long micros = parse_fraction(&rest);
    long offset_seconds = 0;
    if (!parse_offset(rest, &offset_seconds))
        return check_strdup(text);
    tm.tm_year -= 1900;
    tm.tm_mon -= 1;
    time_t seconds = timegm(&tm) - offset_seconds;
    gmtime_r(&seconds, &tm);
    char fraction[16] = "";
    if (micros != 0)
        snprintf(fraction, sizeof(fraction), ".%06ld", micros % 1000000);
    return check_printf("%04d-%02d-%02dT%02d:%02d:%02d%s+00:00", tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday,
                        tm.tm_hour, tm.tm_min, tm.tm_sec, fraction);
}

/* --- conversion ------------------------------------------------------------------------------------------
 */

/* "a.b.c/d/e" -> "c.b.a.d/e"; without a slash as it is. malloc'ed. */
static char *docker_form(const char *name)
{
    const char *slash = strchr(name, '/');
    if (slash == NULL)
        return check_strdup(name);
    char *out = check_alloc(strlen(name) + 1);
    size_t n = 0;
    const char *end = slash;
    for (;;) {
        const char *start = end;
        while (start > name && start[-1] != '.')
            start--;
        memcpy(out + n, start, (size_t)(end - start));
        n += (size_t)(end - start);
        out[n++] = '.';
        if (start == name)
            break;
        end = start - 1;
    }
    memcpy(out + n, slash + 1, strlen(slash + 1) + 1);
    return out;
}

static void set_prefect(const struct jobspec_input *input, struct jobspec_pairs *labels)
{
    jobspec_pairs_set(labels, "prefect.io/flow-run-id", input->flow_run_id);
    jobspec_pairs_set(labels, "prefect.io/flow-run-name", input->flow_run_name);
    jobspec_pairs_set(labels, "prefect.io/version", input->prefect_version);
    jobspec_pairs_set(labels, "prefect.io/work-pool-name", input->pool_name);
    jobspec_pairs_set(labels, "prefect.io/work-pool-id", input->pool_id);
    jobspec_pairs_set(labels, "prefect.io/worker-name", input->worker_name);
    jobspec_pairs_set(labels, "prefect.io/flow-id", input->flow_id);
    jobspec_pairs_set(labels, "prefect.io/flow-name", input->flow_name);
    if (*input->deployment_id == '\0')
        return;
    jobspec_pairs_set(labels, "prefect.io/deployment-id", input->deployment_id);
    jobspec_pairs_set(labels, "prefect.io/deployment-name", input->deployment_name);
    if (*input->deployment_updated != '\0') {
        char *AUTO_FREE updated = jobspec_utc_time(input->deployment_updated);
        jobspec_pairs_set(labels, "prefect.io/deployment-updated", updated);
    }
}

void jobspec_labels(const struct jobspec_input *input, const struct jobspec_pairs *user,
                    struct jobspec_pairs *out)
{
    struct jobspec_pairs labels = {0};
    set_prefect(input, &labels);
    for (size_t i = 0; i < user->count; i++)
        jobspec_pairs_set(&labels, user->items[i].name, user->items[i].value);
    jobspec_pairs_set(&labels, "io.prefect.version", input->prefect_version);
    for (size_t i = 0; i < labels.count; i++) {
        char *AUTO_FREE name = docker_form(labels.items[i].name);
        jobspec_pairs_set(out, name, labels.items[i].value);
    }
    jobspec_pairs_done(&labels);
    jobspec_pairs_set(out, ENGINE_LABEL_INSTANCE, input->instance);
    jobspec_pairs_set(out, ENGINE_LABEL_LAUNCH, input->launch_id);
    jobspec_pairs_set(out, ENGINE_LABEL_CLASS, input->class_name);
}
