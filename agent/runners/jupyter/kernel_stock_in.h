/* kernel_stock_in.h - the inside of a stock kernel, shared by kernel_stock.c, kernel_find.c and kernel_notebook.c and by nobody else */
#ifndef AMA_AGENT_JUPYTER_KERNEL_STOCK_IN_H
#define AMA_AGENT_JUPYTER_KERNEL_STOCK_IN_H

#include "agent/runners/jupyter/kernel_work.h"
#include "agent/runners/jupyter/kernelspec.h"
#include "agent/runners/jupyter/notebook.h"

struct kernel_stock {
    ama_plan_kernel_t plan; /* owned */
    ama_kernelspec_t spec;
    ama_notebook_t *notebook; /* NULL: it is none */
    char *language;
    ama_timer_t *timer; /* what is to come has not come */
    int64_t answered_ms, heard_ms;
    bool ready;
    ama_str_t banner;      /* what its process wrote until then */
    struct stock_raw *raw; /* and since then */
    ama_str_t answer;      /* of the prelude */
    char id[32];           /* of the request under way, "": none */
    int64_t begun_ms;
    json_t *reply; /* to it */
    bool idle;
    bool unsure;     /* and that is told */
    int64_t late_ms; /* when the first of the two came */
    bool echoes_busy;
};

typedef struct kernel_stock stock_t;

/* ---- kernel_raw.c ---- */

/* What the process writes to its own stdout and stderr: of the programs it has started, or what the kernel says on iopub as well. */
void stock_raw_wrote (kernel_work_t *work, int channel, const char *bytes, size_t size);
/* It has said this on iopub. */
void stock_raw_said (kernel_work_t *work, const ama_jupyter_message_t *message);
/* What was written by now and was not said is told. */
void stock_raw_settle (kernel_work_t *work);
void stock_raw_done (stock_t *stock);

/* ---- kernel_prelude.c ---- */

/* What is said first to a kernel whose kind has a prelude. Owned; NULL and err: as of open_beneath.h. */
char *stock_prelude_code (const kernel_work_t *work, ama_err_t *err);
/* True: a stream message was its answer, or part of it. */
bool stock_prelude_said (stock_t *stock, const ama_jupyter_message_t *message);
/* It has ended: the file's statements are known, or what is wrong with it. */
void stock_prelude_end (kernel_work_t *work, const json_t *reply);
/* An error's message without the word that every one of R's begins with; borrowed from it. */
const char *stock_prelude_message (const kernel_work_t *work, const char *message);
/* What goes in front of a statement's code, so that its errors know where they are. */
void stock_prelude_before (const kernel_work_t *work, const json_t *statement, ama_str_t *code);
/* What a statement failed with, as our own kernels say it: with the error's own name, and the places that prelude.R has added to its traceback. Owned. */
json_t *stock_prelude_error (const kernel_work_t *work, const json_t *reply, const char *text);
/* The code with which a statement has ended its action, by this error of its; -1: it has not. */
int stock_prelude_exit (const kernel_work_t *work, const char *message);

/* ---- kernel_attach.c ---- */

/* What it does for the session under way is being handed over. */
bool stock_is_handing_over (const stock_t *stock);
/* True: the request with this id was one of those here, and what it comes to is done. */
bool stock_attach_end (kernel_work_t *work, const char *id, const json_t *reply);
/* What goes in front of a statement's code, so that the session knows what its jobs are for. Nothing without a session. */
void stock_attach_before (const kernel_work_t *work, const json_t *statement, ama_str_t *code);

/* ---- kernel_notebook.c ---- */

/* The attempt's file is one: which kernel it wants, and its parameters. 0 or as of notebook.h. */
int stock_open_notebook (kernel_work_t *work, const ama_attempt_start_t *start, ama_err_t *err);

#endif
