/* ama_packages_json.c - see ama_packages_json.h. Pure; any thread. */
#include "messages/ama_packages_json.h"

#include <string.h>

static void put (ama_str_t *out, const char *text)
{
    ama_str_putc (out, '"');
    ama_str_json (out, text, strlen (text));
    ama_str_putc (out, '"');
}

static void put_package (const ama_plan_package_t *package, ama_str_t *out)
{
    ama_str_puts (out, "{\"text\":");
    put (out, package->text);
    ama_str_puts (out, ",\"file\":");
    put (out, package->file);
    ama_str_printf (out, ",\"line\":%u,\"constraint\":%s}", package->line, package->constraint ? "true" : "false");
}

void ama_packages_json (const ama_plan_dependencies_t *files, size_t count, ama_str_t *out)
{
    ama_str_putc (out, '[');
    for (size_t i = 0; i < count; i++) {
        ama_str_puts (out, i ? ",{\"file\":" : "{\"file\":");
        put (out, files[i].file);
        ama_str_puts (out, ",\"repositories\":[");
        for (size_t k = 0; k < files[i].n_repositories; k++) {
            ama_str_puts (out, k ? "," : "");
            put (out, files[i].repositories[k].url);
        }
        ama_str_puts (out, "],\"options\":[");
        for (size_t k = 0; k < files[i].n_options; k++) {
            ama_str_puts (out, k ? "," : "");
            put (out, files[i].options[k]);
        }
        ama_str_puts (out, "],\"packages\":[");
        for (size_t k = 0; k < files[i].n_packages; k++) {
            ama_str_puts (out, k ? "," : "");
            put_package (&files[i].packages[k], out);
        }
        ama_str_puts (out, "]}");
    }
    ama_str_putc (out, ']');
}
