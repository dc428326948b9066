/* env_spark.c - Spark's settings in the spellings of all generations become Spark properties. Pure. */
#include "actors/planner/env.h"

#include "actors/base/ama_secret.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Options of spark-submit and the property that each one sets. */
static const struct {
    const char *option, *property;
} options[] = {
    { "archives", "spark.archives" },
    { "conf", NULL },
    { "deploy-mode", "spark.submit.deployMode" },
    { "driver-class-path", "spark.driver.extraClassPath" },
    { "driver-cores", "spark.driver.cores" },
    { "driver-java-options", "spark.driver.extraJavaOptions" },
    { "driver-library-path", "spark.driver.extraLibraryPath" },
    { "driver-memory", "spark.driver.memory" },
    { "executor-cores", "spark.executor.cores" },
    { "executor-memory", "spark.executor.memory" },
    { "files", "spark.files" },
    { "jars", "spark.jars" },
    { "keytab", "spark.kerberos.keytab" },
    { "master", "spark.master" },
    { "name", "spark.app.name" },
    { "num-executors", "spark.executor.instances" },
    { "packages", "spark.jars.packages" },
    { "principal", "spark.kerberos.principal" },
    { "py-files", "spark.submit.pyFiles" },
    { "queue", "spark.yarn.queue" },
    { "repositories", "spark.jars.repositories" },
    { "total-executor-cores", "spark.cores.max" },
};

/* Sizes of memory; a bare number is MiB. */
static const char *const memories[] = { "spark.driver.memory",       "spark.driver.memoryOverhead",
                                        "spark.executor.memory",     "spark.executor.memoryOverhead",
                                        "spark.yarn.am.memory",      "spark.yarn.am.memoryOverhead",
                                        "spark.memory.offHeap.size", "spark.executor.pyspark.memory" };

static bool is_memory (const char *key)
{
    for (size_t i = 0; i < ARRAY_SIZE (memories); i++)
        if (strcmp (memories[i], key) == 0)
            return true;
    return false;
}

typedef struct {
    const char *file;
    uint32_t line, column;
} place_t;

/* What Spark does not take, a fraction or a unit with an i, is written in MiB. False, with the problem told, if it is no size. */
static bool add_memory (const char *key, const char *text, size_t size, const place_t *place, ama_str_t *out,
                        ama_problems_t *problems)
{
    char *copy = ama_strndup (text, size);
    uint64_t bytes = 0;
    bool good = ama_secret_is_ref (copy) || ama_parse_size (copy, &bytes) == 0;

    if (!good)
        (void) ama_problems_add (problems, false, AMA_E_INVALID, place->file, place->line, place->column,
                                 "for example 512m, 1.5g or 1t; a number alone is MiB", "%s is no size: %s", key,
                                 AMA_QUOTE (copy));
    else if (strpbrk (copy, ".iI") && bytes)
        ama_str_printf (out, "%" PRIu64 "m",
                        copy[strspn (copy, "0123456789.")] ? bytes >> 20 : bytes); /* 1.5 alone is hardly meant */
    else
        ama_str_json (out, text, size);
    free (copy);
    return good;
}

static void set_text (ama_settings_t *settings, const char *key, const char *text, size_t size, const char *file,
                      uint32_t line, uint32_t column, ama_problems_t *problems)
{
    ama_str_t json = { 0 };

    if (strcmp (key, "spark.master") == 0) { /* what is leased and what runs would differ */
        (void) ama_problems_add (problems, true, AMA_E_INVALID, file, line, column,
                                 "write master: in the environment's document",
                                 "spark.master has no effect: the environment's master says where a job runs");
        return;
    }
    ama_str_putc (&json, '"');
    if (!is_memory (key))
        ama_str_json (&json, text, size);
    else if (!add_memory (key, text, size, &(place_t){ file, line, column }, &json, problems)) {
        ama_str_done (&json);
        return;
    }
    ama_str_putc (&json, '"');
    ama_settings_set (settings, key, json.data, file, line, column, true, problems);
    ama_str_done (&json);
}

