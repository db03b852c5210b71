/*
 * status_page.h - the page at / and the policy it is served with; made by cmake of scheduler/page/.
 */
#ifndef SLUICE_STATUS_PAGE_H
#define SLUICE_STATUS_PAGE_H

/* The whole page, with its style and script inside. */
const char *status_page_html(void);
/* A Content-Security-Policy that lets nothing run but that style and script, known by their hashes, and
 * nothing be asked but our own server. */
const char *status_page_policy(void);

#endif
