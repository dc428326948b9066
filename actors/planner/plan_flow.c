/* plan_flow.c - names, and who comes after whom. A step of ama_plan_build; pure. */
#include "actors/planner/plan_build.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uthash.h>

struct plan_name {
    UT_hash_handle hh;
    const char *name;
    size_t action;
};

enum { CYCLE_SHOWN = 12 };

static const ama_maki_action_t *action_at (const plan_build_t *self, size_t i)
{
    return &self->maki.actions[i];
}

/* ---- names ---- */

ptrdiff_t ama_plan_find (const plan_build_t *self, const char *name, size_t size)
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
        if ((first = ama_plan_find (self, action->plan.name, strlen (action->plan.name))) >= 0) {
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
void ama_plan_propose (const plan_build_t *self, const char *name, char *hint, size_t room)
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
        ptrdiff_t before = ama_plan_find (self, item->text, item->size);
        if (before < 0) {
            ama_plan_propose (self, item->text, hint, sizeof hint);
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

    HASH_CLEAR (hh, self->names); /* the entries stay linked */
    while (entry) {
        plan_name_t *next = entry->hh.next;
        free (entry);
        entry = next;
    }
    ama_dag_done (&self->dag);
    free (self->order);
    free (self->ancestors);
}
