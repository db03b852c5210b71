#include "options_tune.h"

#include "config_text.h"
#include "core/tune.h"

int options_tune_time(const char *text, int64_t *out_ms, struct err *err)
{
    int64_t ms = 0;
    if (text_to_duration(text, &ms) != TEXT_DURATION_FINE || ms < TUNE_TIME_MIN_MS || ms > TUNE_TIME_MAX_MS)
        return err_set(err, ERR_INVALID,
                       "--time: \"%.40s\" can't be used; allowed: a duration from %ds to %dh", text,
                       TUNE_TIME_MIN_MS / 1000, TUNE_TIME_MAX_MS / 3600000);
    *out_ms = ms;
    return 0;
}

int options_tune_containers(const char *text, int32_t *out, struct err *err)
{
    int64_t containers = 0;
    if (!text_to_whole(text, &containers) || containers < TUNE_CONTAINERS_MIN ||
        containers > TUNE_SAMPLES_MAX)
        return err_set(err, ERR_INVALID,
                       "--containers: \"%.40s\" can't be used; allowed: a whole number from %d to %d", text,
                       TUNE_CONTAINERS_MIN, TUNE_SAMPLES_MAX);
    *out = (int32_t)containers;
    return 0;
}

int options_tune_name(const char *text, const char *flag, const char **out, struct err *err)
{
    if (text[0] == '\0' || text_find_fault(text) != NULL)
        return err_set(err, ERR_INVALID, "%s: \"%.40s\" is no name", flag, text);
    *out = text;
    return 0;
}
