#include "core/wait_reason.h"

#include "base/check.h"

#include <ctype.h>
#include <stdbool.h>
#include <string.h>

/* A digit stands for any digit. */
static const char time_shape[] = "0000-00-00T00:00:00.000Z";

static bool is_time(const char *text)
{
    for (size_t i = 0; time_shape[i] != '\0'; i++) {
        bool fits = time_shape[i] == '0' ? isdigit((unsigned char)text[i]) != 0 : text[i] == time_shape[i];
        if (!fits)
            return false;
    }
    return true;
}

/* Bytes at `text` to leave out; 0: none. */
static size_t skipped(const char *text)
{
    static const char *const words[] = {" since ", " until "};
    for (size_t i = 0; i < ARRAY_LEN(words); i++)
        if (strncmp(text, words[i], strlen(words[i])) == 0 && is_time(text + strlen(words[i])))
            return strlen(words[i]) + strlen(time_shape);
    return 0;
}

char *wait_reason(const char *waits_for)
{
    static const char image[] = "image of ";
    char *reason = check_alloc(strlen(waits_for) + 1);
    char *to = reason;
    const char *from = waits_for;
    if (strncmp(from, image, strlen(image)) == 0 && isdigit((unsigned char)from[strlen(image)])) {
        memcpy(to, image, strlen(image));
        to += strlen(image);
        from += strlen(image);
        from += strspn(from, "0123456789");
        from += *from == ' ';
    }
    while (*from != '\0') {
        size_t skip = skipped(from);
        from += skip;
        if (skip == 0)
            *to++ = *from++;
    }
    *to = '\0';
    return reason;
}
