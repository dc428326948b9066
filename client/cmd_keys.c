/* cmd_keys.c - keys are files: pairs of ours, and amad's list of those who may join. Called by main; an amad that runs notices the change. */
#include "client/cmd_keys.h"

#include "actors/base/ama_str.h"
#include "actors/runtime/ama_keys.h"
#include "client/exit_code.h"
#include "client/remote.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

typedef struct {
    const ama_args_t *args;
    const ama_paths_t *paths;
    char *folder, *allowed; /* of amad's keys; the list in it */
} keys_t;

static int keygen (keys_t *keys, ama_err_t *err)
{
    /* not from AMA_OUTPUT, which is text or json */
    const char *path = ama_args_given (keys->args, "output") ? ama_args_get (keys->args, "output") : NULL;
    ama_key_pair_t pair;
    int rc;

    if (!path || !*path)
        return ama_err_set (err, AMA_E_USAGE, "ama keygen needs --output PATH");
    ama_key_pair_new (&pair);
    rc = ama_key_pair_write (path, &pair, err);
    if (rc == 0)
        (void) printf ("%s\n", pair.public_key);
    ama_key_pair_wipe (&pair);
    return rc == AMA_E_EXISTS ? AMA_E_USAGE : rc;
}

static int add (keys_t *keys, ama_err_t *err)
{
    const char *role = ama_args_get (keys->args, "role"),
               *text = ama_args_given (keys->args, "key") ? ama_args_get (keys->args, "key")
                                                          : NULL, /* AMA_KEY is a secret one */
                   *name = ama_args_operand (keys->args, 0);
    ama_key_t key = { 0 };
    int rc;

    if (!role || !text)
        return ama_err_set (err, AMA_E_USAGE, "ama keys add needs --role ROLE and --key PUB|FILE");
    if (strlen (name) >= sizeof key.name)
        return ama_err_set (err, AMA_E_USAGE, "a name has at most %zu characters", sizeof key.name - 1);
    (void) snprintf (key.name, sizeof key.name, "%s", name);
    if ((rc = ama_key_role_parse (role, &key.role, err)) < 0 || (rc = ama_key_read_public (text, key.key, err)) < 0
        || (rc = ama_paths_mkdir (keys->folder, err)) < 0)
        return rc;
    rc = ama_keys_add (keys->allowed, &key, err);
    return rc == AMA_E_EXISTS ? AMA_E_USAGE : rc;
}

static int revoke (keys_t *keys, ama_err_t *err)
{
    return ama_keys_revoke (keys->allowed, ama_args_operand (keys->args, 0), err);
}

static int list (keys_t *keys, ama_err_t *err)
{
    const char *output = ama_args_get (keys->args, "output");
    bool json = output && strcasecmp (output, "json") == 0;
    ama_keys_t all;
    int rc = ama_keys_load (keys->allowed, &all, err);

    if (rc < 0 && rc != AMA_E_NOT_FOUND)
        return rc;
    if (json)
        (void) printf ("{\"keys\":[");
    for (size_t i = 0; i < all.count; i++) {
        const ama_key_t *key = &all.items[i];
        ama_str_t text = { 0 };
        ama_str_json (&text, key->key, strlen (key->key));
        if (json)
            (void) printf ("%s{\"name\":\"%s\",\"role\":\"%s\",\"key\":\"%s\"}", i ? "," : "", key->name,
                           ama_key_role_name (key->role), text.data);
        else
            (void) printf ("%-20s %-10s %s\n", key->name, ama_key_role_name (key->role), key->key);
        ama_str_done (&text);
    }
    if (json)
        (void) printf ("]}\n");
    ama_keys_done (&all);
    return 0;
}

static int trust (keys_t *keys, ama_err_t *err)
{
    const char *endpoint = ama_args_operand (keys->args, 0);
    char key[AMA_KEY_TEXT];
    int rc;

    if (!ama_str_starts (endpoint, "tcp://") || strpbrk (endpoint, " \t\r\n"))
        return ama_err_set (err, AMA_E_USAGE, "%s: an endpoint with a key is like tcp://HOST:PORT", endpoint);
    rc = ama_key_read_public (ama_args_operand (keys->args, 1), key, err);
    if (rc == 0)
        rc = ama_remote_trust (keys->paths, endpoint, key, err);
    return rc == AMA_E_EXISTS ? AMA_E_USAGE : rc;
}

static const struct {
    const char *name;
    int (*fn) (keys_t *keys, ama_err_t *err);
} commands[] = {
    { "keygen", keygen },  { "keys add", add },     { "keys revoke", revoke },
    { "keys list", list }, { "keys trust", trust },
};

bool ama_cmd_is_keys (const ama_command_t *command)
{
    for (size_t i = 0; i < ARRAY_SIZE (commands); i++)
        if (strcmp (commands[i].name, command->name) == 0)
            return true;
    return false;
}

int ama_cmd_keys (const ama_command_t *command, const ama_args_t *args, const ama_paths_t *paths, ama_err_t *err)
{
    ama_str_t folder = { 0 }, allowed = { 0 };
    keys_t keys = { .args = args, .paths = paths };
    int rc = AMA_E_USAGE;

    ama_str_printf (&folder, "%s/keys", paths->state);
    ama_str_printf (&allowed, "%s/allowed", folder.data);
    keys.folder = folder.data;
    keys.allowed = allowed.data;
    for (size_t i = 0; i < ARRAY_SIZE (commands); i++)
        if (strcmp (commands[i].name, command->name) == 0)
            rc = commands[i].fn (&keys, err);
    ama_str_done (&folder);
    ama_str_done (&allowed);
    if (rc < 0)
        err->code = rc;
    return rc < 0 ? rc : AMA_EXIT_OK;
}
