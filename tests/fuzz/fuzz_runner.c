/* fuzz_runner.c - no runner.yml crashes, and what is accepted names a kernel, has expressions that compile, and can travel */
#include "actors/planner/community.h"

#include <regex.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput (const uint8_t *data, size_t size);

static void check_pattern (const char *pattern)
{
    regex_t compiled;

    if (!pattern)
        return;
    BUG_ON (regcomp (&compiled, pattern, REG_EXTENDED) != 0);
    regfree (&compiled);
}

static void check_accepted (const ama_community_runner_t *runner)
{
    const ama_plan_kernel_t *kernel = &runner->kernel;
    ama_plan_kernel_t copy;
    ama_str_t bytes = { 0 };

    BUG_ON (!runner->types[0] || !kernel->name[0] || strchr (kernel->name, '/') || kernel->name[0] == '.');
    for (char **at = runner->types; *at; at++)
        BUG_ON (!**at || strpbrk (*at, "/ \n"));
    for (char **at = runner->files; *at; at++)
        BUG_ON (**at != '.' || strpbrk (*at, "/ \n"));
    check_pattern (kernel->marker);
    check_pattern (kernel->error_line);
    BUG_ON (kernel->split == AMA_KERNEL_SPLIT_MARKER && !kernel->marker);
    ama_plan_kernel_encode (kernel, &bytes);
    BUG_ON (ama_plan_kernel_decode (bytes.data, bytes.size, &copy, NULL) < 0);
    ama_plan_kernel_done (&copy);
    ama_str_done (&bytes);
}

int LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
    ama_problems_t problems = { 0 };
    ama_community_runner_t runner;
    ama_doc_t *doc = NULL;

    if (ama_doc_parse ("runner.yml", data, size, NULL, &doc, &problems) == 0) {
        int rc = ama_community_parse (ama_doc_root (doc), "runner.yml", &runner, &problems);
        BUG_ON ((rc < 0) != (problems.errors > 0));
        if (rc == 0)
            check_accepted (&runner);
        ama_community_runner_done (&runner);
    }
    ama_doc_destroy (&doc);
    ama_problems_done (&problems);
    return 0;
}
