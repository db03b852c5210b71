/*
 * kill_point.h - named places at which the tests of tests/crash let the process die, and nothing elsewhere.
 *
 * KILL_POINT(save_before) counts one more passing of that name, and kills the process if it is the one that
 * was asked for. Without SLUICE_KILL_POINTS, which only tests/crash defines, nothing of it is compiled: a
 * test looks for it in the service's program. Requests have points of their own (api/http_curl_internal.h).
 */
#ifndef SLUICE_BASE_KILL_POINT_H
#define SLUICE_BASE_KILL_POINT_H

#ifdef SLUICE_KILL_POINTS
/* In tests/crash/kill_points.c. */
void kill_point(const char *name);
#define KILL_POINT(name) kill_point(#name)
#else
#define KILL_POINT(name) ((void)0)
#endif

#endif
