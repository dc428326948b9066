/* fuzz_yaml.c - no document crashes the reader; what it reads, written as JSON, reads as the same; its problems are fit for a terminal */
#include "config/ama_conf.h"
#include "config/ama_doc.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput (const uint8_t *data, size_t size);

static void check_problems (const ama_problems_t *problems, bool failed)
{
    BUG_ON (failed != (problems->errors > 0));
    for (size_t i = 0; i < problems->count; i++) {
        const ama_problem_t *p = &problems->items[i];
        BUG_ON (p->code >= 0 || !p->message[0] || strlen (p->message) > AMA_PROBLEM_TEXT_MAX);
        for (const char *at = p->message; *at; at++)
            BUG_ON ((unsigned char) *at < 0x20 || *at == 0x7f);
        BUG_ON (!ama_utf8_valid (p->message, strlen (p->message)));
    }
}

static void read_scalars (const ama_yaml_t *node)
{
    ama_problems_t problems = { 0 };
    const char *text;
    uint64_t bytes;
    int64_t number;
    double real;
    bool flag;
    int choice;

    for (size_t i = 0; i < node->count; i++) {
        const ama_yaml_t *value = node->kind == AMA_YAML_MAP ? node->pairs[i].value : node->items[i];
        (void) ama_yaml_bool (value, "k", &flag, &problems);
        (void) ama_yaml_int (value, "k", -5, 5, &number, &problems);
        (void) ama_yaml_double (value, "k", -5, 5, &real, &problems);
        (void) ama_yaml_size (value, "k", 1, 100, &bytes, &problems);
        (void) ama_yaml_duration (value, "k", 1, 100, &number, &problems);
        (void) ama_yaml_line (value, "k", 100, &text, &problems);
        (void) ama_yaml_choice (value, "k", "a b c", &choice, &problems);
        if (node->kind == AMA_YAML_MAP)
            BUG_ON (ama_yaml_pair (node, node->pairs[i].key->text) != &node->pairs[i]);
        read_scalars (value);
    }
    check_problems (&problems, problems.errors > 0);
    ama_problems_done (&problems);
}

static void read_again (const ama_yaml_t *root)
{
    ama_problems_t problems = { 0 };
    ama_str_t first = { 0 }, second = { 0 };
    ama_doc_t *doc = NULL;

    ama_yaml_json (root, &first);
    if (ama_doc_parse ("again.json", first.data, first.size, NULL, &doc, &problems) == 0) {
        ama_yaml_json (ama_doc_root (doc), &second);
        BUG_ON (strcmp (first.data, second.data) != 0);
    }
    ama_doc_destroy (&doc);
    ama_problems_done (&problems);
    ama_str_done (&first);
    ama_str_done (&second);
}

static void read_as (const char *name, const uint8_t *data, size_t size)
{
    ama_problems_t problems = { 0 };
    ama_doc_t *doc = NULL;
    int rc = ama_doc_parse (name, data, size, NULL, &doc, &problems);

    BUG_ON ((rc == 0) != (doc != NULL));
    check_problems (&problems, rc < 0);
    if (doc && ama_doc_root (doc)) {
        read_scalars (ama_doc_root (doc));
        read_again (ama_doc_root (doc));
    }
    ama_doc_destroy (&doc);
    ama_problems_done (&problems);
}

int LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
    ama_problems_t problems = { 0 };
    ama_amad_conf_t conf;
    int rc;

    read_as ("f.yml", data, size);
    read_as ("f.json", data, size);
    rc = ama_amad_conf_parse ("amad.yaml", (const char *) data, size, "/", &conf, &problems);
    check_problems (&problems, rc < 0);
    ama_amad_conf_done (&conf);
    ama_problems_done (&problems);
    return 0;
}
