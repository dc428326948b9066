/* fuzz_keys.c - no list of keys crashes its reader, and what it accepts is what `ama keys` could have written */
#include "actors/base/ama_str.h"
#include "actors/runtime/ama_keys.h"

#include <stdint.h>
#include <string.h>

int LLVMFuzzerTestOneInput (const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
    ama_keys_t keys, again;
    ama_str_t text = { 0 };
    ama_err_t err = { 0 };

    if (ama_keys_parse ((const char *) data, size, "f", &keys, &err) < 0) {
        BUG_ON (strncmp (err.text, "f:", 2) != 0 || keys.count);
        return 0;
    }
    for (size_t i = 0; i < keys.count; i++) {
        const ama_key_t *key = &keys.items[i];
        BUG_ON (!ama_key_is_public (key->key) || strspn (key->name, "./") || strchr (key->name, '/'));
        BUG_ON (ama_keys_find (&keys, key->key) != key);
        ama_str_printf (&text, "%s %s %s\n", key->name, ama_key_role_name (key->role), key->key);
    }
    BUG_ON (ama_keys_parse (text.data ? text.data : "", text.size, "f", &again, &err) < 0 || again.count != keys.count);
    ama_keys_done (&again);
    ama_keys_done (&keys);
    ama_str_done (&text);
    return 0;
}
