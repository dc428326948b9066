/* maki_kernel.c - of an action that runs in any kernel: which one, and a notebook's parameters. Pure. */
#include "actors/planner/maki_parse.h"

#include <stdlib.h>
#include <string.h>

enum { PARAM_MAX = 65536 };

bool ama_maki_is_notebook (const ama_maki_action_t *action)
{
    return action->runner && action->plan.file && ama_str_ends (action->plan.file, ".ipynb")
           && (strcmp (action->runner->name, "notebook") == 0 || strcmp (action->runner->name, "spark-scala") == 0
               || strcmp (action->runner->name, "pyspark") == 0);
}

bool ama_maki_is_kernel (const char *text)
{
    return text[0] && strlen (text) <= 128 && strchr ("._-", text[0]) == NULL
           && text[strspn (text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-")] == '\0';
}

void ama_maki_kernel (maki_parse_t *self, ama_maki_action_t *action, const ama_yaml_t *at, const ama_slot_t *slot,
                      const char *name)
{
    bool community = action->plan.has_kernel, notebook = strcmp (action->runner->name, "notebook") == 0,
         wanted = strcmp (action->runner->name, "kernel") == 0;

    if (name && !ama_maki_is_kernel (name))
        (void) ama_yaml_error (slot->value, AMA_E_INVALID, self->problems, "as `jupyter kernelspec list` shows them",
                               "%s is no name of a kernel", AMA_QUOTE (name));
    else if (name && ((!wanted && !notebook) || community))
        (void) ama_yaml_warn (slot->key, AMA_E_UNSUPPORTED, self->problems, "leave it out",
                              "runner.name has no meaning for %s",
                              community ? "a runner of the repository" : action->runner->name);
    else if (!name && wanted && !community)
        (void) ama_yaml_error (at, AMA_E_SYNTAX, self->problems, "for example runner: {type: kernel, name: bash}",
                               "the runner kernel without the name of a kernel");
    if (strcmp (action->runner->name, "r") == 0 || strcmp (action->runner->name, "sparkr") == 0)
        name = "ir"; /* IRkernel, as it is installed */
    else if ((!wanted && !notebook) || action->plan.has_kernel)
        return;
    action->plan.has_kernel = true;
    action->plan.kernel.name = ama_strdup (name ? name : "");
}

static bool is_variable (const char *text)
{
    return text[0] && !(text[0] >= '0' && text[0] <= '9') && strlen (text) <= 128
           && text[strspn (text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_")] == '\0';
}

static void take_param (maki_parse_t *self, ama_plan_kernel_t *kernel, const ama_pair_t *pair)
{
    ama_str_t value = { 0 };

    if (!is_variable (pair->key->text)) {
        (void) ama_yaml_error (pair->key, AMA_E_INVALID, self->problems, "letters, digits and _",
                               "params: %s is no name of a variable", AMA_QUOTE (pair->key->text));
        return;
    }
    ama_yaml_json (pair->value, &value);
    if (value.size > PARAM_MAX || kernel->n_params == AMA_PLAN_KERNEL_PARAMS_MAX) {
        (void) ama_yaml_error (pair->key, AMA_E_LIMIT, self->problems, NULL, "params: %s is too long, or one too many",
                               AMA_QUOTE (pair->key->text));
        ama_str_done (&value);
        return;
    }
    kernel->params = ama_realloc (kernel->params, (kernel->n_params + 1) * sizeof *kernel->params);
    kernel->params[kernel->n_params++] = (ama_plan_setting_t){ .key = ama_strdup (pair->key->text),
                                                               .value = ama_str_take (&value),
                                                               .file = ama_strdup ("maki.yml"),
                                                               .line = pair->key->line };
}

void ama_maki_params (maki_parse_t *self, ama_maki_action_t *action, const ama_slot_t *slot)
{
    const ama_yaml_t *map = ama_slot_value (slot);

    if (!map || ama_yaml_is_map (map, "params", self->problems) < 0)
        return;
    if (!action->runner || (strcmp (action->runner->name, "notebook") != 0 && !ama_maki_is_notebook (action))) {
        (void) ama_yaml_warn (slot->key, AMA_E_UNSUPPORTED, self->problems, NULL, "params are of notebooks alone");
        return;
    }
    for (size_t i = 0; i < map->count; i++)
        take_param (self, &action->plan.kernel, &map->pairs[i]);
}
