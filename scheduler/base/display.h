/*
 * display.h - texts as a terminal shows them: made harmless, measured, cut and wrapped by the columns they
 * take.
 *
 * Names come from whoever may make a flow run. What a terminal would obey or turn round (control characters,
 * escape sequences, marks of writing direction), line ends, bytes that are no UTF-8 and characters that libc
 * does not know are written as `\x1b`, `\u202e`, `\U000e0001`; a tab or line end as `\t`, `\n`. More than
 * four marks on one character are left out, since a name of a thousand would run over the lines around it.
 *
 * How wide a character is says wcwidth(3): 2 for East Asian wide ones and most emoji, 0 for combining marks.
 * Pure but for display_use_libc().
 */
#ifndef SLUICE_BASE_DISPLAY_H
#define SLUICE_BASE_DISPLAY_H

#include <stdbool.h>
#include <stddef.h>

/* display_use_libc - sets LC_CTYPE to C.UTF-8, whatever the environment says, so that wcwidth(3) knows
 * Unicode. Once per process. Without that locale (a bare container) all but combining marks of Latin counts
 * as one column. */
void display_use_libc(void);

/* What can be written: with is_utf8 false, "?" stands for each other character and "~" for the ellipsis. */
struct display {
    bool is_utf8;
};

/* display_clean - the text, harmless; malloc'ed. */
char *display_clean(const struct display *display, const char *text);
/* Of clean texts only: */
/* display_width - columns it takes. */
size_t display_width(const char *clean);
/* display_cut - at most `width` columns of it, with an ellipsis in the last one if it is longer; malloc'ed.
 */
char *display_cut(const struct display *display, const char *clean, size_t width);
/* display_wrap - broken at blanks into lines of at most `width` columns, words that are longer within; width
 * 0: not at all. Lines but the first begin with `indent` blanks. Malloc'ed, without a newline at the end. */
char *display_wrap(const char *clean, size_t width, size_t indent);

/* display_bar - a bar of exactly `width` columns of which a share (0..1) is filled, in eighths of a column
 * where they can be written; malloc'ed. */
char *display_bar(const struct display *display, double share, size_t width);

#endif
