/* community.c - see community.h. A step of ama_plan_build; pure but for the reading. */
#include "actors/planner/community.h"

#include "actors/planner/maki_parse.h"
#include "actors/planner/runner.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

enum { TYPES, KERNEL, FILES, SPLIT, INIT, ERROR_LINE, TRANSPORT, COUNT };

static const ama_word_t words[COUNT] = {
    [TYPES] = { "types", "type", 0 },       [KERNEL] = { "kernel", NULL, 0 }, [FILES] = { "files", "file", 0 },
    [SPLIT] = { "split", NULL, 0 },         [INIT] = { "init", NULL, 0 },     [ERROR_LINE] = { "error-line", NULL, 0 },
    [TRANSPORT] = { "transport", NULL, 0 },
};

/* ---- names ---- */

static bool is_type (const char *text)
{
    return *text && strlen (text) <= 32 && *text != '-'
           && text[strspn (text, "abcdefghijklmnopqrstuvwxyz0123456789-")] == '\0';
}

static bool is_ending (const char *text)
{
    return text[0] == '.' && text[1] && strlen (text) <= 32
           && text[strspn (text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-+")] == '\0';
}

static void check_type (const ama_yaml_t *node, ama_problems_t *problems)
{
    if (!is_type (node->text))
        (void) ama_yaml_error (node, AMA_E_INVALID, problems, "lower-case letters, digits and -",
                               "types: %s is no name of a runner", AMA_QUOTE (node->text));
    else if (ama_runner_find (NULL, node->text))
        (void) ama_yaml_error (node, AMA_E_EXISTS, problems, "take another name", "types: %s is a runner of ours",
                               AMA_QUOTE (node->text));
}

static void check_ending (const ama_yaml_t *node, ama_problems_t *problems)
{
    if (!is_ending (node->text))
        (void) ama_yaml_error (node, AMA_E_INVALID, problems, "for example .clj", "files: %s is no ending of a file",
                               AMA_QUOTE (node->text));
    else if (strcasecmp (node->text, ".ipynb") == 0)
        (void) ama_yaml_error (node, AMA_E_EXISTS, problems, "leave it out", "files: .ipynb is a notebook's");
}

static char **take_words (const ama_slot_t *slot, const char *what,
                          void (*check) (const ama_yaml_t *node, ama_problems_t *problems), ama_problems_t *problems)
{
    const ama_yaml_t *list = ama_maki_scalars (slot, what, AMA_COMMUNITY_WORDS_MAX, problems), *item;
    char **taken = ama_calloc (AMA_COMMUNITY_WORDS_MAX + 1, sizeof *taken);

    for (size_t i = 0; i < AMA_COMMUNITY_WORDS_MAX && (item = ama_maki_scalar_at (list, i)); i++) {
        check (item, problems);
        taken[i] = ama_strdup (item->text);
    }
    return taken;
}

/* ---- one document ---- */

static void read_kernel (const ama_yaml_t *root, const ama_slot_t *slot, ama_plan_kernel_t *kernel,
                         ama_problems_t *problems)
{
    const ama_yaml_t *node = ama_slot_value (slot);
    const char *text = "";

    if (!node)
        (void) ama_yaml_error (slot->key ? slot->key : root, AMA_E_SYNTAX, problems,
                               "kernel: names an installed kernelspec", "a runner without kernel");
    else if (ama_yaml_line (node, "kernel", AMA_PLAN_KERNEL_NAME_MAX, &text, problems) == 0
             && !ama_maki_is_kernel (text))
        (void) ama_yaml_error (node, AMA_E_INVALID, problems, "as `jupyter kernelspec list` shows them",
                               "%s is no name of a kernel", AMA_QUOTE (text));
    kernel->name = ama_strdup (text);
}

static void read_marker (const ama_yaml_t *map, ama_plan_kernel_t *kernel, ama_problems_t *problems)
{
    enum { AT, IN_COUNT };
    static const ama_word_t inner[IN_COUNT] = { { "at", NULL, 0 } };
    const ama_yaml_t *node;
    ama_slot_t slots[IN_COUNT];
    const char *text;

    if (ama_yaml_is_map (map, "split", problems) < 0)
        return;
    (void) ama_words_match (map, "split", inner, IN_COUNT, slots, AMA_STRANGERS_ERROR, problems);
    if (!(node = ama_slot_value (&slots[AT])))
        (void) ama_yaml_error (map, AMA_E_SYNTAX, problems, "split: {at: REGEX}", "split without at");
    else if (ama_yaml_line (node, "split.at", AMA_PLAN_KERNEL_MARKER_MAX, &text, problems) == 0
             && ama_maki_pattern (node, text, 0, problems) == 0) {
        kernel->split = AMA_KERNEL_SPLIT_MARKER;
        kernel->marker = ama_strdup (text);
    }
}

static void read_split (const ama_slot_t *slot, ama_plan_kernel_t *kernel, ama_problems_t *problems)
{
    static const ama_kernel_split_t ways[] = { AMA_KERNEL_SPLIT_CELLS, AMA_KERNEL_SPLIT_WHOLE, AMA_KERNEL_SPLIT_BLANK };
    const ama_yaml_t *node = ama_slot_value (slot);
    int choice;

    if (node && node->kind != AMA_YAML_SCALAR)
        read_marker (node, kernel, problems);
    else if (node && ama_yaml_choice (node, "split", "cells whole blank", &choice, problems) == 0)
        kernel->split = ways[choice];
}

static void read_rest (const ama_slot_t *slots, ama_plan_kernel_t *kernel, ama_problems_t *problems)
{
    const ama_yaml_t *node;
    const char *text;
    int choice;

    if ((node = ama_slot_value (&slots[INIT]))
        && ama_yaml_text (node, "init", AMA_PLAN_KERNEL_INIT_MAX, &text, problems) == 0)
        kernel->init = ama_strdup (text);
    if ((node = ama_slot_value (&slots[ERROR_LINE]))
        && ama_yaml_line (node, "error-line", AMA_PLAN_KERNEL_ERROR_LINE_MAX, &text, problems) == 0
        && ama_maki_pattern (node, text, 1, problems) == 0)
        kernel->error_line = ama_strdup (text);
    if ((node = ama_slot_value (&slots[TRANSPORT]))
        && ama_yaml_choice (node, "transport", "ipc tcp", &choice, problems) == 0)
        kernel->tcp = choice == 1;
}

int ama_community_parse (const ama_yaml_t *root, const char *file, ama_community_runner_t *ret_runner,
                         ama_problems_t *problems)
{
    size_t errors = problems->errors, told;
    ama_slot_t slots[COUNT];

    *ret_runner = (ama_community_runner_t){ .file = ama_strdup (file) };
    if (!root)
        return ama_problems_add (problems, false, AMA_E_SYNTAX, file, 1, 1, "types: and kernel: at least",
                                 "the file is empty");
    if (ama_yaml_is_map (root, "a runner", problems) < 0)
        return AMA_E_SYNTAX;
    (void) ama_words_match (root, "the runner", words, COUNT, slots, AMA_STRANGERS_ERROR, problems);
    told = problems->errors;
    ret_runner->types = take_words (&slots[TYPES], "types", check_type, problems);
    ret_runner->files = take_words (&slots[FILES], "files", check_ending, problems);
    if (!ret_runner->types[0] && problems->errors == told)
        (void) ama_yaml_error (slots[TYPES].key ? slots[TYPES].key : root, AMA_E_SYNTAX, problems,
                               "types: names it in maki.yml", "a runner without types");
    read_kernel (root, &slots[KERNEL], &ret_runner->kernel, problems);
    read_split (&slots[SPLIT], &ret_runner->kernel, problems);
    read_rest (slots, &ret_runner->kernel, problems);
    return problems->errors > errors ? AMA_E_INVALID : 0;
}

void ama_community_runner_done (ama_community_runner_t *runner)
{
    free (runner->file);
    ama_strv_free (runner->types);
    ama_strv_free (runner->files);
    ama_plan_kernel_done (&runner->kernel);
    *runner = (ama_community_runner_t){ 0 };
}

/* ---- all of them ---- */

static bool holds (char *const *list, const char *word)
{
    for (; list && *list; list++)
        if (strcasecmp (*list, word) == 0)
            return true;
    return false;
}

static void check_twice (const ama_community_t *community, const ama_community_runner_t *runner,
                         ama_problems_t *problems)
{
    for (size_t i = 0; i < community->count; i++) {
        const ama_community_runner_t *before = &community->items[i];
        for (char **at = runner->types; at && *at; at++)
            if (holds (before->types, *at))
                (void) ama_problems_add (problems, false, AMA_E_DUPKEY, runner->file, 0, 0, NULL,
                                         "the type %s is that of %s, too", AMA_QUOTE (*at), before->file);
        for (char **at = runner->files; at && *at; at++)
            if (holds (before->files, *at))
                (void) ama_problems_add (problems, false, AMA_E_DUPKEY, runner->file, 0, 0, NULL,
                                         "the ending %s is that of %s, too", AMA_QUOTE (*at), before->file);
    }
}

static void read_one (ama_repo_t *repo, const char *folder, ama_community_t *community, ama_problems_t *problems)
{
    static const ama_doc_limits_t limits = { AMA_COMMUNITY_DOCUMENT, 8, 1000, 64u << 10, 10 };
    ama_community_runner_t runner = { 0 };
    ama_doc_t *doc = NULL;
    char path[512];
    ama_err_t err;
    int fd;

    if (snprintf (path, sizeof path, "runners/%s/runner.yml", folder) >= (int) sizeof path)
        return;
    fd = ama_repo_open_document (repo, path, AMA_COMMUNITY_DOCUMENT, &err);
    if (fd < 0) {
        if (fd != AMA_E_NOT_FOUND)
            (void) ama_problems_add (problems, false, fd, path, 0, 0, NULL, "the file %s", err.text);
        return;
    }
    if (ama_doc_read (path, fd, &limits, &doc, problems) == 0) {
        (void) ama_community_parse (ama_doc_root (doc), path, &runner, problems);
        check_twice (community, &runner, problems);
        community->items = ama_realloc (community->items, (community->count + 1) * sizeof runner);
        community->items[community->count++] = runner;
    }
    (void) close (fd);
    ama_doc_destroy (&doc);
}

void ama_community_read (ama_repo_t *repo, ama_community_t *ret_community, ama_problems_t *problems)
{
    ama_repo_list_t list;
    ama_err_t err;
    int rc = ama_repo_list (repo, "runners", &list, &err);

    *ret_community = (ama_community_t){ 0 };
    if (rc < 0 && rc != AMA_E_NOT_FOUND)
        (void) ama_problems_add (problems, false, rc, "runners", 0, 0, NULL, "the folder can not be read");
    for (size_t i = 0; i < list.count; i++) {
        if (!list.items[i].folder)
            continue;
        if (ret_community->count == AMA_COMMUNITY_MAX) {
            (void) ama_problems_add (problems, false, AMA_E_LIMIT, "runners", 0, 0, NULL, "more than %d runners",
                                     AMA_COMMUNITY_MAX);
            break;
        }
        read_one (repo, list.items[i].name, ret_community, problems);
    }
    ama_repo_list_done (&list);
}

void ama_community_done (ama_community_t *community)
{
    for (size_t i = 0; i < community->count; i++)
        ama_community_runner_done (&community->items[i]);
    free (community->items);
    *community = (ama_community_t){ 0 };
}

const ama_community_runner_t *ama_community_of_type (const ama_community_t *community, const char *type)
{
    for (size_t i = 0; community && type && i < community->count; i++)
        if (holds (community->items[i].types, type))
            return &community->items[i];
    return NULL;
}

const ama_community_runner_t *ama_community_of_file (const ama_community_t *community, const char *file)
{
    for (size_t i = 0; community && file && i < community->count; i++)
        for (char **at = community->items[i].files; at && *at; at++)
            if (strlen (file) > strlen (*at) && strcasecmp (file + strlen (file) - strlen (*at), *at) == 0)
                return &community->items[i];
    return NULL;
}

void ama_community_fill (const ama_community_runner_t *runner, ama_plan_kernel_t *ret_kernel)
{
    ama_plan_kernel_copy (&runner->kernel, ret_kernel);
}
