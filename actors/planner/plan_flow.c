/* plan_flow.c - who comes after whom, and who reads what of whom. A step of ama_plan_build; pure. */
#include "actors/planner/plan_build.h"
#include "actors/planner/scan.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uthash.h>

struct plan_name {
    UT_hash_handle hh;
    const char *name;
    size_t action;
};

struct plan_edge_key {
    UT_hash_handle hh;
    char key[];
};

enum { CYCLE_SHOWN = 12 };

static const ama_maki_action_t *action_at (const plan_build_t *self, size_t i)
{
    return &self->maki.actions[i];
}

/* ---- names ---- */

static ptrdiff_t find_name (const plan_build_t *self, const char *name, size_t size)
{
    plan_name_t *found;

    HASH_FIND (hh, self->names, name, size, found);
    return found ? (ptrdiff_t) found->action : -1;
}

static void collect_names (plan_build_t *self)
{
    for (size_t i = 0; i < self->maki.n_actions; i++) {
        const ama_maki_action_t *action = action_at (self, i);
        plan_name_t *entry;
        ptrdiff_t first;
        if (!action->plan.name)
            continue;
        if ((first = find_name (self, action->plan.name, strlen (action->plan.name))) >= 0) {
            (void) ama_yaml_error (action->name, AMA_E_DUPKEY, &self->problems,
                                   "names are unique, error actions included",
                                   "two actions are called %s, the first on line %u", AMA_QUOTE (action->plan.name),
                                   action_at (self, (size_t) first)->name->line);
            continue;
        }
        entry = ama_calloc (1, sizeof *entry);
        *entry = (plan_name_t){ .name = action->plan.name, .action = i };
        HASH_ADD_KEYPTR (hh, self->names, entry->name, strlen (entry->name), entry);
    }
}

typedef struct {
    char folded[AMA_MAKI_NAME_MAX + 1];
    size_t action;
} folded_t;

static int by_folded (const void *a, const void *b)
{
    const folded_t *x = a, *y = b;
    int order = strcmp (x->folded, y->folded);

    return order ? order : x->action < y->action ? -1 : 1;
}

/* a and A would share a folder on some file systems, and AMA_DATASET_A_… everywhere. */
static void warn_of_case (plan_build_t *self)
{
    folded_t *all = ama_calloc (self->maki.n_actions, sizeof *all);
    size_t count = 0;

    for (size_t i = 0; i < self->maki.n_actions; i++) {
        const char *name = action_at (self, i)->plan.name;
        if (!name)
            continue;
        for (size_t j = 0; name[j]; j++)
            all[count].folded[j] = (char) (name[j] >= 'A' && name[j] <= 'Z' ? name[j] + 32 : name[j]);
        all[count++].action = i;
    }
    if (count)
        qsort (all, count, sizeof *all, by_folded);
    for (size_t i = 1; i < count; i++) {
        const ama_maki_action_t *a = action_at (self, all[i - 1].action), *b = action_at (self, all[i].action);
        if (strcmp (all[i - 1].folded, all[i].folded) == 0 && strcmp (a->plan.name, b->plan.name) != 0)
            (void) ama_yaml_warn (b->name, AMA_E_INVALID, &self->problems, NULL,
                                  "%s differs from %s on line %u by upper and lower case only",
                                  AMA_QUOTE (b->plan.name), AMA_QUOTE (a->plan.name), a->name->line);
    }
    free (all);
}

/* "did you mean", over the names of the flow; "" if nothing is near. */
static void propose (const plan_build_t *self, const char *name, char *hint, size_t room)
{
    const char **names, *near;

    *hint = '\0';
    if (self->problems.count >= PLAN_HINTS)
        return;
    names = ama_calloc (self->maki.n_actions, sizeof *names);
    for (size_t i = 0; i < self->maki.n_actions; i++)
        names[i] = action_at (self, i)->error_of < 0 ? action_at (self, i)->plan.name : NULL;
    near = ama_nearest (name, names, self->maki.n_actions);
    (void) snprintf (hint, room, near ? "did you mean %s?" : "%s", near ? near : "");
    free (names);
}

/* ---- order ---- */

static void add_depends (plan_build_t *self, size_t index)
{
    const ama_maki_action_t *action = action_at (self, index);
    const ama_yaml_t *item;
    char hint[128];

    for (size_t i = 0; (item = ama_maki_scalar_at (action->depends, i)); i++) {
        ptrdiff_t before = find_name (self, item->text, item->size);
        if (before < 0) {
            propose (self, item->text, hint, sizeof hint);
            (void) ama_yaml_error (item, AMA_E_NOT_FOUND, &self->problems, hint, "depends-on: no action is called %s",
                                   AMA_QUOTE (item->text));
        }
        else if (action_at (self, (size_t) before)->error_of >= 0)
            (void) ama_yaml_error (item, AMA_E_INVALID, &self->problems, "depend on the action that it belongs to",
                                   "depends-on: %s is an error action", AMA_QUOTE (item->text));
        else
            ama_dag_add (&self->dag, (uint32_t) index, (uint32_t) before);
    }
}

