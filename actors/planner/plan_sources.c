/* plan_sources.c - what one source reads, and whether it is well-formed. A step of ama_plan_build; pure. */
#include "actors/planner/plan_build.h"
#include "actors/planner/reads.h"
#include "actors/planner/scan.h"

#include <string.h>

typedef struct {
    const char *runner;
    ama_tree_language_t language;
    const char *name;
    bool has_context; /* AmaContext is there */
    bool trusted;     /* what the grammar does not take is no such source; else it may be */
} source_kind_t;

/* docs/decisions.md has the figures behind trusted. */
static const source_kind_t kinds[] = {
    { "spark-scala", AMA_TREE_SCALA, "Scala", true, false },
    { "pyspark", AMA_TREE_PYTHON, "Python", true, true },
    { "sparkr", AMA_TREE_R, "R", true, true },
    { "python", AMA_TREE_PYTHON, "Python", false, true },
    { "pandas", AMA_TREE_PYTHON, "Python", false, true },
    { "r", AMA_TREE_R, "R", false, true },
    { "shell", AMA_TREE_BASH, "bash", false, false },
};

typedef struct {
    plan_build_t *self;
    size_t action;
} scan_t;

static const source_kind_t *kind_of (const ama_maki_action_t *action)
{
    for (size_t i = 0; action->runner && i < ARRAY_SIZE (kinds); i++)
        if (strcmp (kinds[i].runner, action->runner->name) == 0)
            return &kinds[i];
    return NULL;
}

static void on_read (const ama_read_t *found, void *arg)
{
    const scan_t *scan = arg;
    bool notebook = ama_maki_is_notebook (&scan->self->maki.actions[scan->action]);
    plan_read_t read = { found->kind == AMA_READS_ACTION  ? PLAN_READ_ACTION
                         : found->kind == AMA_READS_NAMED ? PLAN_READ_NAMED
                                                          : PLAN_WRITE_NAMED,
                         scan->action,
                         (char *) found->action,
                         (char *) found->dataset,
                         found->line,
                         found->column,
                         found->known,
                         found->sure && !notebook };

    ama_plan_add_read (scan->self, &read);
}

static void on_word (const char *names, uint32_t line, uint32_t column, void *arg)
{
    const scan_t *scan = arg;
    plan_read_t read = { PLAN_READ_WORD, scan->action, NULL, (char *) names, line, column, true, false };

    ama_plan_add_read (scan->self, &read);
}

/* Copies under names of the program's own choice are written by these, or by hand below the working folder. */
static bool names_freely (const char *text, size_t size)
{
    static const char *const words[] = { "saveDataFrame", "saveRDD", "workingDir", "working_dir", "WORKING_DIR" };

    for (size_t i = 0; i < ARRAY_SIZE (words); i++)
        if (memmem (text, size, words[i], strlen (words[i])))
            return true;
    return false;
}

static void tell_limit (plan_build_t *self, const ama_maki_action_t *action)
{
    (void) ama_problems_add (&self->problems, true, AMA_E_LIMIT, action->plan.file, 0, 0,
                             "declare what it reads with reads:",
                             "the file is too large to be analysed: at most %u KiB, of %u words and signs",
                             AMA_TREE_SOURCE_MAX >> 10, AMA_TREE_WORDS_MAX);
}

static void check_syntax (plan_build_t *self, const ama_maki_action_t *action, const source_kind_t *kind,
                          const char *text, size_t size)
{
    uint32_t line, column;
    TSTree *tree;

    if (memchr (text, 0, size) || !ama_utf8_valid (text, size)) /* in an encoding of its own */
        return;
    if (ama_tree_parse (kind->language, text, size, &tree) < 0) {
        tell_limit (self, action);
        return;
    }
    if (ama_tree_first_error (tree, &line, &column))
        (void) ama_problems_add (&self->problems, !kind->trusted, AMA_E_SYNTAX, action->plan.file, line, column, NULL,
                                 kind->trusted ? "this is not the syntax of %s" : "this may be a syntax error of %s",
                                 kind->name);
    ts_tree_delete (tree);
}

void ama_plan_scan_source (plan_build_t *self, size_t index, const char *text, size_t size)
{
    const ama_maki_action_t *action = &self->maki.actions[index];
    const source_kind_t *kind = kind_of (action);
    scan_t scan = { self, index };
    bool notebook = ama_maki_is_notebook (action);

    self->open_names = self->open_names || notebook || names_freely (text, size);
    if (action->runner && strcmp (action->runner->name, "spark-sql") == 0)
        ama_scan_sql (text, size, on_word, &scan);
    else if (!kind)
        self->open_names = true;
    else {
        if (kind->has_context && ama_reads_find (kind->language, text, size, on_read, &scan) < 0) {
            self->open_names = true;
            tell_limit (self, action);
        }
        else if (self->check_sources && !notebook)
            check_syntax (self, action, kind, text, size);
    }
}
