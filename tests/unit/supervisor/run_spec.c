/* run_spec.c - plans from words
 *
 * Actions separated by commas. NAME{:spark}{<DEP+DEP}{!ERRORACTION}{*ATTEMPTS}{@DELAY}{~TIMEOUT}{%}; without < it depends on the one
 * before, "<" alone: on nothing. % gives it a dependency file of its own. A word "shared", "fail-fast", "queue=MS", "timeout=MS" or
 * "master=…" in the list is about the plan.
 */
#include "tests/unit/supervisor/run_spec.h"

#include "actors/base/ama_err.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static uint32_t spec_find (const run_spec_t *spec, const char *name, size_t size)
{
    for (uint32_t i = 0; i < spec->plan.n_actions; i++) {
        if (strlen (spec->names[i]) == size && memcmp (spec->names[i], name, size) == 0)
            return i;
    }
    fail_msg ("no action %.*s in the plan", (int) size, name);
    return 0;
}

static uint32_t spec_add (run_spec_t *spec, const char *name, size_t size)
{
    uint32_t i = (uint32_t) spec->plan.n_actions++;
    ama_plan_action_t *action = &spec->actions[i];

    assert_true (i < SPEC_MAX && size < sizeof spec->names[i]);
    memcpy (spec->names[i], name, size);
    *action = (ama_plan_action_t){
        .name = spec->names[i],
        .runner = (char *) "shell",
        .group = (char *) "shell",
        .file = (char *) "src/x.sh",
        .error_action = -1,
        .error_of = -1,
        .retry = { .attempts = 1 },
        .depends = spec->depends[i],
    };
    return i;
}

static void spec_modify (run_spec_t *spec, uint32_t index, char what, const char *word, size_t size)
{
    ama_plan_action_t *action = &spec->actions[index];

    switch (what) {
    case ':':
        action->runner = (char *) "spark-scala";
        action->group = (char *) "spark";
        break;
    case '<':
        action->n_depends = 0;
        for (size_t at = 0; at < size;) {
            size_t length = strcspn (word + at, "+,:!*@~% ;");
            length = length > size - at ? size - at : length;
            action->depends[action->n_depends++] = spec_find (spec, word + at, length);
            at += length + 1;
        }
        break;
    case '!': {
        uint32_t helper = spec_add (spec, word, size);
        spec->actions[helper].error_of = index;
        spec->actions[helper].retry.attempts = action->retry.attempts;
        action->error_action = helper;
        break;
    }
    case '*':
        action->retry.attempts = (uint32_t) atoi (word);
        break;
    case '@':
        action->retry.delay_ms = atoi (word);
        break;
    case '~':
        action->timeout_ms = atoi (word);
        break;
    default:
        spec->own[index] = (uint32_t) spec->plan.n_dependencies;
        spec->dependencies[spec->plan.n_dependencies++] = (ama_plan_dependencies_t){ .file = (char *) "src/jars.yml" };
        action->dependencies = &spec->own[index];
        action->n_dependencies = 1;
    }
}

static void spec_word (run_spec_t *spec, const char *word, size_t size, int64_t *before)
{
    size_t length = 0;
    uint32_t index;

    if (size == 6 && memcmp (word, "shared", 6) == 0) {
        spec->dependencies[spec->plan.n_dependencies++] = (ama_plan_dependencies_t){ .file = (char *) "deps/jars.yml" };
        return;
    }
    if (size == 9 && memcmp (word, "fail-fast", 9) == 0) {
        spec->plan.fail_fast = true;
        return;
    }
    if (size > 7 && memcmp (word, "master=", 7) == 0) {
        memcpy (spec->master, word + 7, size - 7);
        return;
    }
    if (size > 8 && memcmp (word, "timeout=", 8) == 0) {
        spec->plan.run_timeout_ms = atoi (word + 8);
        return;
    }
    if (size > 6 && memcmp (word, "lease=", 6) == 0) {
        spec->plan.lease_ms = atoi (word + 6);
        return;
    }
    if (size == 5 && memcmp (word, "rerun", 5) == 0) {
        spec->plan.on_lost = AMA_ON_LOST_RERUN;
        return;
    }
    if (size > 6 && memcmp (word, "queue=", 6) == 0) {
        spec->plan.queue_timeout_ms = atoi (word + 6);
        return;
    }
    while (length < size && !strchr (":<!*@~%", word[length]))
        length++;
    index = spec_add (spec, word, length);
    if (*before >= 0) {
        spec->depends[index][0] = (uint32_t) *before;
        spec->actions[index].n_depends = 1;
    }
    *before = index;
    while (length < size) {
        size_t start = length + 1, end = start;
        while (end < size && !strchr (":<!*@~%", word[end]))
            end++;
        spec_modify (spec, index, word[length], word + start, end - start);
        length = end;
    }
}

run_spec_t *run_spec_new (const char *text)
{
    run_spec_t *spec = ama_calloc (1, sizeof *spec);
    int64_t before = -1;

    spec->plan = (ama_plan_plan_t){ .job = (char *) "job",
                                    .env = (char *) "dev",
                                    .commit = (char *) "",
                                    .actions = spec->actions,
                                    .dependencies = spec->dependencies,
                                    .environment = { .master = spec->master } };
    while (*text) {
        size_t size = strcspn (text, ",");
        spec_word (spec, text, size, &before);
        text += size + (text[size] == ',');
    }
    return spec;
}
