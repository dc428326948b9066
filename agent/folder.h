/* folder.h - the folder of an attempt, and the environment of its processes
 *
 * <dir>/runs/<run>/<action>/<no>/ is the working directory and HOME; it holds env.yaml, runtime.yaml and datasets.yaml (contract: What an action
 * finds) and tmp/. Beside the actions lie the folders of Spark sessions (session_files.h).
 */
#ifndef AMA_AGENT_FOLDER_H
#define AMA_AGENT_FOLDER_H

#include "actors/base/ama_err.h"
#include "agent/variables.h"
#include "messages/attempt.h"

#include <stdbool.h>

typedef struct {
    char *path;     /* owned, absolute */
    char *tmp;      /* owned */
    char *env_json; /* owned: the environment as JSON, what AMA_ENV_JSON names */
} ama_folder_t;

/* dir: the agent's own, absolute. spare: it may be one that was made ahead. 0, AMA_E_PATH (an action name that is no file name), AMA_E_NOSPACE or AMA_E_IO. */
int ama_folder_make (const char *dir, const ama_attempt_start_t *start, bool spare, ama_folder_t *ret_folder,
                     ama_err_t *err);
/* The names alone, of one that is there. */
void ama_folder_name (const char *dir, const ama_attempt_start_t *start, ama_folder_t *ret_folder);
void ama_folder_done (ama_folder_t *folder);

/* Makes folders for a later run, action and attempt ahead, in <dir>/agent/spare: a file system takes longer for it than bash to start. What fails here is
 * made, or told, when it is needed. */
void ama_folder_prepare (const char *dir);

/* The folder of an attempt that never began; nothing if it was not made. */
void ama_folder_remove (const ama_folder_t *folder);

/* <dir>/runs/<run>, made if absent. Returns owned in *ret_path. */
int ama_folder_of_run (const char *dir, ama_id_t run, char **ret_path, ama_err_t *err);

/* Writes a file of our own, 0600. 0, AMA_E_NOSPACE or AMA_E_IO. */
int ama_folder_write (const char *folder, const char *name, const char *bytes, size_t size, ama_err_t *err);

/* env.yaml, runtime.yaml, datasets.yaml and .env.json, the document of AMA_ENV_JSON. action NULL: those of a session, which serves many.
 * 0, AMA_E_NOSPACE or AMA_E_IO. */
int ama_folder_write_documents (const char *folder, const ama_attempt_start_t *start, ama_err_t *err);

/* The document of AMA_ENV_JSON: name, label, master, inputRootPath, outputRootPath, workingDir, configuration (the action's own settings over
 * the environment's), spark, datasets by name, params. Appends to out. */
void ama_folder_env_json (const ama_attempt_start_t *start, ama_str_t *out);

/* The action's own value for a word of the environment (outputRootPath …), or the environment's. Returns owned. */
char *ama_folder_word (const ama_attempt_start_t *start, const char *word, const char *otherwise);

/* A setting's value as text: that of a string, else the JSON as it stands. Returns owned. */
char *ama_folder_text (const char *value);

/* Appends a setting's value, which should be JSON text; what is not becomes a string, as it would spoil the whole document. */
void ama_folder_add_value (ama_str_t *out, const char *value);

/* ---- variables ---- */

/* Those variables of the contract that are the same for all attempts of a run: all but AMA_ACTION, AMA_ATTEMPT and the parameters. */
void ama_env_add_run (ama_env_t *env, const ama_attempt_start_t *start, const char *env_json);

/* The variables of the contract for this attempt: AMA_* and AMA_CONF_*. */
void ama_env_add_attempt (ama_env_t *env, const ama_attempt_start_t *start, const ama_folder_t *folder);

#endif
