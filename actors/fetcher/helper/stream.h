/* stream.h - the only hosts and ports that an HTTP request may reach
 *
 * libgit2 lets a server redirect to another port of the same host, and tells nobody before it connects. So for http and https its socket
 * is replaced by one that connects to the address asked for (or to the proxy) and to nothing else.
 */
#ifndef AMA_FETCHER_HELPER_STREAM_H
#define AMA_FETCHER_HELPER_STREAM_H

#include "actors/fetcher/helper/work.h"

/* Once per process; work must live as long as libgit2 connects. Refusals are written to work->verdict. */
int ama_fetch_stream_pin (ama_fetch_work_t *work, ama_err_t *err);

#endif