static const char *property_of (const char *option)
{
    for (size_t i = 0; i < ARRAY_SIZE (options); i++)
        if (strcmp (options[i].option, option) == 0)
            return options[i].property;
    return NULL;
}

/* One property; nested maps continue the key. The historical misspelling gives way to the right word in the same map. */
static void add_property (const char *key, const ama_yaml_t *value, const ama_yaml_t *siblings,
                          ama_settings_t *settings, ama_problems_t *problems)
{
    if (strcmp (key, "spark.driver.memeory") == 0) {
        if (ama_yaml_get (siblings, "spark.driver.memory"))
            return;
        key = "spark.driver.memory";
    }
    if (value->kind == AMA_YAML_MAP) {
        for (size_t i = 0; i < value->count; i++) {
            ama_str_t inner = { 0 };
            ama_str_printf (&inner, "%s.%s", key, value->pairs[i].key->text);
            add_property (inner.data, value->pairs[i].value, value, settings, problems);
            ama_str_done (&inner);
        }
        return;
    }
    if (value->kind == AMA_YAML_LIST) {
        (void) ama_yaml_error (value, AMA_E_SYNTAX, problems, "separate the parts by commas",
                               "the Spark property %s must be text, not a list", AMA_QUOTE (key));
        return;
    }
    if (ama_yaml_is_null (value))
        return;
    if (!ama_str_starts (key, "spark."))
        (void) ama_yaml_warn (value, AMA_E_INVALID, problems, NULL,
                              "%s is no Spark property and has no effect: it does not begin with spark.",
                              AMA_QUOTE (key));
    else
        set_text (settings, key, value->text, value->size, value->file, value->line, value->column, problems);
}

void ama_env_spark_property (const char *key, const ama_yaml_t *value, ama_settings_t *settings,
                             ama_problems_t *problems)
{
    add_property (key, value, NULL, settings, problems);
}

void ama_env_spark_map (const ama_yaml_t *map, bool is_options, ama_settings_t *settings, ama_problems_t *problems)
{
    const char *what = is_options ? "sparkOptions" : "sparkProperties";

    if (ama_yaml_is_null (map) || ama_yaml_is_map (map, what, problems) < 0)
        return;
    for (size_t i = 0; i < map->count; i++) {
        const ama_pair_t *pair = &map->pairs[i];
        const char *key = pair->key->text;
        if (is_options) {
            key = property_of (ama_str_starts (key, "--") ? key + 2 : key);
            if (!key) {
                (void) ama_yaml_warn (pair->key, AMA_E_INVALID, problems, NULL, "the Spark option %s has no effect",
                                      AMA_QUOTE (pair->key->text));
                continue;
            }
        }
        add_property (key, pair->value, map, settings, problems);
    }
}

void ama_env_spark_yml (const ama_yaml_t *root, ama_settings_t *settings, ama_problems_t *problems)
{
    if (!root || ama_yaml_is_map (root, "spark.yml", problems) < 0)
        return;
    for (size_t i = 0; i < root->count; i++) {
        const ama_pair_t *pair = &root->pairs[i];
        if (strcmp (pair->key->text, "sparkProperties") == 0)
            ama_env_spark_map (pair->value, false, settings, problems);
        else if (strcmp (pair->key->text, "sparkOptions") == 0)
            ama_env_spark_map (pair->value, true, settings, problems);
        else
            add_property (pair->key->text, pair->value, root, settings, problems);
    }
}

/* ---- spark-defaults.conf: the format of java.util.Properties ---- */

static bool is_blank (char c)
{
    return c == ' ' || c == '\t' || c == '\f';
}

static size_t add_code_point (ama_str_t *out, const char *at, const char *end)
{
    unsigned value = 0;
    size_t n = 0;

    for (; n < 4 && at + n < end; n++) {
        char c = at[n];
        unsigned digit = c >= '0' && c <= '9'   ? (unsigned) (c - '0')
                         : c >= 'a' && c <= 'f' ? (unsigned) (c - 'a' + 10)
                         : c >= 'A' && c <= 'F' ? (unsigned) (c - 'A' + 10)
                                                : 16;
        if (digit == 16)
            break;
        value = value * 16 + digit;
    }
    if (!value || (value >= 0xd800 && value <= 0xdfff))
        value = 0xfffd;
    if (value < 0x80)
        ama_str_putc (out, (char) value);
    else if (value < 0x800)
        ama_str_printf (out, "%c%c", (char) (0xc0 | value >> 6), (char) (0x80 | (value & 0x3f)));
    else
        ama_str_printf (out, "%c%c%c", (char) (0xe0 | value >> 12), (char) (0x80 | (value >> 6 & 0x3f)),
                        (char) (0x80 | (value & 0x3f)));
    return n;
}

