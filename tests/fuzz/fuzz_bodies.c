/* fuzz_bodies.c - bodies from anybody: two bytes choose the message (its type, or any one), the rest is the body
 *
 * What is decoded must obey the laws of the codec: its encoding is read back to the same, and a copy is equal.
 */
#include "messages/ama_message.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput (const uint8_t *data, size_t size);

static void check_same (const ama_str_t *a, const ama_str_t *b)
{
    BUG_ON (a->size != b->size || memcmp (a->data, b->data, a->size) != 0);
}

static void check_laws (const ama_message_info_t *info, const void *body)
{
    void *again = ama_calloc (1, info->size), *copy = ama_calloc (1, info->size);
    ama_str_t first = { 0 }, second = { 0 }, dump = { 0 }, dump_copy = { 0 };
    ama_err_t err = { 0 };

    BUG_ON (ama_message_check (info->type, body, &err) < 0);
    info->encode (body, &first);
    BUG_ON (info->decode (first.data, first.size, again, &err) < 0);
    info->encode (again, &second);
    check_same (&first, &second);
    info->copy (again, copy);
    info->done (again);
    info->dump (body, &dump);
    info->dump (copy, &dump_copy);
    check_same (&dump, &dump_copy);
    info->done (copy);
    ama_str_done (&first);
    ama_str_done (&second);
    ama_str_done (&dump);
    ama_str_done (&dump_copy);
    free (again);
    free (copy);
}

int LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
    const ama_message_info_t *all, *info;
    ama_err_t err = { 0 };
    uint16_t type;
    size_t count;
    void *body;

    if (size < 2)
        return 0;
    type = (uint16_t) (data[0] << 8 | data[1]);
    all = ama_message_all (&count);
    if (!(info = ama_message_info (type)))
        info = &all[type % count];
    body = ama_calloc (1, info->size);
    if (info->decode (data + 2, size - 2, body, &err) == 0)
        check_laws (info, body);
    else
        BUG_ON (!err.code || !err.text[0]);
    info->done (body);
    free (body);
    return 0;
}
