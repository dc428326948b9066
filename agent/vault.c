/* vault.c - maskers of runs. Called by attempts and sessions, on the agent's thread. */
#include "agent/vault.h"

#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <uthash.h>

enum { IDLE_MAX = 64 };

typedef struct value {
    ama_str_t text;
    struct value *next;
} value_t;

struct ama_vault {
    ama_id_t run;
    bool alone; /* of no run */
    ama_masker_t *masker;
    value_t *values;
    unsigned holders;
    UT_hash_handle hh; /* in the order in which they were last held for the first time */
};

struct ama_vaults {
    ama_vault_t *all;
    size_t idle;
};

ama_vaults_t *ama_vaults_new (void)
{
    return ama_calloc (1, sizeof (ama_vaults_t));
}

static void destroy (ama_vault_t *vault)
{
    ama_masker_destroy (&vault->masker);
    for (value_t *at = vault->values, *next; at; at = next) {
        next = at->next;
        sodium_memzero (at->text.data, at->text.size);
        ama_str_done (&at->text);
        free (at);
    }
    free (vault);
}

static void drop (ama_vaults_t *vaults, ama_vault_t *vault)
{
    vaults->idle -= !vault->holders;
    /* uthash: NOLINTNEXTLINE(clang-analyzer-unix.Malloc) */
    HASH_DEL (vaults->all, vault);
    destroy (vault);
}

void ama_vaults_destroy (ama_vaults_t **vaults)
{
    ama_vault_t *vault, *spare;

    if (!*vaults)
        return;
    HASH_ITER (hh, (*vaults)->all, vault, spare)
    {
        drop (*vaults, vault);
    }
    free (*vaults);
    *vaults = NULL;
}

ama_vault_t *ama_vault_hold (ama_vaults_t *vaults, ama_id_t run)
{
    ama_vault_t *vault;

    HASH_FIND (hh, vaults->all, &run, sizeof run, vault);
    if (!vault) {
        vault = ama_calloc (1, sizeof *vault);
        vault->run = run;
        vault->masker = ama_masker_new ();
        HASH_ADD (hh, vaults->all, run, sizeof vault->run, vault);
    }
    else if (!vault->holders) { /* to the end of the line */
        vaults->idle--;
        HASH_DEL (vaults->all, vault);
        HASH_ADD (hh, vaults->all, run, sizeof vault->run, vault);
    }
    vault->holders++;
    return vault;
}

ama_vault_t *ama_vault_alone (void)
{
    ama_vault_t *vault = ama_calloc (1, sizeof *vault);

    vault->alone = true;
    vault->masker = ama_masker_new ();
    return vault;
}

void ama_vault_release (ama_vaults_t *vaults, ama_vault_t **vault_p)
{
    ama_vault_t *vault = *vault_p, *spare;

    if (!vault)
        return;
    *vault_p = NULL;
    if (vault->alone) {
        destroy (vault);
        return;
    }
    if (--vault->holders)
        return;
    vaults->idle++;
    if (ama_masker_is_empty (vault->masker)) {
        drop (vaults, vault);
        return;
    }
    HASH_ITER (hh, vaults->all, vault, spare)
    {
        if (vaults->idle <= IDLE_MAX)
            break;
        if (!vault->holders)
            drop (vaults, vault);
    }
}

ama_masker_t *ama_vault_masker (ama_vault_t *vault)
{
    return vault->masker;
}

int ama_vault_add (ama_vault_t *vault, const char *text, size_t size, bool *ret_new, ama_err_t *err)
{
    value_t **at = &vault->values;
    int rc;

    if (ret_new)
        *ret_new = false;
    for (; *at; at = &(*at)->next)
        if ((*at)->text.size == size && memcmp ((*at)->text.data, text, size) == 0)
            return 0;
    rc = ama_masker_add (vault->masker, text, size, err);
    if (rc < 0)
        return rc;
    *at = ama_calloc (1, sizeof **at);
    ama_str_add (&(*at)->text, text, size);
    if (ret_new)
        *ret_new = true;
    return 0;
}

void ama_vault_each (const ama_vault_t *vault, void (*fn) (const char *value, size_t size, void *arg), void *arg)
{
    for (const value_t *at = vault->values; at; at = at->next)
        fn (at->text.data, at->text.size, arg);
}

char *ama_vault_mask (const ama_vault_t *vault, const char *text)
{
    char *masked = text ? ama_masker_text (vault->masker, text) : NULL;

    return masked || !text ? masked : ama_strdup (text);
}
