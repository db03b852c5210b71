/*
 * log_output.h - where the program's own log goes: stderr, systemd's journal behind stderr, or a file.
 *
 * Never waits for a reader. What stderr's pipe does not take at once is kept, up to 1 MiB; what comes after
 * that is dropped, counted, and told of as soon as lines are taken again. The same for a file on a full disk.
 * Before the journal each line begins with its level, "<4>" (sd-daemon(3)), and has no time stamp, since the
 * journal has its own; that stderr is the journal is known by $JOURNAL_STREAM.
 */
#ifndef SLUICE_LOG_OUTPUT_H
#define SLUICE_LOG_OUTPUT_H

#include "base/err.h"
#include "base/log.h"

#include <stdint.h>

struct event_base;
struct log_output;

struct log_output_settings {
    struct event_base *base;
    int fd;                     /* borrowed; where lines go without a file */
    const char *file;           /* borrowed; NULL: none. Made with mode 0640 if it is missing */
    const char *journal_stream; /* $JOURNAL_STREAM; borrowed for the call; NULL: not set */
};

/* log_output_open - errors: IO (the file can't be opened for writing). */
int log_output_open(const struct log_output_settings *settings, struct log_output **out,
                    struct err *err) MUST_CHECK;
/* log_output_close - what is kept gets one second to be taken. NULL is fine. */
void log_output_close(struct log_output *log);
/* log_output_sink - for log_setup(); arg: the output. */
void log_output_sink(void *arg, enum log_level level, const char *line, size_t len);
/* log_output_is_journal - the reader writes the time by itself. */
bool log_output_is_journal(const struct log_output *log);
/* log_output_reopen - open the file by its name again, since logrotate has renamed it. On an error the old
 * one goes on. Without a file nothing happens. Errors: IO. */
int log_output_reopen(struct log_output *log, struct err *err) MUST_CHECK;
/* log_output_say - "sluice: TEXT" on a descriptor that is read by a person or not at all: only if it takes
 * bytes at this moment. */
void log_output_say(int fd, const char *text);
/* log_output_dropped - lines that were lost since the start. */
uint64_t log_output_dropped(const struct log_output *log);

#endif
