#include "terminal.h"

#include "base/check.h"
#include "config_text.h"

#include <string.h>
#include <strings.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define COLUMNS_DEFAULT 80
#define COLUMNS_LARGEST 10000

static bool is_set(const char *value)
{
    return value != NULL && value[0] != '\0';
}

static bool is_zero(const char *value)
{
    return value != NULL && strcmp(value, "0") == 0;
}

static bool is_utf8(const struct terminal_facts *f)
{
    const char *const values[] = {f->lc_all, f->lc_ctype, f->lang};
    if (!f->is_terminal)
        return true;
    for (size_t i = 0; i < ARRAY_LEN(values); i++)
        if (is_set(values[i]))
            return strcasestr(values[i], "utf-8") != NULL || strcasestr(values[i], "utf8") != NULL;
    return false;
}

static size_t columns_of(const struct terminal_facts *f)
{
    int64_t columns = 0;
    if (f->columns > 0)
        return (size_t)f->columns;
    if (is_set(f->env_columns) && text_to_whole(f->env_columns, &columns) && columns > 0 &&
        columns <= COLUMNS_LARGEST)
        return (size_t)columns;
    return COLUMNS_DEFAULT;
}

static bool has_color(const struct terminal_facts *f, enum terminal_color color, bool can_move)
{
    if (color != TERMINAL_COLOR_AUTO)
        return color == TERMINAL_COLOR_ALWAYS;
    if (is_set(f->no_color))
        return false;
    if (is_set(f->clicolor_force) && !is_zero(f->clicolor_force))
        return true;
    return can_move && !is_zero(f->clicolor);
}

struct terminal terminal_of(const struct terminal_facts *f, enum terminal_color color, bool is_wide)
{
    bool can_move = f->is_terminal && is_set(f->term) && strcmp(f->term, "dumb") != 0;
    return (struct terminal){.is_terminal = f->is_terminal,
                             .has_color = has_color(f, color, can_move),
                             .can_move = can_move,
                             .display = {.is_utf8 = is_utf8(f)},
                             .columns = f->is_terminal && !is_wide ? columns_of(f) : 0,
                             .rows = f->is_terminal && f->rows > 0 ? (size_t)f->rows : 0};
}

struct terminal terminal_look(int fd, enum terminal_color color, bool is_wide)
{
    struct winsize size = {0};
    struct terminal_facts facts = {.is_terminal = isatty(fd) == 1,
                                   .env_columns = getenv("COLUMNS"),
                                   .term = getenv("TERM"),
                                   .no_color = getenv("NO_COLOR"),
                                   .clicolor = getenv("CLICOLOR"),
                                   .clicolor_force = getenv("CLICOLOR_FORCE"),
                                   .lc_all = getenv("LC_ALL"),
                                   .lc_ctype = getenv("LC_CTYPE"),
                                   .lang = getenv("LANG")};
    if (facts.is_terminal && ioctl(fd, TIOCGWINSZ, &size) == 0) {
        facts.columns = size.ws_col;
        facts.rows = size.ws_row;
    }
    display_use_libc();
    return terminal_of(&facts, color, is_wide);
}

const char *terminal_style(const struct terminal *terminal, enum terminal_style style)
{
    static const char *const sequences[] = {
        [TERMINAL_PLAIN] = "\x1b[0m", [TERMINAL_TITLE] = "\x1b[1m", [TERMINAL_FAINT] = "\x1b[2m",
        [TERMINAL_GOOD] = "\x1b[32m", [TERMINAL_WARN] = "\x1b[33m", [TERMINAL_BAD] = "\x1b[31m",
    };
    return terminal->has_color ? sequences[style] : "";
}

char *terminal_say(const struct terminal *terminal, const char *sentence)
{
    char *AUTO_FREE clean = display_clean(&terminal->display, sentence);
    char *AUTO_FREE wrapped = display_wrap(clean, terminal->columns, 2);
    return check_printf("%s\n", wrapped);
}
