/*
 * http_text.c - the small text jobs of HTTP: find a header, read Retry-After, escape a path part.
 *
 * Knows nothing of curl. Of headers with the same name the first wins.
 */
#include "api/http.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#define RETRY_AFTER_MAX_MS ((int64_t)3600 * 1000)

const char *http_find_header(const char *lines, size_t len, const char *name)
{
    size_t name_len = strlen(name);
    for (size_t at = 0; at < len; at += strlen(lines + at) + 1) {
        const char *line = lines + at;
        if (strncasecmp(line, name, name_len) == 0 && line[name_len] == ':')
            return line + name_len + 1 + strspn(line + name_len + 1, " \t");
    }
    return NULL;
}

/* "120", "0.5": digits with at most one point; -1 if it is something else. */
static int64_t read_seconds_ms(const char *text)
{
    size_t whole = strspn(text, "0123456789");
    size_t fraction = text[whole] == '.' ? strspn(text + whole + 1, "0123456789") : 0;
    size_t len = whole + (text[whole] == '.' ? 1 + fraction : 0);
    if (whole == 0 || text[len + strspn(text + len, " \t")] != '\0')
        return -1;
    double ms = strtod(text, NULL) * 1000;
    return ms >= (double)RETRY_AFTER_MAX_MS ? RETRY_AFTER_MAX_MS : (int64_t)ms;
}

/* The three forms of RFC 9110, 5.6.7; false if it is none. */
static bool read_date(const char *text, int64_t *wall_ms)
{
    static const char *const forms[] = {"%a, %d %b %Y %H:%M:%S GMT", "%A, %d-%b-%y %H:%M:%S GMT",
                                        "%a %b %d %H:%M:%S %Y"};
    for (size_t i = 0; i < ARRAY_LEN(forms); i++) {
        struct tm tm = {0};
        const char *end = strptime(text, forms[i], &tm);
        if (end == NULL || end[strspn(end, " \t")] != '\0')
            continue;
        *wall_ms = (int64_t)timegm(&tm) * 1000;
        return true;
    }
    return false;
}

bool http_read_date(const char *value, int64_t *wall_ms)
{
    return value != NULL && read_date(value + strspn(value, " \t"), wall_ms);
}

int64_t http_retry_after_ms(const char *value, int64_t wall_ms)
{
    if (value == NULL)
        return -1;
    value += strspn(value, " \t");
    int64_t delay_ms = read_seconds_ms(value);
    int64_t date_ms;
    if (delay_ms < 0 && read_date(value, &date_ms))
        delay_ms = date_ms > wall_ms ? date_ms - wall_ms : 0;
    return delay_ms > RETRY_AFTER_MAX_MS ? RETRY_AFTER_MAX_MS : delay_ms;
}

char *http_escape(const char *text)
{
    static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~";
    char *escaped = check_alloc(strlen(text) * 3 + 1);
    char *to = escaped;
    for (const unsigned char *p = (const unsigned char *)text; *p != '\0'; p++) {
        if (strchr(plain, *p) != NULL)
            *to++ = (char)*p;
        else
            to += snprintf(to, 4, "%%%02X", *p);
    }
    *to = '\0';
    return escaped;
}
