/* fuzz_kernelspec.c - no kernel.json crashes, and what is accepted has a command and an environment; no file and no traceback does either */
#include "agent/runners/jupyter/cells.h"
#include "agent/runners/jupyter/kernelspec.h"

#include "actors/base/ama_str.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput (const uint8_t *data, size_t size);

static void check_spec (const char *text, size_t size)
{
    ama_kernelspec_t spec;
    ama_err_t err;
    char **command;

    if (ama_kernelspec_parse (text, size, &spec, &err) < 0) {
        BUG_ON (spec.argv || spec.env || spec.language);
        return;
    }
    command = ama_kernelspec_command (&spec, "/c");
    BUG_ON (!command[0] || !spec.argv[0][0]);
    for (char **at = spec.env; *at; at++)
        BUG_ON (strchr (*at, '=') == NULL || **at == '=');
    ama_strv_free (command);
    ama_kernelspec_done (&spec);
}

static void check_cells (const char *text)
{
    static const char *const patterns[] = { "", "^a", "(" };
    uint32_t before = 0;
    ama_cells_place_t places[4];

    for (int how = AMA_KERNEL_SPLIT_CELLS; how <= AMA_KERNEL_SPLIT_MARKER; how++) {
        json_t *all = ama_cells_split (text, (ama_kernel_split_t) how, patterns[how % 3]), *one;
        size_t i;
        before = 0;
        json_array_foreach (all, i, one)
        {
            json_int_t line = json_integer_value (json_object_get (one, "line")),
                       end = json_integer_value (json_object_get (one, "end_line"));
            BUG_ON (line <= before || end < line);
            before = (uint32_t) end;
        }
        BUG_ON (ama_cells_places (all, "", "python", places, 4) != 0);
        json_decref (all);
    }
    json_t *lines = json_pack ("[s, s]", text, text);
    BUG_ON (ama_cells_places (lines, "([0-9]+)", "", places, 4) > 4);
    BUG_ON (ama_cells_places (lines, "", "python", places, 4) > 4);
    json_decref (lines);
}

int LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
    char *text = ama_strndup ((const char *) data, size);

    check_spec ((const char *) data, size);
    if (ama_utf8_valid (text, strlen (text)))
        check_cells (text);
    free (text);
    return 0;
}
