/*
 * error_body.h - the sentence in what an engine, a registry or a Prefect server sent, when only the bytes are
 * left: an error answer's JSON, the lines of a pull, or any text.
 *
 * For `sluice explain --message-file`; the clients read what they themselves received with the same
 * functions. Pure.
 */
#ifndef SLUICE_API_ERROR_BODY_H
#define SLUICE_API_ERROR_BODY_H

#include <stdbool.h>
#include <stddef.h>

enum error_body {
    ERROR_BODY_EMPTY,  /* nothing but blanks */
    ERROR_BODY_TEXT,   /* neither JSON nor a pull: the text itself */
    ERROR_BODY_JSON,   /* an error answer */
    ERROR_BODY_STREAM, /* a pull that ends with an error */
    ERROR_BODY_FINE,   /* a pull that has succeeded */
    ERROR_BODY_CUT_OFF /* a pull that neither failed nor came to its end */
};

/*
 * error_body_read - message: at most size - 1 bytes, "" if there is none, blanks for control characters. Of a
 * pull the first error counts, which is also its last line; one that is cut off in its error is taken as it
 * is.
 */
enum error_body error_body_read(const char *bytes, size_t len, char *message, size_t size);

#endif
