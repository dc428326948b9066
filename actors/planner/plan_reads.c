/* plan_reads.c - who reads what of whom: what is declared and what the sources name becomes edges. A step of ama_plan_build.
 *
 * Only what can not be right is an error: literal names, in a call that is made whenever the source is run, where nothing in the repository may have made the name otherwise.
 * Whatever may be read has an edge, so that nothing is missing for which a dataset would have to be kept.
 */
#include "actors/planner/plan_build.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uthash.h>

enum {
    READS_MAX = 20000, /* that are kept of one repository */
    GUESSED_MAX = AMA_PLAN_PLAN_EDGES_MAX / 2,
};

struct plan_edge_key {
    UT_hash_handle hh;
    char key[];
};

/* Where a read stands. */
typedef struct {
    const char *file; /* NULL: in the target's own */
    uint32_t line, column;
    bool uncertain;
} place_t;

static const ama_maki_action_t *action_at (const plan_build_t *self, size_t i)
{
    return &self->maki.actions[i];
}

static const char *name_of (const plan_build_t *self, size_t i)
{
    return action_at (self, i)->plan.name ? action_at (self, i)->plan.name : "?";
}

static bool comes_before (const plan_build_t *self, size_t first, size_t second)
{
    return !self->ancestors || (self->ancestors[second * self->words + first / 64] >> (first % 64) & 1);
}

/* ---- edges ---- */

static bool is_new_edge (plan_build_t *self, size_t source, const char *dataset, size_t target)
{
    char key[AMA_PLAN_EDGE_DATASET_MAX + 64];
    int size = snprintf (key, sizeof key, "%zu %zu %s", source, target, dataset);
    plan_edge_key_t *found;

    HASH_FIND (hh, self->edge_keys, key, (size_t) size, found);
    if (found)
        return false;
    found = ama_calloc (1, sizeof *found + (size_t) size + 1);
    memcpy (found->key, key, (size_t) size + 1);
    HASH_ADD_KEYPTR (hh, self->edge_keys, found->key, (size_t) size, found);
    return true;
}

static void tell_too_many (plan_build_t *self, size_t target)
{
    if (self->edges_room)
        (void) ama_yaml_error (action_at (self, target)->node, AMA_E_LIMIT, &self->problems, NULL,
                               "the actions read more than %d datasets of one another", AMA_PLAN_PLAN_EDGES_MAX);
    self->edges_room = 0;
}

/* False: there are too many of those that nobody is certain of. */
static bool may_guess (plan_build_t *self, size_t target, const place_t *place)
{
    if (!place->uncertain || self->guessed < GUESSED_MAX)
        return true;
    if (self->guessed++ == GUESSED_MAX)
        (void) ama_problems_add (&self->problems, true, AMA_E_LIMIT, action_at (self, target)->plan.file, place->line,
                                 place->column, "name them with literals",
                                 "more than %d reads without literal names may mean an earlier action; the plan shows "
                                 "no more of them",
                                 GUESSED_MAX);
    return false;
}

static void add_edge (plan_build_t *self, size_t source, const char *dataset, size_t target, const place_t *place)
{
    const char *from = action_at (self, source)->plan.name, *to = action_at (self, target)->plan.name;

    if (!from || !to || strlen (dataset) > AMA_PLAN_EDGE_DATASET_MAX)
        return;
    if (!may_guess (self, target, place) || !is_new_edge (self, source, dataset, target))
        return;
    if (self->n_edges >= AMA_PLAN_PLAN_EDGES_MAX) {
        tell_too_many (self, target);
        return;
    }
    if (self->n_edges == self->edges_room) {
        self->edges_room = self->edges_room ? self->edges_room * 2 : 32;
        self->edges = ama_realloc (self->edges, self->edges_room * sizeof *self->edges);
    }
    self->guessed += place->uncertain;
    self->edges[self->n_edges++] = (ama_plan_edge_t){
        .source = ama_strdup (from),
        .dataset = ama_strdup (dataset),
        .target = ama_strdup (to),
        .file = ama_strdup (place->file ? place->file : ""),
        .line = place->line,
        .column = place->column,
        .uncertain = place->uncertain,
    };
}

/* ---- declared ---- */

/* "action.dataset" where both may hold dots: the longest part that is an action's name. */
static ptrdiff_t split_read (const plan_build_t *self, const char *text, const char **ret_dataset)
{
    for (size_t i = strlen (text); i-- > 1;)
        if (text[i] == '.' && text[i + 1]) {
            ptrdiff_t found = ama_plan_find (self, text, i);
            if (found >= 0) {
                *ret_dataset = text + i + 1;
                return found;
            }
        }
    return -1;
}

