/*
 * tune_image.h - the image that `sluice tune` makes when none is named: one static program that ends with
 * code 0, of a few hundred bytes, for the architecture that sluice was built for.
 */
#ifndef SLUICE_TUNE_IMAGE_H
#define SLUICE_TUNE_IMAGE_H

#include <stddef.h>

/* The program's place in the image. */
#define TUNE_IMAGE_FILE "exit"
#define TUNE_IMAGE_PROGRAM "/" TUNE_IMAGE_FILE

/* The program itself, an ELF file; static. tune_exit.S, embedded by the build. */
const char *tune_exit_program(void);
size_t tune_exit_program_size(void);

/* tune_image_tar - the image's files as a tar (POSIX.1-1988 ustar), malloc'ed; *len: its bytes. */
char *tune_image_tar(size_t *len);

#endif
