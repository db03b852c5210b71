#include "options_look.h"

#include "config_text.h"
#include "core/classify.h"

#include <string.h>

int options_color(const char *text, enum terminal_color *out, struct err *err)
{
    static const char *const words[] = {
        [TERMINAL_COLOR_AUTO] = "auto", [TERMINAL_COLOR_ALWAYS] = "always", [TERMINAL_COLOR_NEVER] = "never"};
    for (size_t i = 0; i < ARRAY_LEN(words); i++) {
        if (strcmp(text, words[i]) != 0)
            continue;
        *out = (enum terminal_color)i;
        return 0;
    }
    return err_set(err, ERR_INVALID, "--color: \"%.40s\" is not known; allowed: one of auto, always, never",
                   text);
}

int options_interval(const char *text, int64_t *out_ms, struct err *err)
{
    int64_t ms = 0;
    bool is_read = text_to_duration(text, &ms) == TEXT_DURATION_FINE || text_seconds_to_ms(text, false, &ms);
    if (!is_read || ms < OPTIONS_INTERVAL_MIN_MS || ms > OPTIONS_INTERVAL_MAX_MS)
        return err_set(
            err, ERR_INVALID,
            "--interval: \"%.40s\" can't be used; allowed: a duration or seconds, from %dms to %dh", text,
            OPTIONS_INTERVAL_MIN_MS, OPTIONS_INTERVAL_MAX_MS / 3600000);
    *out_ms = ms;
    return 0;
}

int options_since(const char *text, int64_t *out_ms, struct err *err)
{
    int64_t ms = 0;
    if (text_to_duration(text, &ms) != TEXT_DURATION_FINE || ms <= 0)
        return err_set(err, ERR_INVALID,
                       "--since: \"%.40s\" can't be used; allowed: a duration such as 90m, 24h or 7d", text);
    *out_ms = ms;
    return 0;
}

int options_limit(const char *text, int64_t *out, struct err *err)
{
    int64_t limit = 0;
    if (!text_to_whole(text, &limit) || limit < 0 || limit > OPTIONS_LIMIT_MAX)
        return err_set(err, ERR_INVALID,
                       "--limit: \"%.40s\" can't be used; allowed: a whole number from 0 to %d", text,
                       OPTIONS_LIMIT_MAX);
    *out = limit;
    return 0;
}

int options_stage(const char *text, const char **out, struct err *err)
{
#define X(name, text) ", " text
    static const char words[] = STAGES(X);
#undef X
    if (stage_from_name(text) < 0)
        return err_set(err, ERR_INVALID, "--stage: \"%.40s\" is not known; allowed: one of %s", text,
                       words + 2);
    *out = text;
    return 0;
}