static void declared_read (plan_build_t *self, size_t index, const ama_yaml_t *item)
{
    const char *dataset = "", *dot = strchr (item->text, '.');
    ptrdiff_t source = split_read (self, item->text, &dataset);
    char hint[160], name[AMA_MAKI_NAME_MAX + 1];
    place_t place = { "maki.yml", item->line, item->column, false };

    if (!dot || dot == item->text || !dot[1] || item->size > AMA_PLAN_ACTION_READS_ITEM_MAX) /* told already */
        return;
    if (source < 0) {
        (void) snprintf (name, sizeof name, "%.*s", (int) (dot - item->text < 64 ? dot - item->text : 64), item->text);
        ama_plan_propose (self, name, hint, sizeof hint);
        (void) ama_yaml_error (item, AMA_E_NOT_FOUND, &self->problems, hint, "reads %s: no action is called %s",
                               AMA_QUOTE (item->text), AMA_QUOTE (name));
    }
    else if (strlen (dataset) > AMA_PLAN_EDGE_DATASET_MAX || strpbrk (dataset, "/\\") || strstr (dataset, ".."))
        (void) ama_yaml_error (item, AMA_E_PATH, &self->problems, "letters, digits, . _ and -",
                               "reads %s: the dataset has no proper name", AMA_QUOTE (item->text));
    else if (!comes_before (self, (size_t) source, index)) {
        (void) snprintf (hint, sizeof hint, "add %s to its depends-on", name_of (self, (size_t) source));
        (void) ama_yaml_error (item, AMA_E_INVALID, &self->problems, hint, "reads %s, but does not come after %s",
                               AMA_QUOTE (item->text), AMA_QUOTE (name_of (self, (size_t) source)));
    }
    else
        add_edge (self, (size_t) source, dataset, index, &place);
}

/* ---- found in sources ---- */

void ama_plan_add_read (plan_build_t *self, const plan_read_t *read)
{
    if (self->n_reads == READS_MAX) {
        (void) ama_problems_add (
            &self->problems, true, AMA_E_LIMIT, action_at (self, read->action)->plan.file, read->line, read->column,
            "declare them with reads:", "the sources have more than %d reads; those from here on are not looked at",
            READS_MAX);
        self->open_names = true;
    }
    if (self->n_reads >= READS_MAX) {
        self->n_reads = READS_MAX + 1;
        return;
    }
    if (self->n_reads == self->reads_room) {
        self->reads_room = self->reads_room ? self->reads_room * 2 : 32;
        self->reads = ama_realloc (self->reads, (self->reads_room + 1) * sizeof *self->reads);
    }
    self->reads[self->n_reads] = *read;
    self->reads[self->n_reads].from = read->from ? ama_strdup (read->from) : NULL;
    self->reads[self->n_reads].dataset = read->dataset ? ama_strdup (read->dataset) : NULL;
    self->n_reads++;
}

static size_t count_reads (const plan_build_t *self)
{
    return self->n_reads > READS_MAX ? READS_MAX : self->n_reads;
}

static place_t place_of (const plan_read_t *read, bool uncertain)
{
    return (place_t){ NULL, read->line, read->column, uncertain };
}

/* Its values may be there for later ones; of shell, Python and R without Spark nothing is. */
bool ama_plan_leaves_values (const plan_build_t *self, size_t index)
{
    const ama_runner_t *runner = action_at (self, index)->runner;

    return runner && (strncmp (runner->name, "spark", 5) == 0 || strcmp (runner->name, "pyspark") == 0);
}

/* ---- names that can not be there ---- */

/* Each makes names of the program's own while it runs. */
static bool makes_names (const char *text, size_t size)
{
    static const char *const words[] = { "globals",     "exec",   "locals", "vars",       "setattr", "import *",
                                         "__dict__",    "assign", "source", "list2env",   "attach",  "load",
                                         "environment", "eval",   "${",     "__import__", "sys.",    "sourceCpp" };

    for (size_t i = 0; i < ARRAY_SIZE (words); i++)
        if (memmem (text, size, words[i], strlen (words[i])))
            return true;
    return false;
}

static const ama_str_t *text_of (plan_build_t *self, size_t index)
{
    if (!self->texts)
        self->texts = ama_calloc (self->maki.n_actions, sizeof *self->texts);
    if (!self->texts[index].data
        && (!ama_plan_read_again (self, index, &self->texts[index]) || !self->texts[index].data))
        ama_str_puts (&self->texts[index], "${"); /* unknown: as one that makes names */
    return &self->texts[index];
}

bool ama_plan_is_exported (const ama_plan_action_t *action, const char *dataset)
{
    for (size_t i = 0; i < action->n_exports; i++)
        if (strcmp (action->exports[i].name, dataset) == 0)
            return true;
    return false;
}

