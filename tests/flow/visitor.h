/*
 * visitor.h - somebody who looks at the running service over HTTP.
 */
#ifndef SLUICE_TESTS_FLOW_VISITOR_H
#define SLUICE_TESTS_FLOW_VISITOR_H

#include "admin_pages.h"
#include "tests/flow/world.h"

#define VISITOR_ADMIN "[admin]\nlisten = 127.0.0.1:9191\n"

/* Serve what the configuration of the service that runs says, on ports that are free. */
struct admin_pages *visitor_begin(struct world *w);

struct visit {
    int status;
    char *head; /* with the status line; owned */
    char *body; /* owned; "" if none */
};
/* Ask the admin listener, or with is_health that of /health; fails the test when no whole answer comes. The
 * last one's texts are freed, also by visit_done(). */
struct visit *visit(struct world *w, const struct admin_pages *pages, const char *path);
struct visit *visit_health(struct world *w, const struct admin_pages *pages, const char *path);
void visit_done(void);

#endif
