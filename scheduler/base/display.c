#include "base/display.h"

#include "base/check.h"

#include <locale.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <wchar.h>

#define MARKS_MAX 4
#define NO_CHARACTER UINT32_MAX
/* "\U000e0001" is the longest, for four bytes; "\xff" the longest for one. */
#define ESCAPED_BYTES_MAX 4
#define ESCAPE_SIZE 12

void display_use_libc(void)
{
    setlocale(LC_CTYPE, "C.UTF-8");
}

/* ---- characters ---- */

/* The character at p and its length in bytes; a byte that begins none is NO_CHARACTER, 1. Overlong forms and
 * surrogates are none. */
static uint32_t decode(const unsigned char *p, size_t *len)
{
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    size_t count = p[0] < 0x80   ? 1
                   : p[0] < 0xC2 ? 0
                   : p[0] < 0xE0 ? 2
                   : p[0] < 0xF0 ? 3
                   : p[0] < 0xF5 ? 4
                                 : 0;
    *len = 1;
    if (count < 2)
        return count == 1 ? p[0] : NO_CHARACTER;
    uint32_t c = p[0] & (0x7Fu >> count);
    for (size_t i = 1; i < count; i++) {
        if ((p[i] & 0xC0) != 0x80)
            return NO_CHARACTER;
        c = c << 6 | (p[i] & 0x3F);
    }
    if (c < least[count] || c > 0x10FFFF || (c >= 0xD800 && c <= 0xDFFF))
        return NO_CHARACTER;
    *len = count;
    return c;
}

/* Marks that change the direction of what follows them, line and paragraph ends, and what is never seen but
 * could hide that two names differ. Joiners (200C, 200D) stay: Persian and emoji need them. */
static bool is_format(uint32_t c)
{
    return c == 0xAD || c == 0x61C || c == 0x180E || c == 0x200B || c == 0x200E || c == 0x200F ||
           (c >= 0x2028 && c <= 0x202E) || (c >= 0x2060 && c <= 0x206F) || c == 0xFEFF ||
           (c >= 0xFFF9 && c <= 0xFFFB) || (c >= 0xE0000 && c <= 0xE0FFF);
}

/* Columns; -1: not to be shown as it is. */
static int width_of(uint32_t c)
{
    if (c < 0x80)
        return c >= 0x20 && c < 0x7F ? 1 : -1;
    if (c < 0xA0 || c == NO_CHARACTER || is_format(c))
        return -1;
    int width = wcwidth((wchar_t)c);
    if (width >= 0 || wcwidth(L'\u00E9') == 1)
        return width;
    return c >= 0x300 && c < 0x370 ? 0 : 1; /* libc has no Unicode here */
}

/* ---- clean ---- */

static size_t escape(char out[static ESCAPE_SIZE], uint32_t c, unsigned char byte)
{
    if (c == NO_CHARACTER || c < 0x80) {
        const char *word = byte == '\n' ? "\\n" : byte == '\t' ? "\\t" : byte == '\r' ? "\\r" : NULL;
        return (size_t)(word != NULL ? snprintf(out, ESCAPE_SIZE, "%s", word)
                                     : snprintf(out, ESCAPE_SIZE, "\\x%02x", byte));
    }
    return (size_t)(c < 0x10000 ? snprintf(out, ESCAPE_SIZE, "\\u%04x", c)
                                : snprintf(out, ESCAPE_SIZE, "\\U%08x", c));
}

static bool is_plain(const char *text)
{
    for (const unsigned char *p = (const unsigned char *)text; *p != '\0'; p++)
        if (*p < 0x20 || *p >= 0x7F)
            return false;
    return true;
}

