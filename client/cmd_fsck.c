/* cmd_fsck.c - see the header. On the main thread, without any actor and without amad. */
#include "client/cmd_fsck.h"

#include "actors/supervisor/journal_fsck.h"
#include "client/exit_code.h"

#include <stdio.h>
#include <string.h>

int ama_cmd_fsck (const ama_args_t *args, const ama_paths_t *paths, ama_err_t *err)
{
    const char *output = ama_args_get (args, "output");
    bool salvage = ama_args_flag (args, "salvage");
    ama_fsck_report_t report;
    ama_str_t out = { 0 };
    int rc = (salvage ? ama_fsck_salvage : ama_fsck_check) (paths->state, &report, err), code = AMA_EXIT_OK;

    if (rc == 0 || report.n_problems) {
        (output && strcmp (output, "json") == 0 ? ama_fsck_json : ama_fsck_text) (&report, &out);
        (void) fputs (out.data, stdout);
        code = report.n_problems && !report.damaged ? AMA_EXIT_FAILED : AMA_EXIT_OK;
    }
    ama_str_done (&out);
    ama_fsck_report_done (&report);
    if (rc == AMA_E_EXISTS || rc == AMA_E_INTEGRITY) {
        (void) fprintf (stderr, "ama: %s\n", err->text);
        return rc == AMA_E_EXISTS ? AMA_EXIT_TAKEN : AMA_EXIT_FAILED;
    }
    return rc < 0 ? rc : code;
}
