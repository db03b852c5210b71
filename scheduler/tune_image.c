#include "tune_image.h"

#include "base/check.h"

#include <stdio.h>
#include <string.h>

#define BLOCK 512u

/* A ustar header; numbers are octal text. */
struct header {
    char name[100];
    char mode[8];
    char uid[8];
    char gid[8];
    char size[12];
    char mtime[12];
    char checksum[8];
    char type;
    char link[100];
    char magic[6];
    char version[2];
    char rest[247];
};
_Static_assert(sizeof(struct header) == BLOCK, "a tar header is one block");

/* The sum of the header's bytes, its own field taken as blanks. */
static unsigned checksum_of(const struct header *h)
{
    const unsigned char *bytes = (const unsigned char *)h;
    unsigned sum = 0;
    for (size_t i = 0; i < sizeof(*h); i++)
        sum += bytes[i];
    return sum;
}

char *tune_image_tar(size_t *len)
{
    size_t size = tune_exit_program_size();
    size_t blocks = (size + BLOCK - 1) / BLOCK;
    *len = (1 + blocks + 2) * BLOCK; /* the end are two empty blocks */
    char *tar = check_alloc(*len);
    struct header h = {.type = '0', .magic = "ustar", .version = {'0', '0'}};
    snprintf(h.name, sizeof(h.name), "%s", TUNE_IMAGE_FILE);
    snprintf(h.mode, sizeof(h.mode), "%07o", 0755u);
    snprintf(h.uid, sizeof(h.uid), "%07o", 0u);
    snprintf(h.gid, sizeof(h.gid), "%07o", 0u);
    snprintf(h.size, sizeof(h.size), "%011zo", size);
    snprintf(h.mtime, sizeof(h.mtime), "%011o", 0u);
    memset(h.checksum, ' ', sizeof(h.checksum));
    snprintf(h.checksum, sizeof(h.checksum), "%06o", checksum_of(&h)); /* six digits, NUL, blank */
    memcpy(tar, &h, sizeof(h));
    memcpy(tar + BLOCK, tune_exit_program(), size);
    return tar;
}
