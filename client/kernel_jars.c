/* kernel_jars.c - see kernel_jars.h. On the main thread; no lock is read or written */
#include "client/kernel_jars.h"

#include "actors/resolver/resolve_answer.h"
#include "actors/resolver/resolve_order.h"
#include "client/helper.h"
#include "messages/ama_plan_jars.h"

#include <stdio.h>
#include <stdlib.h>

enum { ANSWER_MAX = 16 << 20 };

static void on_step (const ama_resolve_step_t *step, void *arg)
{
    (void) arg;
    if (step->note)
        (void) fprintf (stderr, "ama: jars: %s\n", step->note);
}

static int write_order (const ama_resolve_order_t *order, const char *cache, FILE *to, ama_err_t *err)
{
    ama_credentials_t *none = ama_calloc (order->request.n_repositories, sizeof *none);
    ama_str_t coursier = { 0 }, text = { 0 };
    int rc = 0;

    ama_str_printf (&coursier, "%s/coursier", cache);
    ama_resolve_order_encode (order, coursier.data, none, &text);
    if (fwrite (text.data, 1, text.size, to) != text.size || fflush (to) != 0)
        rc = ama_err_set (err, AMA_E_IO, "a temporary file can not be written");
    rewind (to);
    free (none);
    ama_str_done (&coursier);
    ama_str_done (&text);
    return rc;
}

static int read_answer (FILE *from, ama_str_t *out, ama_err_t *err)
{
    ama_resolve_answer_t answer = { 0 };
    ama_str_t said = { 0 };
    int rc;

    ama_helper_read (from, ANSWER_MAX, &said);
    rc = ama_resolve_answer_feed (&answer, said.data, said.size, on_step, NULL, err);
    if (rc == 0)
        rc = ama_resolve_answer_end (&answer, err);
    for (size_t i = 0; rc == 0 && i < answer.n_files; i++) {
        if (i)
            ama_str_putc (out, ':');
        ama_str_puts (out, answer.files[i].path);
    }
    ama_resolve_answer_done (&answer);
    ama_str_done (&said);
    return rc;
}

static int resolve (const ama_resolve_order_t *order, const char *share, const char *cache, ama_str_t *out,
                    ama_err_t *err)
{
    ama_str_t script = { 0 }, made = { 0 };
    FILE *in = tmpfile (), *answer = tmpfile ();
    int rc = in && answer ? 0 : ama_err_set (err, AMA_E_IO, "there can be no temporary files");

    ama_str_printf (&script, "%s/actors/resolver/resolve.sh", share);
    ama_str_printf (&made, "%s/resolver", cache);
    if (rc == 0)
        rc = write_order (order, cache, in, err);
    if (rc == 0) {
        char *const argv[] = { script.data, made.data, NULL };
        (void) ama_helper_run (argv, in, answer); /* its last line says how it ended */
        rc = read_answer (answer, out, err);
    }
    if (in)
        (void) fclose (in);
    if (answer)
        (void) fclose (answer);
    ama_str_done (&script);
    ama_str_done (&made);
    return rc;
}

int ama_kernel_jars (const ama_plan_plan_t *plan, const char *share, const char *cache, ama_str_t *out, ama_err_t *err)
{
    ama_resolve_request_t request = { 0 };
    ama_resolve_order_t order;
    int rc = 0;

    for (uint32_t i = 0; i < plan->n_dependencies; i++)
        if (ama_plan_jars_for_all (plan, i))
            ama_plan_jars_add (&plan->dependencies[i], &request);
    if (request.n_artifacts && (rc = ama_resolve_order_init (&request, NULL, &order, err)) == 0) {
        rc = resolve (&order, share, cache, out, err);
        ama_resolve_order_done (&order);
    }
    free (request.repositories);
    free (request.artifacts);
    return rc;
}
