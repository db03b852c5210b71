#include "base/random.h"

#include "base/check.h"

#include <stdio.h>
#include <sys/random.h>

/* A run draws some 30 numbers; one system call gives 32 (up to 256 bytes come whole). Not for a process that
 * forks and goes on. */
static uint64_t system_next(void *arg)
{
    static uint64_t bits[32];
    static size_t left;
    (void)arg;
    if (left == 0) {
        CHECK(getrandom(bits, sizeof(bits), 0) == (ssize_t)sizeof(bits));
        left = ARRAY_LEN(bits);
    }
    return bits[--left];
}

const struct random_source random_system = {system_next, NULL};

uint64_t random_splitmix64(uint64_t *state)
{
    uint64_t z = (*state += 0x9e3779b97f4a7c15u);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

static uint64_t seeded_next(void *arg)
{
    return random_splitmix64(arg);
}

struct random_source random_seeded(uint64_t *state)
{
    return (struct random_source){seeded_next, state};
}

static void format_uuid(uint64_t high, uint64_t low, char text[static UUID_TEXT_SIZE])
{
    snprintf(text, UUID_TEXT_SIZE, "%08x-%04x-%04x-%04x-%012llx", (unsigned)(high >> 32),
             (unsigned)((high >> 16) & 0xffff), (unsigned)(high & 0xffff), (unsigned)(low >> 48),
             (unsigned long long)(low & 0xffffffffffffu));
}

void random_uuid(const struct random_source *source, char text[static UUID_TEXT_SIZE])
{
    uint64_t high = source->next(source->arg);
    uint64_t low = source->next(source->arg);
    high = (high & ~(uint64_t)0xf000) | 0x4000;
    low = (low & 0x3fffffffffffffffu) | 0x8000000000000000u;
    format_uuid(high, low, text);
}

void random_uuid7(const struct random_source *source, int64_t wall_ms, char text[static UUID_TEXT_SIZE])
{
    uint64_t high = ((uint64_t)wall_ms << 16) | 0x7000 | (source->next(source->arg) & 0xfff);
    uint64_t low = (source->next(source->arg) & 0x3fffffffffffffffu) | 0x8000000000000000u;
    format_uuid(high, low, text);
}