static void add_edges (plan_build_t *self)
{
    ptrdiff_t above = -1;

    for (size_t i = 0; i < self->maki.n_actions; i++) {
        const ama_maki_action_t *action = action_at (self, i);
        if (action->error_of >= 0) {
            ama_dag_add (&self->dag, (uint32_t) i, (uint32_t) action->error_of);
            continue;
        }
        if (action->depends)
            add_depends (self, i);
        else if (above >= 0)
            ama_dag_add (&self->dag, (uint32_t) i, (uint32_t) above);
        above = (ptrdiff_t) i;
    }
}

static void tell_cycle (plan_build_t *self, const uint32_t *path, size_t length)
{
    const ama_maki_action_t *at = NULL;
    bool by_position = false;
    ama_str_t text = { 0 };

    for (size_t i = 0; i < length; i++) {
        const ama_maki_action_t *action = action_at (self, path[i]);
        by_position = by_position || !action->depends;
        at = action->depends && !at ? action : at;
        if (i < CYCLE_SHOWN)
            ama_str_printf (&text, "%s → ", action->plan.name ? action->plan.name : "?");
    }
    if (length > CYCLE_SHOWN)
        ama_str_printf (&text, "… (%zu more) → ", length - CYCLE_SHOWN);
    ama_str_puts (&text, action_at (self, path[0])->plan.name ? action_at (self, path[0])->plan.name : "?");
    at = at ? at : action_at (self, path[0]);
    (void) ama_yaml_error (at->depends && at->depends->line ? at->depends : at->node, AMA_E_SYNTAX, &self->problems,
                           by_position ? "an action without depends-on waits for the one above it" : NULL,
                           "the flow waits for itself: %s", text.data);
    ama_str_done (&text);
}

static void find_order (plan_build_t *self)
{
    size_t count = self->maki.n_actions, length;
    uint32_t *list = ama_calloc (count, sizeof *list);
    uint8_t *seen;

    if (ama_dag_order (&self->dag, list)) {
        self->order = list;
        self->ancestors = ama_dag_ancestors (&self->dag, list, &self->words);
        return;
    }
    seen = ama_calloc (count, 1);
    while ((length = ama_dag_cycle (&self->dag, seen, list)))
        tell_cycle (self, list, length);
    free (seen);
    free (list);
}

void ama_plan_flow (plan_build_t *self)
{
    collect_names (self);
    warn_of_case (self);
    ama_dag_init (&self->dag, self->maki.n_actions);
    add_edges (self);
    find_order (self);
}

void ama_plan_flow_done (plan_build_t *self)
{
    plan_name_t *entry = self->names;
    plan_edge_key_t *edge;

    HASH_CLEAR (hh, self->names); /* the entries stay linked */
    while (entry) {
        plan_name_t *next = entry->hh.next;
        free (entry);
        entry = next;
    }
    edge = self->edge_keys;
    HASH_CLEAR (hh, self->edge_keys);
    while (edge) {
        plan_edge_key_t *next = edge->hh.next;
        free (edge);
        edge = next;
    }
    ama_dag_done (&self->dag);
    free (self->order);
    free (self->ancestors);
}

/* ---- who reads what ---- */

static bool comes_before (const plan_build_t *self, size_t first, size_t second)
{
    return !self->ancestors || (self->ancestors[second * self->words + first / 64] >> (first % 64) & 1);
}

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

static void add_edge (plan_build_t *self, size_t source, const char *dataset, size_t target)
{
    const char *from = action_at (self, source)->plan.name, *to = action_at (self, target)->plan.name;

    if (!from || !to)
        return;
    if (!is_new_edge (self, source, dataset, target))
        return;
    if (self->n_edges >= AMA_PLAN_PLAN_EDGES_MAX) {
        if (self->n_edges == AMA_PLAN_PLAN_EDGES_MAX && self->edges_room)
            (void) ama_yaml_error (action_at (self, target)->node, AMA_E_LIMIT, &self->problems, NULL,
                                   "the actions read more than %d datasets of one another", AMA_PLAN_PLAN_EDGES_MAX);
        self->edges_room = 0;
        return;
    }
    if (self->n_edges == self->edges_room) {
        self->edges_room = self->edges_room ? self->edges_room * 2 : 32;
        self->edges = ama_realloc (self->edges, self->edges_room * sizeof *self->edges);
    }
    self->edges[self->n_edges++] = (ama_plan_edge_t){ ama_strdup (from), ama_strdup (dataset), ama_strdup (to) };
}

