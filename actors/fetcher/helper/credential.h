/* credential.h - where user names and passwords come from: the address, a private file, credential helper programs */
#ifndef AMA_FETCHER_HELPER_CREDENTIAL_H
#define AMA_FETCHER_HELPER_CREDENTIAL_H

#include "actors/base/ama_credentials.h"
#include "actors/fetcher/helper/work.h"

/* The n-th source that knows work->url, counted from 0: AMA_E_NOT_FOUND when there are no more. Other errors say which source is broken. */
int ama_fetch_credential (ama_fetch_work_t *work, unsigned n, ama_credentials_t *ret_found, ama_err_t *err);

/* What a credential helper program printed: lines key=value; password is required, user is kept if the answer has none. */
int ama_fetch_credential_answer (const char *text, size_t size, const char *user, ama_credentials_t *ret_found,
                                 ama_err_t *err);

#endif
