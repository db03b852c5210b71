/*
 * terminal.h - what stdout is, and what may be written there: columns, colours, characters, movements.
 *
 * Colours: --color=always or never is obeyed whatever else is said. Otherwise NO_COLOR (not empty) means
 * none, then CLICOLOR_FORCE (neither empty nor "0") colours also where there is no terminal, CLICOLOR=0 means
 * none, and else they are for a terminal whose TERM is set and not "dumb". The cursor is moved on such a
 * terminal only. Characters outside ASCII are for terminals whose locale says UTF-8; where nobody looks (a
 * pipe, a file) they are written as they are. Source: no-color.org, bixense.com/clicolors, locale(7),
 * tty_ioctl(4).
 */
#ifndef SLUICE_TERMINAL_H
#define SLUICE_TERMINAL_H

#include "base/display.h"

#include <stdbool.h>
#include <stddef.h>

enum terminal_color { TERMINAL_COLOR_AUTO, TERMINAL_COLOR_ALWAYS, TERMINAL_COLOR_NEVER };

struct terminal {
    bool is_terminal;
    bool has_color;
    bool can_move;          /* the cursor: to redraw in place */
    struct display display; /* which characters */
    size_t columns;         /* 0: no limit */
    size_t rows;            /* 0: no limit */
};

/* What terminal_of() decides by; texts may be NULL or "", sizes 0: unknown. */
struct terminal_facts {
    bool is_terminal;
    int columns;
    int rows;
    const char *env_columns; /* COLUMNS, where the terminal does not tell */
    const char *term;
    const char *no_color;
    const char *clicolor;
    const char *clicolor_force;
    const char *lc_all;
    const char *lc_ctype;
    const char *lang;
};

/* terminal_of - pure. is_wide: lines are not cut. */
struct terminal terminal_of(const struct terminal_facts *facts, enum terminal_color color, bool is_wide);
/* terminal_look - of a descriptor, now; the environment counts. */
struct terminal terminal_look(int fd, enum terminal_color color, bool is_wide);

enum terminal_style {
    TERMINAL_PLAIN, /* ends the others */
    TERMINAL_TITLE,
    TERMINAL_FAINT,
    TERMINAL_GOOD,
    TERMINAL_WARN,
    TERMINAL_BAD,
};
/* terminal_style - the sequence that begins the style; "" without colours. Borrowed for ever. */
const char *terminal_style(const struct terminal *terminal, enum terminal_style style);

/* terminal_say - a sentence for people, harmless and wrapped at the terminal's width, with a newline;
 * malloc'ed. */
char *terminal_say(const struct terminal *terminal, const char *sentence);

#endif
