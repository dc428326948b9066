/* order.h - what the helper does with one order, without its surroundings (pipe, fence), so that tests and fuzzers do the same */
#ifndef AMA_FETCHER_HELPER_ORDER_H
#define AMA_FETCHER_HELPER_ORDER_H

#include "actors/fetcher/helper/work.h"

/* Starts libgit2 with our limits and nobody's configuration. Once per process. 0 or AMA_E_FATAL. */
int ama_fetch_git_start (ama_err_t *err);

/* work->order, settings and url are set. Fills work->out; 0 or the error of local.h or remote.h. */
int ama_fetch_order_perform (ama_fetch_work_t *work, ama_err_t *err);

#endif