/* The action can not leave it: its source is all there is, and does not even have the word. */
static bool lacks (plan_build_t *self, size_t source, const char *dataset)
{
    const ama_maki_action_t *action = action_at (self, source);
    const ama_str_t *text;

    if (!ama_plan_leaves_values (self, source) || !action->plan.file || ama_plan_is_exported (&action->plan, dataset))
        return false;
    if (strcmp (action->runner->name, "spark-sql") == 0 && strcasecmp (dataset, "result") == 0)
        return false;
    text = text_of (self, source);
    return !makes_names (text->data, text->size) && !memmem (text->data, text->size, dataset, strlen (dataset));
}

/* ---- reads of actions ---- */

static void tell (plan_build_t *self, const plan_read_t *read, int code, const char *hint, const char *what)
{
    (void) ama_problems_add (&self->problems, !read->sure || self->open_names, code,
                             action_at (self, read->action)->plan.file, read->line, read->column, hint, "%s", what);
}

static void unknown_action (plan_build_t *self, const plan_read_t *read)
{
    char hint[160], what[320];

    ama_plan_propose (self, read->from, hint, sizeof hint);
    (void) snprintf (what, sizeof what, "no action is called %s", AMA_QUOTE (read->from));
    tell (self, read, AMA_E_NOT_FOUND, hint, what);
}

static void from_later (plan_build_t *self, const plan_read_t *read, size_t source)
{
    char hint[200], what[640];

    (void) snprintf (hint, sizeof hint, "add %s to depends-on of %s", name_of (self, source),
                     name_of (self, read->action));
    (void) snprintf (what, sizeof what, "reads %s of %s, which does not come before it",
                     AMA_QUOTE (read->dataset ? read->dataset : "a dataset"), AMA_QUOTE (name_of (self, source)));
    tell (self, read, AMA_E_INVALID, hint, what);
}

static void check_name (plan_build_t *self, const plan_read_t *read, size_t source)
{
    char hint[200], what[640];

    if (!read->sure || self->open_names || !lacks (self, source, read->dataset))
        return;
    (void) snprintf (hint, sizeof hint, "name a value that %s leaves", name_of (self, source));
    (void) snprintf (what, sizeof what, "the action %s leaves no %s: %s does not name it",
                     AMA_QUOTE (name_of (self, source)), AMA_QUOTE (read->dataset),
                     AMA_QUOTE (action_at (self, source)->plan.file));
    tell (self, read, AMA_E_NOT_FOUND, hint, what);
}

/* Every earlier action that may be meant. */
static void guess (plan_build_t *self, const plan_read_t *read)
{
    place_t place = place_of (read, true);

    for (size_t i = 0; self->ancestors && i < self->maki.n_actions; i++)
        if (i != read->action && ama_plan_leaves_values (self, i) && comes_before (self, i, read->action))
            add_edge (self, i, read->dataset ? read->dataset : "*", read->action, &place);
}

static void read_action (plan_build_t *self, const plan_read_t *read)
{
    ptrdiff_t source = read->from ? ama_plan_find (self, read->from, strlen (read->from)) : -1;
    place_t place = place_of (read, !read->known || !read->dataset);

    if (!read->from)
        guess (self, read);
    else if (source < 0) {
        if (read->known)
            unknown_action (self, read);
    }
    else if ((size_t) source == read->action)
        return;
    else if (!comes_before (self, (size_t) source, read->action)) {
        if (read->known)
            from_later (self, read, (size_t) source);
    }
    else {
        add_edge (self, (size_t) source, read->dataset ? read->dataset : "*", read->action, &place);
        if (read->dataset)
            check_name (self, read, (size_t) source);
    }
}

/* A bare word of SQL has no other characters than these, and no case. */
static bool same_in_sql (char a, char b)
{
    return tolower ((unsigned char) a) == tolower ((unsigned char) b)
           || (!isalnum ((unsigned char) a) && !isalnum ((unsigned char) b));
}

/* The bytes of names that are the action's; 0: they do not begin with it. */
static size_t action_part (const char *names, const char *action)
{
    size_t n = 0;

    while (action[n] && names[n] && same_in_sql (names[n], action[n]))
        n++;
    return !action[n] && names[n] == '_' && names[n + 1] ? n : 0;
}

/* Of several actions that may be meant, those that come before it: the statement finds out which has the dataset. */
static void read_word (plan_build_t *self, const plan_read_t *read)
{
    size_t before = 0, known = SIZE_MAX;
    place_t place = place_of (read, false);

    for (size_t i = 0; i < self->maki.n_actions; i++) {
        const char *name = action_at (self, i)->plan.name;
        size_t part = name ? action_part (read->dataset, name) : 0;
        if (!part)
            continue;
        known = i;
        if (i != read->action && comes_before (self, i, read->action)) {
            add_edge (self, i, read->dataset + part + 1, read->action, &place);
            before++;
        }
    }
    if (known == SIZE_MAX) {
        char what[320];
        (void) snprintf (what, sizeof what, "AMACONTEXT_%s names no action", AMA_QUOTE (read->dataset));
        tell (self, read, AMA_E_NOT_FOUND, "AMACONTEXT_<action>_<dataset>", what);
    }
    else if (!before && known != read->action)
        from_later (self, read, known);
}

