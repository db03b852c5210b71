/*
 * status.h - the pool at a glance: what one look at a state file, and at the service behind it, tells.
 *
 * Sections without a row are not shown to people. Files of older forms lack some tables; their sections are
 * empty.
 */
#ifndef SLUICE_STATUS_H
#define SLUICE_STATUS_H

#include "admin_client.h"
#include "table.h"

/* Failed calls and retries of so long count, and single timeouts of a day. */
#define STATUS_TROUBLE_MS (15 * 60 * (int64_t)1000)
#define STATUS_TIMEOUTS_MS (24 * 60 * 60 * (int64_t)1000)

struct status;

/* status_read - all from one commit. sight: what the service behind the file is doing (admin_client_look);
 * tests own it. now_ms: wall. Errors: those of store_reader_open(). */
int status_read(const char *state_path, const struct service_sight *sight, int64_t now_ms,
                struct status **out, struct err *err) MUST_CHECK;
/* Accepts NULL. */
void status_free(struct status *status);

/* status_json - an object; keys: docs/commands.md. */
struct json *status_json(const struct status *status);
/* status_print - rows of long lists are left out, and limits that nothing is known of, unless is_all. */
void status_print(const struct status *status, const struct terminal *terminal, bool is_all, FILE *out);

#endif
