/* policy.h - the operator's file: which repository may be run in which environment, and who may submit that
 *
 *   rules:
 *     - repo: https://git.example.org/job      # an address; a * alone means any, and behind the last slash all below
 *       env: [dev, test]                       # names, or "*"
 *       keys: [ana]                            # names of keys; keys or roles, or both
 *       roles: [submitter]                     # operator, submitter
 *
 * What no rule allows is refused. Addresses are compared as the fetcher understands them: case of the host, the scheme's own port, user and
 * password of http, a trailing slash and .git make no difference; what it does not understand matches nothing.
 *
 * Without a file there is one rule: operators may submit everything, and nobody else anything.
 */
#ifndef AMA_MASTER_POLICY_H
#define AMA_MASTER_POLICY_H

#include "actors/base/ama_err.h"
#include "config/ama_problems.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define AMA_POLICY_RULES_MAX 1000

typedef struct {
    const char *repo; /* as submitted */
    const char *env;  /* "" for default */
    const char *user; /* name of the key, "" for none */
    uint32_t role;    /* ama_role_t */
} ama_policy_ask_t;

typedef struct ama_policy_rule ama_policy_rule_t;

/* Zero-initialised: without rules. */
typedef struct {
    ama_policy_rule_t *rules; /* owned */
    size_t count;
} ama_policy_t;

/* Pure. name: of the file, for problems. 0, or negative: everything that is wrong is in problems, and *ret_policy is empty. */
int ama_policy_parse (const char *name, const char *text, size_t size, ama_policy_t *ret_policy,
                      ama_problems_t *problems);
void ama_policy_done (ama_policy_t *policy);
/* file: for the text, which says the rule that would be needed; NULL: there is none. 0, AMA_E_ROLE, or AMA_E_URL (no address of a repository). */
int ama_policy_allow (const ama_policy_t *policy, const char *file, const ama_policy_ask_t *ask, ama_err_t *err);

/* ---- the file ---- */

/* file: copied; NULL for none. Problems of its contents go to stderr, all at once. NULL and err: AMA_E_USAGE (its contents), AMA_E_AUTH
 * (others may write it), AMA_E_NOT_FOUND, AMA_E_IO. */
typedef struct ama_policy_file ama_policy_file_t;
ama_policy_file_t *ama_policy_file_new (const char *file, ama_err_t *err);
void ama_policy_file_destroy (ama_policy_file_t **policy);

/* Looks whether the file has changed, then decides. While there is a mistake in it, which is logged once, nobody may submit (AMA_E_ROLE). One
 * thread at a time. */
int ama_policy_file_allow (ama_policy_file_t *policy, const ama_policy_ask_t *ask, ama_err_t *err);

#endif