/* ---- named datasets ---- */

static bool has_named (const plan_build_t *self, const char *name)
{
    for (size_t i = 0; i < self->environment.n_datasets; i++)
        if (strcmp (self->environment.datasets[i].key, name) == 0)
            return true;
    return false;
}

/* An edge from everyone who writes it before. */
static void read_named (plan_build_t *self, const plan_read_t *read, bool environment_is_known)
{
    char hint[200], what[320];

    for (size_t i = 0; self->ancestors && i < count_reads (self); i++) {
        const plan_read_t *write = &self->reads[i];
        bool same = read->dataset && write->dataset && strcmp (read->dataset, write->dataset) == 0;
        place_t place = place_of (read, !same || !read->known || !write->known);
        if (write->kind != PLAN_WRITE_NAMED || write->action == read->action
            || (!same && read->dataset && write->dataset) || !comes_before (self, write->action, read->action))
            continue;
        add_edge (self, write->action,
                  write->dataset  ? write->dataset
                  : read->dataset ? read->dataset
                                  : "*",
                  read->action, &place);
    }
    if (!read->sure || !read->dataset || !environment_is_known || has_named (self, read->dataset))
        return;
    (void) snprintf (hint, sizeof hint, "add it to a file of env/%.100s whose name has datasets in it", self->env);
    (void) snprintf (what, sizeof what, "the environment has no dataset %s", AMA_QUOTE (read->dataset));
    (void) ama_problems_add (&self->problems, false, AMA_E_NOT_FOUND, action_at (self, read->action)->plan.file,
                             read->line, read->column, hint, "%s", what);
}

/* ---- all ---- */

static int by_action (const void *a, const void *b)
{
    const plan_read_t *x = a, *y = b;

    if (x->action != y->action)
        return x->action < y->action ? -1 : 1;
    if (x->line != y->line)
        return x->line < y->line ? -1 : 1;
    return x->column < y->column ? -1 : x->column > y->column;
}

/* Files of src/ that are no action's own are code, too: what they do is not looked at. */
static void look_for_others (plan_build_t *self)
{
    size_t own = 0;

    for (size_t i = 0; i < self->maki.n_actions; i++) {
        const ama_maki_action_t *action = action_at (self, i);
        self->open_names = self->open_names || !action->runner || !action->plan.file || action->plan.n_dependencies;
    }
    for (size_t i = 0; i < self->src.count && !self->open_names; i++) {
        const ama_repo_entry_t *entry = &self->src.items[i];
        for (own = 0; own < self->maki.n_actions; own++) {
            const char *file = action_at (self, own)->plan.file;
            if (file && strncmp (file, "src/", 4) == 0 && strcmp (file + 4, entry->name) == 0)
                break;
        }
        self->open_names = entry->folder || own == self->maki.n_actions;
    }
    self->open_names = self->open_names || self->n_dependencies;
}

void ama_plan_reads (plan_build_t *self)
{
    bool environment_is_known = !self->problems.errors;
    const ama_yaml_t *item;
    size_t next = 0, count = count_reads (self);

    if (count) {
        look_for_others (self);
        qsort (self->reads, count, sizeof *self->reads, by_action);
    }
    for (size_t i = 0; i < self->maki.n_actions; i++) {
        for (size_t k = 0; (item = ama_maki_scalar_at (action_at (self, i)->reads, k)); k++)
            declared_read (self, i, item);
        for (; next < count && self->reads[next].action == i; next++) {
            const plan_read_t *read = &self->reads[next];
            if (read->kind == PLAN_READ_ACTION)
                read_action (self, read);
            else if (read->kind == PLAN_READ_WORD)
                read_word (self, read);
            else if (read->kind == PLAN_READ_NAMED)
                read_named (self, read, environment_is_known);
        }
    }
}

void ama_plan_reads_done (plan_build_t *self)
{
    plan_edge_key_t *edge = self->edge_keys;

    HASH_CLEAR (hh, self->edge_keys); /* the entries stay linked */
    while (edge) {
        plan_edge_key_t *next = edge->hh.next;
        free (edge);
        edge = next;
    }
    for (size_t i = 0; i < count_reads (self); i++) {
        free (self->reads[i].from);
        free (self->reads[i].dataset);
    }
    free (self->reads);
    for (size_t i = 0; self->texts && i < self->maki.n_actions; i++)
        ama_str_done (&self->texts[i]);
    free (self->texts);
}
