/*
 * random.h - randomness as a value, like the clock: the machine's in service, a seeded one in tests.
 */
#ifndef SLUICE_BASE_RANDOM_H
#define SLUICE_BASE_RANDOM_H

#include <stdint.h>

struct random_source {
    uint64_t (*next)(void *arg); /* 64 fresh bits */
    void *arg;
};

/* The kernel's generator. */
extern const struct random_source random_system;

/* splitmix64 over *state; the same start gives the same sequence. (Steele, Lea, Flood: Fast splittable
 * generators, 2014.) */
uint64_t random_splitmix64(uint64_t *state);
/* A source over *state, which is borrowed. */
struct random_source random_seeded(uint64_t *state);

#define UUID_TEXT_SIZE 37

/* random_uuid - write a UUID in its text form: version 4 (RFC 9562). */
void random_uuid(const struct random_source *source, char text[static UUID_TEXT_SIZE]);
/* random_uuid7 - version 7: ordered by time, as Prefect's event ids are. */
void random_uuid7(const struct random_source *source, int64_t wall_ms, char text[static UUID_TEXT_SIZE]);

#endif
