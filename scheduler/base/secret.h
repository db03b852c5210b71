/*
 * secret.h - texts that nobody may see: wiped before their memory is given back, compared without telling
 * where they differ, and taken out of sentences that others wrote.
 *
 * What libraries copy (request buffers of libcurl) is out of reach; therefore the service leaves no core
 * dumps either (`[log] core_dumps`).
 */
#ifndef SLUICE_BASE_SECRET_H
#define SLUICE_BASE_SECRET_H

#include <stdbool.h>
#include <stddef.h>

/* secret_free - wipe and free; NULL is fine. */
void secret_free(char *text);
/* The same for bytes that may hold NULs. */
void secret_free_bytes(void *data, size_t len);
/* secret_equals - both NULL, or equal texts. */
bool secret_equals(const char *a, const char *b);
/* secret_hide - each occurrence in `message` becomes asterisks, in place. A secret of less than four bytes is
 * left: a sentence full of holes would give it away. NULL is fine. */
void secret_hide(char *message, const char *secret);

#endif
