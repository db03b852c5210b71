#include "progress.h"

#include "base/check.h"

#include <stdint.h>

#define BAR_LARGEST 30
#define BAR_LEAST 5
#define CLEAR_LINE "\r\x1b[K"

struct progress progress_of(FILE *out)
{
    return (struct progress){.terminal = terminal_look(fileno(out), TERMINAL_COLOR_NEVER, false), .out = out};
}

char *progress_line(const struct terminal *terminal, double share, const char *text)
{
    /* One column is left free: some terminals go on to the next line as soon as the last one is written. */
    size_t room = (terminal->columns == 0 ? SIZE_MAX : terminal->columns) - 1;
    size_t quarter = room / 4; /* the same whatever the text is, so that the bar stands still */
    size_t bar_width = quarter < BAR_LEAST ? BAR_LEAST : quarter > BAR_LARGEST ? BAR_LARGEST : quarter;
    char *AUTO_FREE clean = display_clean(&terminal->display, text);
    char *AUTO_FREE bar = display_bar(&terminal->display, share, bar_width);
    int percent = share > 0 ? (int)((share < 1 ? share : 1) * 100) : 0;
    char *AUTO_FREE whole = check_printf("[%s] %3d%%  %s", bar, percent, clean);
    return display_cut(&terminal->display, whole, room);
}

void progress_show(struct progress *p, double share, const char *text, bool is_news)
{
    if (!p->terminal.is_terminal)
        return;
    if (!p->terminal.can_move) {
        if (is_news)
            fprintf(p->out, "%s\n", text);
        return;
    }
    p->terminal = terminal_look(fileno(p->out), TERMINAL_COLOR_NEVER, false);
    char *AUTO_FREE line = progress_line(&p->terminal, share, text);
    fprintf(p->out, CLEAR_LINE "%s", line);
    fflush(p->out);
    p->is_shown = true;
}

void progress_clear(struct progress *p)
{
    if (p->is_shown)
        fputs(CLEAR_LINE, p->out);
    fflush(p->out);
    p->is_shown = false;
}
