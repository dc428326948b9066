/* plan_bench.c - the planner's own time for one repository: plan_bench DIR prints {"ms": …, "actions": …} */
#include "actors/base/ama_clock.h"
#include "actors/planner/plan.h"

#include <stdio.h>

int main (int argc, char **argv)
{
    ama_plan_request_t request = { .env = "", .commit = "", .name = "" };
    ama_plan_reply_t reply = { 0 };
    ama_err_t err = { 0 };
    int64_t start = ama_clock_system ()->mono_us (ama_clock_system ());

    if (argc != 2) {
        (void) fprintf (stderr, "usage: plan_bench DIR\n");
        return 2;
    }
    request.snapshot = argv[1];
    if (ama_plan_build (&request, &reply, &err) < 0 || !reply.ok) {
        (void) fprintf (stderr, "%s\n", err.code ? err.text : "the plan was refused");
        return 1;
    }
    printf ("{\"ms\": %.3f, \"actions\": %zu}\n",
            (double) (ama_clock_system ()->mono_us (ama_clock_system ()) - start) / 1000, reply.plan.n_actions);
    ama_plan_reply_done (&reply);
    return 0;
}
