/* cells.h - a file cut into statements for a kernel whose language nobody here knows, and where in them an error was. Pure */
#ifndef AMA_AGENT_JUPYTER_CELLS_H
#define AMA_AGENT_JUPYTER_CELLS_H

#include "messages/plan.h"

#include <jansson.h>

/* [{code, line, end_line, column}], without those that are blank. marker: for AMA_KERNEL_SPLIT_MARKER. Returns owned. */
json_t *ama_cells_split (const char *text, ama_kernel_split_t how, const char *marker);

/* Text without the escapes of a terminal. Returns owned. */
char *ama_cells_plain (const char *text, size_t size);

typedef struct {
    uint32_t execution; /* number of the statement, as the kernel counts; 0: the one that failed */
    uint32_t line;      /* in it, from 1 */
} ama_cells_place_t;

/* The places that a traceback names, the last first. pattern: its last group is a line, and with two the first is the execution; "": the pattern of this language, if
 * there is one. lines: strings, each of one or more lines. Returns their number. */
size_t ama_cells_places (const json_t *lines, const char *pattern, const char *language, ama_cells_place_t *places,
                         size_t max);

#endif
