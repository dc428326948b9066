/* bad_repo.h - makes the repository that a file of tests/bad/repo/trees describes: objects that git itself would refuse to write
 *
 * A line is words and texts with single blanks between. A text is pieces "…" without anything between, each with *N behind it if it stands
 * N times; in it \n \r \t \0 \\ \" \xNN, and \o is a folder that nobody may touch. OBJECT is a label of a line above, or 40 hex digits.
 *
 *   blob LABEL TEXT             lie LABEL TEXT: the file of that object holds this blob instead
 *   tree LABEL [TEXT]           of raw bytes, and of the entries that follow:
 *   entry MODE OBJECT TEXT      entries N MODE OBJECT TEXT: N of them, the name is followed by 00000, 00001, …
 *   nest N WIDTH                N trees around the tree, each with WIDTH folders d0, d1, … that are all the one below
 *   commit LABEL OBJECT TEXT
 *   ref NAME OBJECT             file NAME TEXT: of the repository's own folder; several of one name are one file
 *   ask REF | pin COMMIT        what the fetcher is asked for
 *
 * The last tree is the commit of refs/heads/main unless there are lines for that. tests/bad/repo/make.py reads the same.
 */
#ifndef AMA_TESTS_FETCHER_BAD_REPO_H
#define AMA_TESTS_FETCHER_BAD_REPO_H

#include <stdbool.h>
#include <stddef.h>

typedef struct {
    char ref[256];
    char commit[64];
} bad_ask_t;

/* Fills `folder`, which exists and is empty. Returns the number of the first line that means nothing (all others count), or 0. What
 * would be too much for a fuzzer means nothing. */
unsigned bad_repo_make (const char *text, size_t size, const char *folder, const char *outside, bad_ask_t *ret_ask);

#endif
