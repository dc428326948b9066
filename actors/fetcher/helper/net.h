/* net.h - what libgit2 asks us while it talks to a server: who are we, is that server the right one, shall we go on
 *
 * Every no is written to work->verdict with its reason.
 */
#ifndef AMA_FETCHER_HELPER_NET_H
#define AMA_FETCHER_HELPER_NET_H

#include "actors/fetcher/helper/store.h"
#include "actors/fetcher/helper/work.h"

#include <git2.h>

typedef struct {
    ama_fetch_work_t *work;
    unsigned asked; /* how often the server wanted credentials */
    bool scratched; /* scratch is open: the home folder that libssh2 finds its known hosts in */
    ama_fetch_stage_t scratch;
} ama_fetch_net_t;

/* Prepares this process for the server of work->url. For ssh HOME is another until _done. */
int ama_fetch_net_init (ama_fetch_net_t *net, ama_fetch_work_t *work, ama_err_t *err);
void ama_fetch_net_done (ama_fetch_net_t *net);

/* net must live as long as the remote that uses the options. */
void ama_fetch_net_options (ama_fetch_net_t *net, git_fetch_options *options);

#endif
