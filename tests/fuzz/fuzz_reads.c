/* fuzz_reads.c - no source crashes the grammars or the walk; what is found lies in the source. The first byte is the language. */
#include "actors/base/ama_str.h"
#include "actors/planner/reads.h"

#include <stdint.h>
#include <string.h>

int LLVMFuzzerTestOneInput (const uint8_t *data, size_t size);

static void on_read (const ama_read_t *read, void *arg)
{
    (void) arg;
    BUG_ON (!read->line || !read->column || (read->sure && !read->known));
    BUG_ON (read->action && (!*read->action || strlen (read->action) > 128));
    BUG_ON (read->dataset && (!*read->dataset || strlen (read->dataset) > 128));
}

int LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
    ama_tree_language_t language;
    uint32_t line, column;
    TSTree *tree;

    if (!size)
        return 0;
    language = (ama_tree_language_t) (data[0] % 4);
    data++;
    size--;
    if (language != AMA_TREE_BASH)
        (void) ama_reads_find (language, (const char *) data, size, on_read, NULL);
    if (ama_tree_parse (language, (const char *) data, size, &tree) == 0) {
        BUG_ON (ama_tree_first_error (tree, &line, &column) && (!line || !column));
        ts_tree_delete (tree);
    }
    return 0;
}