char *display_clean(const struct display *display, const char *text)
{
    if (is_plain(text))
        return check_strdup(text);
    char *clean = check_alloc(ESCAPED_BYTES_MAX * strlen(text) + ESCAPE_SIZE);
    char *to = clean;
    size_t len;
    int marks = 0;
    for (const unsigned char *p = (const unsigned char *)text; *p != '\0'; p += len) {
        uint32_t c = decode(p, &len);
        int width = width_of(c);
        marks = width == 0 ? marks + 1 : 0;
        if (width < 0) {
            to += escape(to, c, *p);
        } else if (c >= 0x80 && !display->is_utf8) {
            if (width > 0)
                *to++ = '?';
        } else if (marks <= MARKS_MAX) {
            memcpy(to, p, len);
            to += len;
        }
    }
    *to = '\0';
    return clean;
}

/* ---- measure and cut ---- */

/* Bytes of the text that take at most *width columns, marks on the last one included; *width: what they take.
 */
static size_t fitting(const char *clean, size_t *width)
{
    const unsigned char *p = (const unsigned char *)clean;
    size_t used = 0;
    size_t len;
    while (*p != '\0') {
        int columns = width_of(decode(p, &len));
        if (columns > 0 && used + (size_t)columns > *width)
            break;
        used += columns > 0 ? (size_t)columns : 0;
        p += len;
    }
    *width = used;
    return (size_t)(p - (const unsigned char *)clean);
}

size_t display_width(const char *clean)
{
    size_t width = SIZE_MAX;
    fitting(clean, &width);
    return width;
}

char *display_cut(const struct display *display, const char *clean, size_t width)
{
    size_t used = width;
    size_t len = fitting(clean, &used);
    if (clean[len] == '\0')
        return check_strdup(clean);
    if (width == 0)
        return check_strdup("");
    used = width - 1;
    len = fitting(clean, &used);
    return check_printf("%.*s%s", (int)len, clean, display->is_utf8 ? "\u2026" : "~");
}

/* Where the line that begins at `text` ends: behind its last whole word, or within a word that is wider than
 * a line. */
static size_t end_of_line(const char *text, size_t width)
{
    size_t used = width;
    size_t len = fitting(text, &used);
    if (text[len] == '\0' || text[len] == ' ')
        return len;
    size_t end = len;
    while (end > 0 && text[end - 1] != ' ')
        end--;
    if (end > 0)
        return end;
    if (len > 0)
        return len;
    (void)decode((const unsigned char *)text, &len); /* wider than the line by itself */
    return len;
}

char *display_wrap(const char *clean, size_t width, size_t indent)
{
    if (width == 0)
        return check_strdup(clean);
    if (indent + 8 > width)
        indent = 0;
    char *wrapped = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&wrapped, &size);
    CHECK_MEMORY(out != NULL);
    size_t room = width;
    for (const char *rest = clean; *rest != '\0';) {
        size_t end = end_of_line(rest, room);
        size_t len = end;
        while (len > 0 && rest[len - 1] == ' ')
            len--;
        fprintf(out, "%s%*s%.*s", rest == clean ? "" : "\n", rest == clean ? 0 : (int)indent, "", (int)len,
                rest);
        rest += end;
        rest += strspn(rest, " ");
        room = width - indent;
    }
    CHECK_MEMORY(fclose(out) == 0);
    return wrapped;
}

/* ---- bars ---- */

static char *put(char *to, const char *text)
{
    size_t len = strlen(text);
    memcpy(to, text, len);
    return to + len;
}

char *display_bar(const struct display *display, double share, size_t width)
{
    static const char *const eighths[] = {"",       "\u258f", "\u258e", "\u258d",
                                          "\u258c", "\u258b", "\u258a", "\u2589"};
    double filled = share > 0 ? (share < 1 ? share : 1) : 0; /* not a number: empty */
    size_t parts = (size_t)(filled * (double)width * 8 + 0.5);
    size_t whole = display->is_utf8 ? parts / 8 : (parts + 4) / 8;
    char *bar = check_alloc(width * 3 + 1); /* "\u2588" is three bytes */
    char *to = bar;
    size_t used = 0;
    for (; used < whole; used++)
        to = put(to, display->is_utf8 ? "\u2588" : "#");
    if (display->is_utf8 && parts % 8 != 0) {
        to = put(to, eighths[parts % 8]);
        used++;
    }
    memset(to, ' ', width - used);
    to[width - used] = '\0';
    return bar;
}