/* Appends from at until a separator (if key) or the end of the logical line. Returns the position after it. */
static const char *read_part (const char *at, const char *end, bool key, ama_str_t *out, uint32_t *line)
{
    while (at < end && *at != '\n' && *at != '\r') {
        if (key && (is_blank (*at) || *at == '=' || *at == ':'))
            break;
        if (*at != '\\') {
            ama_str_putc (out, *at++);
            continue;
        }
        if (++at >= end)
            break;
        if (*at == '\n' || *at == '\r') { /* goes on in the next line, whose blanks do not count */
            at += *at == '\r' && at + 1 < end && at[1] == '\n' ? 2 : 1;
            (*line)++;
            while (at < end && is_blank (*at))
                at++;
            continue;
        }
        if (*at == 'u') {
            at++;
            at += add_code_point (out, at, end);
            continue;
        }
        ama_str_putc (out, *at == 't' ? '\t' : *at == 'n' ? '\n' : *at == 'r' ? '\r' : *at == 'f' ? '\f' : *at);
        at++;
    }
    return at;
}

static void add_line (const char *name, uint32_t line, const ama_str_t *key, const ama_str_t *value,
                      ama_settings_t *settings, ama_problems_t *problems)
{
    const char *text = value->data ? value->data : "";
    size_t size = value->size;

    while (size && (is_blank (text[size - 1]) || text[size - 1] == '\n' || text[size - 1] == '\r'))
        size--;
    if (!ama_str_starts (key->data, "spark."))
        (void) ama_problems_add (problems, true, AMA_E_INVALID, name, line, 1, NULL,
                                 "%s is no Spark property and has no effect: it does not begin with spark.",
                                 AMA_QUOTE (key->data));
    else if (memchr (text, '\0', size) || !ama_utf8_valid (text, size))
        (void) ama_problems_add (problems, false, AMA_E_SYNTAX, name, line, 1, "save the file as UTF-8",
                                 "the value of %s is not UTF-8", AMA_QUOTE (key->data));
    else
        set_text (settings, key->data, text, size, name, line, 1, problems);
}

void ama_env_spark_conf (const char *name, const char *text, size_t size, ama_settings_t *settings,
                         ama_problems_t *problems)
{
    const char *at = text, *end = text + size;
    ama_str_t key = { 0 }, value = { 0 };
    uint32_t line = 1;

    while (at < end) {
        uint32_t first;
        while (at < end && is_blank (*at))
            at++;
        if (at < end && (*at == '#' || *at == '!'))
            while (at < end && *at != '\n' && *at != '\r')
                at++;
        if (at < end && (*at == '\n' || *at == '\r')) {
            line += *at == '\n' || at + 1 >= end || at[1] != '\n';
            at++;
            continue;
        }
        if (at >= end)
            break;
        first = line;
        ama_str_clear (&key);
        ama_str_clear (&value);
        at = read_part (at, end, true, &key, &line);
        while (at < end && is_blank (*at))
            at++;
        if (at < end && (*at == '=' || *at == ':'))
            at++;
        while (at < end && is_blank (*at))
            at++;
        at = read_part (at, end, false, &value, &line);
        if (key.size && !memchr (key.data, '\0', key.size) && ama_utf8_valid (key.data, key.size))
            add_line (name, first, &key, &value, settings, problems);
        else
            (void) ama_problems_add (problems, false, AMA_E_SYNTAX, name, first, 1, "name value, or name=value",
                                     "a line without a property's name");
    }
    ama_str_done (&key);
    ama_str_done (&value);
}