/* "action.dataset" where both may hold dots: the longest part that is an action's name. */
static ptrdiff_t split_read (const plan_build_t *self, const char *text, const char **ret_dataset)
{
    for (size_t i = strlen (text); i-- > 1;)
        if (text[i] == '.' && text[i + 1]) {
            ptrdiff_t found = find_name (self, text, i);
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

    if (!dot || dot == item->text || !dot[1] || item->size > AMA_PLAN_ACTION_READS_ITEM_MAX) /* told already */
        return;
    if (source < 0) {
        (void) snprintf (name, sizeof name, "%.*s", (int) (dot - item->text < 64 ? dot - item->text : 64), item->text);
        propose (self, name, hint, sizeof hint);
        (void) ama_yaml_error (item, AMA_E_NOT_FOUND, &self->problems, hint, "reads %s: no action is called %s",
                               AMA_QUOTE (item->text), AMA_QUOTE (name));
    }
    else if (strlen (dataset) > AMA_PLAN_EDGE_DATASET_MAX || strpbrk (dataset, "/\\") || strstr (dataset, ".."))
        (void) ama_yaml_error (item, AMA_E_PATH, &self->problems, "letters, digits, . _ and -",
                               "reads %s: the dataset has no proper name", AMA_QUOTE (item->text));
    else if (!comes_before (self, (size_t) source, index)) {
        (void) snprintf (hint, sizeof hint, "add %s to its depends-on", action_at (self, (size_t) source)->plan.name);
        (void) ama_yaml_error (item, AMA_E_INVALID, &self->problems, hint, "reads %s, but does not come after %s",
                               AMA_QUOTE (item->text), AMA_QUOTE (action_at (self, (size_t) source)->plan.name));
    }
    else
        add_edge (self, (size_t) source, dataset, index);
}

void ama_plan_declared_reads (plan_build_t *self, size_t index)
{
    const ama_yaml_t *item;

    for (size_t i = 0; (item = ama_maki_scalar_at (action_at (self, index)->reads, i)); i++)
        declared_read (self, index, item);
}

typedef struct {
    plan_build_t *self;
    size_t action;
} scan_t;

static void on_hit (const ama_scan_hit_t *hit, void *arg)
{
    const scan_t *scan = arg;
    plan_build_t *self = scan->self;
    const char *file = action_at (self, scan->action)->plan.file;
    ptrdiff_t source = find_name (self, hit->action, strlen (hit->action));
    char hint[160];

    if (source < 0) {
        propose (self, hit->action, hint, sizeof hint);
        (void) ama_problems_add (&self->problems, true, AMA_E_NOT_FOUND, file, hit->line, hit->column, hint,
                                 "no action is called %s", AMA_QUOTE (hit->action));
    }
    else if (!comes_before (self, (size_t) source, scan->action) && (size_t) source != scan->action) {
        (void) snprintf (hint, sizeof hint, "add %s to depends-on of %s", hit->action,
                         action_at (self, scan->action)->plan.name);
        (void) ama_problems_add (&self->problems, true, AMA_E_INVALID, file, hit->line, hit->column, hint,
                                 "reads %s of %s, which does not come before it", AMA_QUOTE (hit->dataset),
                                 AMA_QUOTE (hit->action));
    }
    else if ((size_t) source != scan->action)
        add_edge (self, (size_t) source, hit->dataset, scan->action);
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
static void on_word (const char *names, uint32_t line, uint32_t column, void *arg)
{
    const scan_t *scan = arg;
    plan_build_t *self = scan->self;
    size_t before = 0, known = SIZE_MAX;

    for (size_t i = 0; i < self->maki.n_actions; i++) {
        const char *name = action_at (self, i)->plan.name;
        size_t part = name ? action_part (names, name) : 0;
        if (!part)
            continue;
        known = i;
        if (i != scan->action && comes_before (self, i, scan->action)) {
            add_edge (self, i, names + part + 1, scan->action);
            before++;
        }
    }
    if (known == SIZE_MAX)
        (void) ama_problems_add (&self->problems, true, AMA_E_NOT_FOUND, action_at (self, scan->action)->plan.file,
                                 line, column, "AMACONTEXT_<action>_<dataset>", "AMACONTEXT_%s names no action",
                                 AMA_QUOTE (names));
    else if (!before && known != scan->action) {
        ama_scan_hit_t hit = { action_at (self, known)->plan.name, names, line, column };
        on_hit (&hit, arg);
    }
}

bool ama_plan_can_scan (const char *runner)
{
    return strcmp (runner, "spark-scala") == 0 || strcmp (runner, "spark-sql") == 0;
}

void ama_plan_scan_source (plan_build_t *self, size_t action, const char *text, size_t size)
{
    const ama_runner_t *runner = action_at (self, action)->runner;
    scan_t scan = { self, action };

    if (runner && strcmp (runner->name, "spark-sql") == 0)
        ama_scan_sql (text, size, on_word, &scan);
    else
        ama_scan_scala (text, size, on_hit, &scan);
}
