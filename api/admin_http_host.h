/*
 * admin_http_host.h - may a request that names such a host be answered?
 *
 * A page from elsewhere can make a browser ask us under the page's own name, by pointing that name at our
 * address (DNS rebinding). It can't do so under an address, or under a name without a dot, which no stranger
 * can register; other names have to be among ours.
 */
#ifndef SLUICE_API_ADMIN_HTTP_HOST_H
#define SLUICE_API_ADMIN_HTTP_HOST_H

#include <stdbool.h>

/* host: a Host header, "" if there was none. names: ended by NULL; may be NULL. */
bool admin_http_host_is_ours(const char *host, const char *const *names);

#endif
