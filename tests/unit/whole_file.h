/* whole_file.h - the data that a test compares with. */
#ifndef SLUICE_TESTS_UNIT_WHOLE_FILE_H
#define SLUICE_TESTS_UNIT_WHOLE_FILE_H

/* read_whole - the text of a file, malloc'ed; fails the test if there is none. */
char *read_whole(const char *path);

#endif
