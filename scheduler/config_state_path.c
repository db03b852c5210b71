/*
 * config_state_path.c - where the state file is when nobody says: STATE/sluice/POOL/NAME.db.
 *
 * STATE is /var/lib for root, else $XDG_STATE_HOME (absolute, as its specification demands), else
 * ~/.local/state. Pool and name may hold any character that Prefect allows, so each becomes one safe part of
 * a path: other bytes than letters, digits, '-', '_' and inner dots are written as %XX, and what gets too
 * long for a file's name is cut and told apart by a hash. Makes no folder, opens nothing.
 */
#include "config_internal.h"

#include <ctype.h>
#include <string.h>

#define LONGEST_PART 200

/* FNV-1a: short, and the same on every machine. */
static uint64_t hash_text(const char *text)
{
    uint64_t hash = UINT64_C(0xcbf29ce484222325);
    for (; *text != '\0'; text++)
        hash = (hash ^ (unsigned char)*text) * UINT64_C(0x100000001b3);
    return hash;
}

static const char *safe_part(const char *text, struct config_arena *arena)
{
    char *out = config_arena_alloc(arena, strlen(text) * 3 + 20);
    size_t len = 0;
    for (const char *p = text; *p != '\0'; p++) {
        unsigned char c = (unsigned char)*p;
        bool is_safe = c < 0x80 && (isalnum(c) || c == '-' || c == '_' || (c == '.' && p > text));
        if (is_safe)
            out[len++] = *p;
        else
            len += (size_t)snprintf(out + len, 4, "%%%02X", c);
    }
    if (len > LONGEST_PART)
        snprintf(out + LONGEST_PART - 17, 18, "-%016llx", (unsigned long long)hash_text(text));
    return out;
}

const char *config_state_path(const struct config_sources *sources, const char *pool, const char *name,
                              struct config_arena *arena, struct config_problems *problems)
{
    const char *safe_pool = safe_part(pool, arena);
    const char *safe_name = safe_part(name, arena);
    if (sources->is_root)
        return config_arena_printf(arena, "/var/lib/sluice/%s/%s.db", safe_pool, safe_name);
    const char *state = config_environ_path(sources->environ, "XDG_STATE_HOME", arena);
    const char *home = config_environ_path(sources->environ, "HOME", arena);
    if (state != NULL && state[0] == '/')
        return config_arena_printf(arena, "%s/sluice/%s/%s.db", state, safe_pool, safe_name);
    if (home != NULL)
        return config_arena_printf(arena, "%s/.local/state/sluice/%s/%s.db", home, safe_pool, safe_name);
    config_problem(problems,
                   "state.path: neither HOME nor XDG_STATE_HOME is set, so there is no place for the "
                   "state file; allowed: --state FILE");
    return config_arena_printf(arena, "sluice/%s/%s.db", safe_pool, safe_name);
}
