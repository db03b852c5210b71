#include "status_watch.h"

#include "base/check.h"
#include "base/clock.h"

#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/signalfd.h>
#include <termios.h>
#include <unistd.h>

#define ENTER "\x1b[?1049h\x1b[?25l" /* alternate screen, no cursor */
#define LEAVE "\x1b[?25h\x1b[?1049l"
#define HOME "\x1b[H"
#define CLEAR_LINE "\x1b[K"
#define CLEAR_BELOW "\x1b[J"

struct watch {
    struct status_watch_settings s;
    struct terminal terminal;
    int signals;          /* signalfd */
    int keys;             /* stdin, if it is a terminal that we may read; else -1 */
    struct termios saved; /* of keys */
    sigset_t mask;        /* as it was */
    bool is_drawn_in_place;
};

/* ---- the terminal, taken and given back ---- */

static void enter(struct watch *w)
{
    w->terminal = terminal_look(fileno(w->s.out), w->s.color, w->s.is_wide);
    w->is_drawn_in_place = !w->s.is_plain && w->terminal.can_move;
    w->keys = -1;
    if (!w->is_drawn_in_place)
        return;
    /* In the background a change of the terminal's modes would stop us. */
    if (tcgetpgrp(STDIN_FILENO) == getpgrp() && tcgetattr(STDIN_FILENO, &w->saved) == 0) {
        struct termios modes = w->saved;
        modes.c_lflag &= ~(tcflag_t)(ICANON | ECHO);
        modes.c_cc[VMIN] = 0;
        modes.c_cc[VTIME] = 0;
        if (tcsetattr(STDIN_FILENO, TCSANOW, &modes) == 0)
            w->keys = STDIN_FILENO;
    }
    fputs(ENTER, w->s.out);
}

static void leave(struct watch *w)
{
    if (w->is_drawn_in_place)
        fputs(LEAVE, w->s.out);
    fflush(w->s.out);
    if (w->keys >= 0)
        tcsetattr(w->keys, TCSANOW, &w->saved);
}

/* ---- pictures ---- */

static size_t count_lines(const char *text)
{
    size_t lines = 0;
    for (; *text != '\0'; text++)
        lines += *text == '\n';
    return lines;
}

char *status_watch_cut(const struct terminal *terminal, const char *picture, size_t rows)
{
    size_t lines = count_lines(picture);
    if (rows == 0 || lines <= rows)
        return check_strdup(picture);
    const char *end = picture;
    for (size_t i = 0; i + 1 < rows; i++)
        end = strchr(end, '\n') + 1;
    char *AUTO_FREE more = check_printf("and %zu more lines", lines - rows + 1);
    char *AUTO_FREE said =
        display_cut(&terminal->display, more, terminal->columns == 0 ? strlen(more) : terminal->columns);
    return check_printf("%.*s%s%s%s\n", (int)(end - picture), picture,
                        terminal_style(terminal, TERMINAL_FAINT), said,
                        terminal_style(terminal, TERMINAL_PLAIN));
}

/* Over the picture before, without a flicker: line by line, what was behind its end cleared. The last line of
 * the screen stays empty, since the newline at its end would scroll. */
static void put_in_place(const struct watch *w, const char *picture)
{
    char *AUTO_FREE cut =
        status_watch_cut(&w->terminal, picture, w->terminal.rows > 1 ? w->terminal.rows - 1 : 1);
    fputs(HOME, w->s.out);
    for (const char *line = cut; *line != '\0';) {
        size_t len = strcspn(line, "\n");
        fprintf(w->s.out, "%.*s" CLEAR_LINE "\n", (int)len, line);
        line += len + (line[len] == '\n');
    }
    fputs(CLEAR_BELOW, w->s.out);
}

static bool draw(struct watch *w)
{
    char *picture = NULL;
    size_t len = 0;
    FILE *memory = open_memstream(&picture, &len);
    CHECK_MEMORY(memory != NULL);
    bool goes_on = w->s.draw(w->s.arg, &w->terminal, memory);
    CHECK_MEMORY(fclose(memory) == 0);
    if (goes_on && w->is_drawn_in_place)
        put_in_place(w, picture);
    else if (goes_on)
        fputs(picture, w->s.out);
    free(picture);
    return goes_on && fflush(w->s.out) == 0;
}

/* ---- what ends it, or comes between ---- */

enum wish { WISH_NONE, WISH_DRAW, WISH_END };

/* As if the signal had not been held back; does not come back if it ends the process. */
static void die_by(struct watch *w, int number)
{
    leave(w);
    sigset_t one;
    sigemptyset(&one);
    sigaddset(&one, number);
    signal(number, SIG_DFL);
    raise(number);
    sigprocmask(SIG_UNBLOCK, &one, NULL);
}

static enum wish take_signal(struct watch *w)
{
    struct signalfd_siginfo info;
    if (read(w->signals, &info, sizeof(info)) != (ssize_t)sizeof(info))
        return WISH_NONE;
    switch (info.ssi_signo) {
    case SIGINT:
        return WISH_END;
    case SIGWINCH:
        w->terminal = terminal_look(fileno(w->s.out), w->s.color, w->s.is_wide);
        return WISH_DRAW;
    case SIGTSTP:
        leave(w);
        raise(SIGSTOP);
        enter(w);
        return WISH_DRAW;
    default:
        die_by(w, (int)info.ssi_signo);
        return WISH_END;
    }
}

static enum wish take_key(struct watch *w)
{
    char key = '\0';
    if (read(w->keys, &key, 1) != 1) { /* the terminal is gone */
        w->keys = -1;
        return WISH_NONE;
    }
    return key == 'q' || key == 'Q' ? WISH_END : WISH_DRAW;
}

/* Waits for the time of the next picture, or what comes before. */
static enum wish rest(struct watch *w, int64_t until_ms)
{
    for (;;) {
        int64_t left_ms = until_ms - clock_mono_ms(&clock_system);
        if (left_ms <= 0)
            return WISH_DRAW;
        struct pollfd waits[] = {{.fd = w->signals, .events = POLLIN}, {.fd = w->keys, .events = POLLIN}};
        enum wish wish = WISH_NONE;
        if (poll(waits, ARRAY_LEN(waits), (int)left_ms) <= 0)
            continue;
        if (waits[0].revents != 0)
            wish = take_signal(w);
        if (wish == WISH_NONE && waits[1].revents != 0)
            wish = take_key(w);
        if (wish != WISH_NONE)
            return wish;
    }
}

bool status_watch(const struct status_watch_settings *settings)
{
    static const int numbers[] = {SIGINT, SIGTERM, SIGQUIT, SIGHUP, SIGWINCH, SIGTSTP};
    struct watch w = {.s = *settings};
    sigset_t held;
    sigemptyset(&held);
    for (size_t i = 0; i < ARRAY_LEN(numbers); i++)
        sigaddset(&held, numbers[i]);
    sigprocmask(SIG_BLOCK, &held, &w.mask);
    w.signals = signalfd(-1, &held, SFD_CLOEXEC | SFD_NONBLOCK);
    CHECK(w.signals >= 0);
    enter(&w);
    enum wish wish = WISH_DRAW;
    bool is_fine = true;
    while (is_fine && wish == WISH_DRAW) {
        int64_t next_ms = clock_mono_ms(&clock_system) + w.s.interval_ms;
        is_fine = draw(&w);
        if (is_fine)
            wish = rest(&w, next_ms);
    }
    leave(&w);
    close(w.signals);
    sigprocmask(SIG_SETMASK, &w.mask, NULL);
    return is_fine;
}
