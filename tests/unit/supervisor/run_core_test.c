/* run_core_test.c - decisions about a run, as tables: what happens, what the core wants done (words: run_stage.c) */
#include "tests/unit/supervisor/run_stage.h"
#include "tests/unit/table.h"

#define BEGIN "submit; activate; fetched; "

typedef struct {
    const char *name;
    const char *steps;
    const char *expected; /* after the steps of BEGIN, if they begin so, and the plan */
} case_t;

static const case_t cases[] = {
    { "one action", BEGIN "plan a; lease; running a; ok a",
      "fetch; plan; lease a; start a1; a1 succeeded; a succeeded; unlease; run succeeded 0; done" },
    { "queued until its turn", "submit", "" },
    { "two in sequence reuse the lease", BEGIN "plan a,b; lease; ok a; ok b",
      "fetch; plan; lease a; start a1; a1 succeeded; a succeeded; start b1; b1 succeeded; b succeeded; unlease; run "
      "succeeded 0; done" },
    { "others wait: the lease goes back", BEGIN "no-reuse; plan a,b; lease; ok a; lease; ok b",
      "fetch; plan; lease a; start a1; a1 succeeded; a succeeded; lease b; unlease; start b1; b1 succeeded; b "
      "succeeded; unlease; run succeeded 0; done" },
    { "branches run side by side", BEGIN "plan a<,b<,c<a+b; lease; lease; ok b; ok a; ok c",
      "fetch; plan; lease a; lease b; start a1; start b1; b1 succeeded; b succeeded; unlease; a1 succeeded; a "
      "succeeded; start c1; c1 succeeded; c succeeded; unlease; run succeeded 0; done" },
    { "no such ref", "submit; activate; fetch-error AMA_E_NOT_FOUND", "fetch; run failed 2; done" },
    { "git unreachable", "submit; activate; fetch-error AMA_E_UNREACHABLE", "fetch; run errored 5; done" },
    { "plan refused", BEGIN "refused", "fetch; plan; run failed 2; done" },
    { "plan that makes no sense", BEGIN "plan a<,b<a!e,c<e", "fetch; plan; run failed 2; done" },
    { "retried and succeeds", BEGIN "plan a*3; lease; fail a; ok a",
      "fetch; plan; lease a; start a1; a1 failed(error) retry 0; start a2; a2 succeeded; a succeeded; unlease; run "
      "succeeded 0; done" },
    { "retry waits", BEGIN "plan a*3@50; lease; fail a; +49; +1; lease; ok a",
      "fetch; plan; lease a; start a1; a1 failed(error) retry 50; unlease; lease a; start a2; a2 succeeded; a "
      "succeeded; unlease; run succeeded 0; done" },
    { "attempts used up", BEGIN "plan a*3,b; lease; fail a; fail a; fail a",
      "fetch; plan; lease a; start a1; a1 failed(error) retry 0; start a2; a2 failed(error) retry 0; start a3; a3 "
      "failed(error); a failed; b skipped (a failed); unlease; run failed 1; done" },
    { "syntax is not retried", BEGIN "plan a*3; lease; syntax a",
      "fetch; plan; lease a; start a1; a1 failed(syntax); a failed; unlease; run failed 1; done" },
    { "rescued by its error action", BEGIN "plan a*2!e,b; lease; fail a; fail a; ok e",
      "fetch; plan; lease a; start a1; a1 failed(error) retry 0; start a2; a2 failed(error); a failed; b skipped (a "
      "failed); start e1; e1 succeeded; e succeeded; unlease; run rescued 3; done" },
    { "error action fails too, after its own attempts", BEGIN "plan a*2!e; lease; fail a; fail a; fail e; fail e",
      "fetch; plan; lease a; start a1; a1 failed(error) retry 0; start a2; a2 failed(error); a failed; start e1; e1 "
      "failed(error) retry 0; start e2; e2 failed(error); e failed; unlease; run failed 1; done" },
    { "error action sleeps when all is well", BEGIN "plan a!e; lease; ok a",
      "fetch; plan; lease a; start a1; a1 succeeded; a succeeded; unlease; run succeeded 0; done" },
    { "siblings go on", BEGIN "plan a<,b<,c<a,d<b; lease; lease; fail a; ok b; ok d",
      "fetch; plan; lease a; lease b; start a1; start b1; a1 failed(error); a failed; c skipped (a failed); unlease; "
      "b1 succeeded; b succeeded; start d1; d1 succeeded; d succeeded; unlease; run failed 1; done" },
    { "skipped all the way down", BEGIN "plan a,b,c,d; lease; fail a",
      "fetch; plan; lease a; start a1; a1 failed(error); a failed; b skipped (a failed); c skipped (a failed); d "
      "skipped (a failed); unlease; run failed 1; done" },
    { "fail-fast stops siblings, helper still runs",
      BEGIN "plan fail-fast,a<!e,b<,c<b,d<; lease; lease; fail a; end b cancelled; ok e",
      "fetch; plan; lease a; lease b; lease d; start a1; start b1; a1 failed(error); a failed; stop b1; c skipped "
      "(fail-fast: a failed); unlease; d skipped (fail-fast: a failed); start e1; b1 cancelled; b cancelled; unlease; "
      "e1 succeeded; e succeeded; unlease; run rescued 3; done" },
    { "fail-fast: what has been tried was not skipped", BEGIN "plan fail-fast,a<,b<*2@50; lease; lease; fail b; fail a",
      "fetch; plan; lease a; lease b; start a1; start b1; b1 failed(error) retry 50; unlease; a1 failed(error); a "
      "failed; "
      "b cancelled; unlease; run failed 1; done" },
    { "errored", BEGIN "plan a; lease; end a errored killed",
      "fetch; plan; lease a; start a1; a1 errored(killed); a errored; unlease; run errored 5; done" },
    { "failed wins over errored", BEGIN "plan a<,b<; lease; lease; end a errored killed; fail b",
      "fetch; plan; lease a; lease b; start a1; start b1; a1 errored(killed); a errored; unlease; b1 failed(error); b "
      "failed; unlease; run failed 1; done" },
    { "timed out counts and is retried", BEGIN "plan a*2~100; lease; +100; end a timed_out; +100; end a timed_out",
      "fetch; plan; lease a; start a1; stop a1 timeout; a1 timed_out(timeout) retry 0; start a2; stop a2 timeout; a2 "
      "timed_out(timeout); a failed; unlease; run failed 1; done" },
    { "cancelled by the agent after a timeout is timed out", BEGIN "plan a~100; lease; +100; end a cancelled",
      "fetch; plan; lease a; start a1; stop a1 timeout; a1 timed_out(timeout); a failed; unlease; run failed 1; done" },
    { "cancelled by nobody is errored", BEGIN "plan a; lease; end a cancelled",
      "fetch; plan; lease a; start a1; a1 errored(killed); a errored; unlease; run errored 5; done" },
    { "lost is free, ten times",
      BEGIN "plan a; lease; end a lost; end a lost; end a lost; end a lost; end a lost; end a lost; end a lost; end a "
            "lost; end a lost; end a lost; end a lost",
      "fetch; plan; lease a; start a1; a1 lost(node-lost) free 0; start a2; a2 lost(node-lost) free 0; start a3; a3 "
      "lost(node-lost) free 0; start a4; a4 lost(node-lost) free 0; start a5; a5 lost(node-lost) free 0; start a6; a6 "
      "lost(node-lost) free 0; start a7; a7 lost(node-lost) free 0; start a8; a8 lost(node-lost) free 0; start a9; a9 "
      "lost(node-lost) free 0; start a10; a10 lost(node-lost) free 0; start a11; a11 lost(node-lost); a errored; "
      "unlease; run errored 5; done" },
    { "preempted is free", BEGIN "plan a; lease; end a errored preempted; ok a",
      "fetch; plan; lease a; start a1; a1 errored(preempted) free 0; start a2; a2 succeeded; a succeeded; unlease; run "
      "succeeded 0; done" },
    { "cancel", BEGIN "plan a,b; lease; cancel; end a cancelled",
      "fetch; plan; lease a; start a1; stop a1; b cancelled; a1 cancelled; a cancelled; unlease; run cancelled 4; "
      "done" },
    { "cancel, but it succeeded", BEGIN "plan a,b; lease; cancel; ok a",
      "fetch; plan; lease a; start a1; stop a1; b cancelled; a1 succeeded; a succeeded; unlease; run cancelled 4; "
      "done" },
    { "cancel is said again", BEGIN "plan a; lease; cancel; +5000; end a cancelled",
      "fetch; plan; lease a; start a1; stop a1; stop a1; a1 cancelled; a cancelled; unlease; run cancelled 4; done" },
    { "cancel by force", BEGIN "plan a; lease; cancel; cancel; force; end a cancelled",
      "fetch; plan; lease a; start a1; stop a1; stop a1 force; a1 cancelled; a cancelled; unlease; run cancelled 4; "
      "done" },
    { "cancel while fetching", "submit; activate; cancel; fetched", "fetch; drop; run cancelled 4; done" },
    { "cancel while queued", "submit; cancel; activate", "drop; run cancelled 4; done" },
    { "cancel while waiting for a lease", BEGIN "plan a; cancel",
      "fetch; plan; lease a; unlease; a cancelled; run cancelled 4; done" },
    { "cancel in backoff", BEGIN "plan a*2@50!e; lease; fail a; cancel; +100",
      "fetch; plan; lease a; start a1; a1 failed(error) retry 50; unlease; a cancelled; run cancelled 4; done" },
    { "failed while cancelling: no error action", BEGIN "plan a*3!e; lease; cancel; fail a",
      "fetch; plan; lease a; start a1; stop a1; a1 failed(error); a failed; unlease; run cancelled 4; done" },
    { "run timeout", BEGIN "plan timeout=100,a; lease; +100; end a cancelled",
      "fetch; plan; lease a; start a1; stop a1; a1 cancelled; a cancelled; unlease; run timed_out 124; done" },
    { "queue timeout", BEGIN "plan queue=100,a; +100",
      "fetch; plan; lease a; unlease; a cancelled; run errored 5; done" },
    { "queue timeout is over once it runs", BEGIN "plan queue=100,a; lease; +100; ok a",
      "fetch; plan; lease a; start a1; a1 succeeded; a succeeded; unlease; run succeeded 0; done" },
    { "impossible resources", BEGIN "plan a!e,b; lease-error; lease; ok e",
      "fetch; plan; lease a; a errored; b skipped (a errored); lease e; start e1; e1 succeeded; e succeeded; unlease; "
      "run rescued 3; done" },
    { "late, repeated and unknown statuses", BEGIN "plan a,b; lease; ok a; ok a; fail a; running a; ok b; ok b",
      "fetch; plan; lease a; start a1; a1 succeeded; a succeeded; start b1; b1 succeeded; b succeeded; unlease; run "
      "succeeded 0; done" },
    { "start refused", BEGIN "plan a*2; lease; refuse-start a AMA_E_IO; ok a",
      "fetch; plan; lease a; start a1; a1 errored(killed) retry 0; start a2; a2 succeeded; a succeeded; unlease; run "
      "succeeded 0; done" },
    { "spark: session, then actions in it", BEGIN "plan a:,b:; lease; ready; ok a; ok b",
      "fetch; plan; lease session all; open; start a1; a1 succeeded; a succeeded; start b1; b1 succeeded; b succeeded; "
      "run succeeded 0; close; done" },
    { "spark: session opens beside a shell action", BEGIN "plan master=local[2],a,b:; lease; lease; ok a; ready; ok b",
      "fetch; plan; lease session 2; lease a; open; start a1; a1 succeeded; a succeeded; unlease; start b1; b1 "
      "succeeded; b succeeded; run succeeded 0; close; done" },
    { "spark: what has ended is not said to be held", BEGIN "plan a:; lease; ready; ok a; renew",
      "fetch; plan; lease session all; open; start a1; a1 succeeded; a succeeded; run succeeded 0; close; done" },
    { "spark: session lost, the attempt says so",
      BEGIN "plan a:*2; lease; ready; end a errored session-lost; session-lost; lease; ready; ok a",
      "fetch; plan; lease session all; open; start a1; unlease; a1 errored(session-lost) retry 0; lease session all; "
      "open; start a2; a2 succeeded; a succeeded; run succeeded 0; close; done" },
    { "spark: session lost, the attempt says nothing",
      BEGIN "plan a:*2; lease; ready; session-lost; +19999; +1; lease; ready; ok a",
      "fetch; plan; lease session all; open; start a1; unlease; stop a1 force; a1 errored(session-lost) retry 0; lease "
      "session all; open; start a2; a2 succeeded; a succeeded; run succeeded 0; close; done" },
    { "spark: session lost, and the agent is gone before the attempt says so: its word is waited for",
      BEGIN "plan a:*2; lease; ready; session-lost; lost; +20000; +100000; up; ok a",
      "fetch; plan; lease session all; open; start a1; unlease; a1 unknown; a1 succeeded; a succeeded; run succeeded "
      "0; "
      "done" },
    { "spark: session lost, the agent is gone, comes back, and says nothing of the attempt",
      BEGIN "plan a:*2; lease; ready; session-lost; lost; +19000; up a; +10000; +9999; +20001; lease; ready; ok a",
      "fetch; plan; lease session all; open; start a1; unlease; a1 unknown; a1 known; stop a1 force; a1 "
      "errored(session-lost) retry 0; lease session all; open; start a2; a2 succeeded; a succeeded; run succeeded 0; "
      "close; done" },
    { "spark: success on the way counts though the session is lost",
      BEGIN "plan a:*2; lease; ready; session-lost; ok a",
      "fetch; plan; lease session all; open; start a1; unlease; a1 succeeded; a succeeded; run succeeded 0; done" },
    { "spark: session fails, is tried again, gives up",
      BEGIN "plan a:*2!e,b:; lease; session-failed; +1000; lease; session-failed; lease; ok e",
      "fetch; plan; lease session all; open; unlease; lease session all; open; unlease; a errored; b skipped (a "
      "errored); lease e; start e1; e1 succeeded; e succeeded; unlease; run rescued 3; done" },
    { "spark: session does not fit", BEGIN "plan a:; lease-error",
      "fetch; plan; lease session all; a errored; run errored 5; done" },
    { "spark: agent dies: session and attempt may live until their lease is over",
      BEGIN "plan a:,b:; lease; ready; dead; +1859999; +1; lease; ready; ok a; ok b",
      "fetch; plan; lease session all; open; start a1; a1 unknown; unlease; a1 lost(node-lost) free 0; lease session "
      "all; open; start a2; a2 succeeded; a succeeded; start b1; b1 succeeded; b succeeded; run succeeded 0; close; "
      "done" },
    { "spark: agent dies while the session opens", BEGIN "plan a:*2; lease; dead; +1000; lease; ready; ok a",
      "fetch; plan; lease session all; open; lease session all; open; start a1; a1 succeeded; a succeeded; run "
      "succeeded 0; close; done" },
    { "shared dependencies first", BEGIN "plan shared,a:; resolved; lease; ready; ok a",
      "fetch; plan; resolve; lease session all; open; start a1; a1 succeeded; a succeeded; run succeeded 0; close; "
      "done" },
    { "shared dependencies can not be had", BEGIN "plan shared,a; resolve-error AMA_E_NOT_FOUND",
      "fetch; plan; resolve; run errored 5; done" },
    { "own dependencies", BEGIN "plan a%,b; resolved a; lease; ok a; ok b",
      "fetch; plan; resolve a; lease a; start a1; a1 succeeded; a succeeded; start b1; b1 succeeded; b succeeded; "
      "unlease; run succeeded 0; done" },
    { "own dependencies fail, retried, then had",
      BEGIN "plan a%*2; resolve-error a AMA_E_UNREACHABLE; resolved a; lease; ok a",
      "fetch; plan; resolve a; a1 errored(dependency) retry 0; resolve a; lease a; start a2; a2 succeeded; a "
      "succeeded; unlease; run succeeded 0; done" },
    { "own dependencies fail for good",
      BEGIN "plan a%*2!e,b; resolve-error a AMA_E_NOT_FOUND; resolve-error a AMA_E_NOT_FOUND; lease; ok e",
      "fetch; plan; resolve a; a1 errored(dependency) retry 0; resolve a; a2 errored(dependency); a errored; b skipped "
      "(a errored); lease e; start e1; e1 succeeded; e succeeded; unlease; run rescued 3; done" },
    { "agent dies: its attempt may live until its lease is over",
      BEGIN "plan a,b; lease; dead; +1859999; +1; lease; ok a; ok b",
      "fetch; plan; lease a; start a1; a1 unknown; a1 lost(node-lost) free 0; unlease; lease a; start a2; a2 "
      "succeeded; "
      "a succeeded; start b1; b1 succeeded; b succeeded; unlease; run succeeded 0; done" },
    { "agent is gone for a moment", BEGIN "plan a; lease; lost; +14999; up a; +10000000; ok a",
      "fetch; plan; lease a; start a1; a1 succeeded; a succeeded; unlease; run succeeded 0; done" },
    { "agent is gone for long and comes back", BEGIN "plan a; lease; lost; +15000; up a; +10000000; ok a",
      "fetch; plan; lease a; start a1; a1 unknown; a1 known; a1 succeeded; a succeeded; unlease; run succeeded 0; "
      "done" },
    { "agent is gone: its word is waited for no longer than the lease",
      BEGIN "plan lease=20000,a*1; lease; lost; +15000; +79999; +1; lease; ok a",
      "fetch; plan; lease a; start a1; a1 unknown; a1 lost(node-lost) free 0; unlease; lease a; start a2; a2 "
      "succeeded; "
      "a succeeded; unlease; run succeeded 0; done" },
    { "agent is gone: a lease without end", BEGIN "plan lease=-1,a; lease; lost; +15000; +100000000; ok a",
      "fetch; plan; lease a; start a1; a1 unknown; a1 succeeded; a succeeded; unlease; run succeeded 0; done" },
    { "agent is gone: the job accepts two beside each other", BEGIN "plan rerun,a; lease; lost; +15000; lease; ok a",
      "fetch; plan; lease a; start a1; a1 unknown; a1 lost(node-lost) free 0; unlease; lease a; start a2; a2 "
      "succeeded; "
      "a succeeded; unlease; run succeeded 0; done" },
    { "agent is gone: a session's attempt is waited for no longer than the lease",
      BEGIN "plan lease=20000,a:*1; lease; ready; lost; +15000; +79999; +1; lease; ready; ok a",
      "fetch; plan; lease session all; open; start a1; a1 unknown; unlease; a1 lost(node-lost) free 0; lease session "
      "all; open; start a2; a2 succeeded; a succeeded; run succeeded 0; close; done" },
    { "agent is gone for long and comes back with its session",
      BEGIN "plan a:; lease; ready; lost; +15000; +1000000; up a session; +10000000; ok a",
      "fetch; plan; lease session all; open; start a1; a1 unknown; a1 known; a1 succeeded; a succeeded; run "
      "succeeded 0; close; done" },
    { "agent is gone, twice for a moment", BEGIN "plan rerun,a; lease; lost; +14999; up a; lost; +14999; up a; ok a",
      "fetch; plan; lease a; start a1; a1 succeeded; a succeeded; unlease; run succeeded 0; done" },
    { "agent is gone: by force it is not waited for", BEGIN "plan lease=-1,a,b; lease; lost; +15000; cancel; force",
      "fetch; plan; lease a; start a1; a1 unknown; stop a1; b cancelled; stop a1 force; a1 lost(node-lost); a errored; "
      "unlease; run cancelled 4; done" },
    { "agent is gone, after the force", BEGIN "plan lease=-1,a; lease; force; lost; +5000; +5000; +5000",
      "fetch; plan; lease a; start a1; stop a1 force; stop a1 force; stop a1 force; a1 unknown; a1 lost(node-lost); a "
      "errored; unlease; run cancelled 4; done" },
    { "one of two agents is gone: the other's attempt goes on",
      BEGIN "plan lease=20000,a<,b<; lease; at far; lease; lost; +15000; at local; up a; ok a; +80000; lease; ok b",
      "fetch; plan; lease a; lease b; start a1; start@far b1; b1 unknown; a1 succeeded; a succeeded; unlease; b1 "
      "lost(node-lost) free 0; unlease; lease b; start b2; b2 succeeded; b succeeded; unlease; run succeeded 0; done" },
    { "the job accepts two beside each other: at once at the other, and the first one's word is late",
      BEGIN "plan rerun,a; at far; lease; lost; +15000; at local; lease; at far; up; at local; ok a",
      "fetch; plan; lease a; start@far a1; a1 unknown; a1 lost(node-lost) free 0; unlease; lease a; start a2; a2 "
      "succeeded; a succeeded; unlease; run succeeded 0; done" },
    { "an agent that came, with other attempts, is not the one that is waited for",
      BEGIN "plan a; at far; lease; taken a; at local; up; +10000; at far; ok a",
      "fetch; plan; lease a; start@far a1; a1 succeeded; a succeeded; unlease; run succeeded 0; done" },
    { "spark: the agent is gone before the next action: that is unknown, too",
      BEGIN "plan a:,b:; lease; ready; lost; ok a; +14999; +1; up session; running b; ok b",
      "fetch; plan; lease session all; open; start a1; a1 succeeded; a succeeded; start b1; b1 unknown; b1 known; b1 "
      "succeeded; b succeeded; run succeeded 0; close; done" },
    { "spark: the agent is gone while the session opens: another is opened elsewhere, as often as it takes",
      BEGIN "plan a:*1; at far; lease; lost; +15000; at local; lease; ready; ok a",
      "fetch; plan; lease session all; open@far; unlease; lease session all; open; start a1; a1 succeeded; a "
      "succeeded; "
      "run succeeded 0; close; done" },
    { "spark: the job accepts two beside each other: another session elsewhere",
      BEGIN "plan rerun,a:,b:; at far; lease; ready; lost; +15000; at local; lease; ready; ok a; ok b",
      "fetch; plan; lease session all; open@far; start@far a1; unlease; a1 unknown; a1 lost(node-lost) free 0; lease "
      "session all; open; start a2; a2 succeeded; a succeeded; start b1; b1 succeeded; b succeeded; run succeeded 0; "
      "close; done" },
    { "spark: gone for a moment, the session stays",
      BEGIN "plan rerun,a:; lease; ready; lost; +14999; up a session; +100000; ok a",
      "fetch; plan; lease session all; open; start a1; a1 succeeded; a succeeded; run succeeded 0; close; done" },
    { "spark: restart, the agent does not come: another session elsewhere",
      BEGIN "plan rerun,a:; at far; lease; ready; restart; +15000; at local; lease; ready; ok a",
      "fetch; plan; lease session all; open@far; start@far a1; retake; unlease; a1 unknown; a1 lost(node-lost) free 0; "
      "lease session all; open; start a2; a2 succeeded; a succeeded; run succeeded 0; close; done" },
    { "restart: a session that was opening at an agent that does not come",
      BEGIN "plan a:; at far; lease; restart; +15000; at local; lease; ready; ok a",
      "fetch; plan; lease session all; open@far; retake; open@far; unlease; lease session all; open; start a1; a1 "
      "succeeded; a succeeded; run succeeded 0; close; done" },
    { "restart: the lease of a lost agent goes on",
      BEGIN "plan a; lease; lost; +15000; +1000000; restart; +859999; +1; lease; ok a",
      "fetch; plan; lease a; start a1; a1 unknown; retake; a1 lost(node-lost) free 0; unlease; lease a; start a2; a2 "
      "succeeded; a succeeded; unlease; run succeeded 0; done" },
    { "restart: who comes back after its lease is heard first",
      BEGIN "plan a; lease; lost; +15000; +1859000; restart; +5000; up a; +10000000; ok a",
      "fetch; plan; lease a; start a1; a1 unknown; retake; a1 known; a1 succeeded; a succeeded; unlease; run succeeded "
      "0; done" },
    { "agent up and still holds it", BEGIN "plan a; lease; taken a; up a; +10000; ok a",
      "fetch; plan; lease a; start a1; a1 succeeded; a succeeded; unlease; run succeeded 0; done" },
    { "agent up and does not know it", BEGIN "plan a; lease; taken a; up; +3000; up; +2000; ok a; ok a",
      "fetch; plan; lease a; start a1; stop a1 force; a1 lost(node-lost) free 0; start a2; a2 succeeded; a succeeded; "
      "unlease; run succeeded 0; done" },
    { "agent up, status under way", BEGIN "plan a; lease; taken a; up; +1000; ok a; +10000",
      "fetch; plan; lease a; start a1; a1 succeeded; a succeeded; unlease; run succeeded 0; done" },
    { "agent up before the start arrived", BEGIN "plan a; lease; up; +10000; ok a",
      "fetch; plan; lease a; start a1; a1 succeeded; a succeeded; unlease; run succeeded 0; done" },
    { "restart: fetch is asked again", "submit; activate; restart; fetched", "fetch; fetch; plan" },
    { "restart: plan is asked again", "submit; activate; fetched; restart; plan a; lease; ok a",
      "fetch; plan; plan; lease a; start a1; a1 succeeded; a succeeded; unlease; run succeeded 0; done" },
    { "restart: queued", "submit; restart; activate", "fetch" },
    { "restart: resolve is asked again", BEGIN "plan shared,a%; resolved a; restart; resolved",
      "fetch; plan; resolve; resolve a; resolve; lease a" },
    { "restart: the lease is asked anew", BEGIN "plan a,b; restart; lease; ok a; ok b",
      "fetch; plan; lease a; lease a; start a1; a1 succeeded; a succeeded; start b1; b1 succeeded; b succeeded; "
      "unlease; run succeeded 0; done" },
    { "restart: the attempt goes on at the agent", BEGIN "plan a,b; lease; restart; up a; ok a; ok b",
      "fetch; plan; lease a; start a1; retake; a1 succeeded; a succeeded; start b1; b1 succeeded; b succeeded; "
      "unlease; run succeeded 0; done" },
    { "restart: the agent died meanwhile", BEGIN "plan a,b; lease; restart; dead; +1860000; lease; ok a; ok b",
      "fetch; plan; lease a; start a1; retake; a1 unknown; a1 lost(node-lost) free 0; unlease; lease a; start a2; a2 "
      "succeeded; a "
      "succeeded; start b1; b1 succeeded; b succeeded; unlease; run succeeded 0; done" },
    { "restart: the agent does not know it", BEGIN "plan a,b; lease; restart; up; +3000; up; +2000; ok a; ok b",
      "fetch; plan; lease a; start a1; retake; stop a1 force; a1 lost(node-lost) free 0; start a2; a2 succeeded; a "
      "succeeded; start b1; b1 succeeded; b succeeded; unlease; run succeeded 0; done" },
    { "restart: nobody knows, it waits", BEGIN "plan a; lease; restart; +60000; ok a",
      "fetch; plan; lease a; start a1; retake; a1 unknown; a1 succeeded; a succeeded; unlease; run succeeded 0; done" },
    { "restart: the same agent never heard of it, start is repeated",
      BEGIN "agent 1; plan a; lease; restart; up; +10000; ok a",
      "fetch; plan; lease a; start a1; retake; start a1; a1 succeeded; a succeeded; unlease; run succeeded 0; done" },
    { "restart: another agent does not know it",
      BEGIN "agent 1; plan a; lease; restart; agent 2; up; +3000; up; +2000; ok a",
      "fetch; plan; lease a; start a1; retake; stop a1 force; a1 lost(node-lost) free 0; start a2; a2 succeeded; a "
      "succeeded; unlease; run succeeded 0; done" },
    { "restart: another agent tells the end that was written down",
      BEGIN "agent 1; plan a; lease; restart; agent 2; up; +1000; ok a; +10000",
      "fetch; plan; lease a; start a1; retake; a1 succeeded; a succeeded; unlease; run succeeded 0; done" },
    { "the same agent says hello again, and has just told the end",
      BEGIN "agent 1; plan a; lease; taken a; up; +10000; ok a",
      "fetch; plan; lease a; start a1; a1 succeeded; a succeeded; unlease; run succeeded 0; done" },
    { "another agent, and the start is still being asked",
      BEGIN "agent 1; plan a; lease; agent 2; up; +3000; up; +2000; ok a",
      "fetch; plan; lease a; start a1; stop a1 force; a1 lost(node-lost) free 0; start a2; a2 succeeded; a succeeded; "
      "unlease; run succeeded 0; done" },
    { "another agent does not hold it, and may be cut off before it has said more: the hub would know by then",
      BEGIN "agent 1; plan a; lease; agent 2; up; +2999; up; +17000; +1; ok a",
      "fetch; plan; lease a; start a1; stop a1 force; a1 lost(node-lost) free 0; start a2; a2 succeeded; a succeeded; "
      "unlease; run succeeded 0; done" },
    { "another agent does not hold it, and tells the end once it can",
      BEGIN "agent 1; plan a; lease; agent 2; up; +2999; up; +17000; ok a",
      "fetch; plan; lease a; start a1; a1 succeeded; a succeeded; unlease; run succeeded 0; done" },
    { "another agent does not hold it, and says so again later",
      BEGIN "agent 1; plan a; lease; agent 2; up; +8000; up; +1; ok a",
      "fetch; plan; lease a; start a1; stop a1 force; a1 lost(node-lost) free 0; start a2; a2 succeeded; a succeeded; "
      "unlease; run succeeded 0; done" },
    { "another agent does not hold it, and is gone before it has said more",
      BEGIN "agent 1; plan a; lease; agent 2; up; lost; +5000; +10000; up; +4999; ok a",
      "fetch; plan; lease a; start a1; a1 unknown; a1 succeeded; a succeeded; unlease; run succeeded 0; done" },
    { "another agent: the session is gone at once",
      BEGIN "agent 1; plan a:; lease; ready; agent 2; up; +3000; up; +2000; lease; ready; ok a",
      "fetch; plan; lease session all; open; start a1; unlease; stop a1 force; a1 lost(node-lost) free 0; lease "
      "session all; open; start a2; a2 succeeded; a succeeded; run succeeded 0; close; done" },
    { "another agent: the session that opens is tried again",
      BEGIN "agent 1; plan a:*2; lease; agent 2; up; +1000; lease; ready; ok a",
      "fetch; plan; lease session all; open; unlease; lease session all; open; start a1; a1 succeeded; a succeeded; "
      "run succeeded 0; close; done" },
    { "the same agent never heard of the session", BEGIN "agent 1; plan a:; lease; up; ready; ok a",
      "fetch; plan; lease session all; open; open; start a1; a1 succeeded; a succeeded; run succeeded 0; close; done" },
    { "restart: session and attempt go on", BEGIN "plan a:,b:; lease; ready; restart; up a session; ok a; ok b",
      "fetch; plan; lease session all; open; start a1; retake; a1 succeeded; a succeeded; start b1; b1 succeeded; b "
      "succeeded; run succeeded 0; close; done" },
    { "restart: session gone",
      BEGIN "plan a:,b:; lease; ready; ok a; restart; up; +3000; up; +2000; lease; ready; ok b",
      "fetch; plan; lease session all; open; start a1; a1 succeeded; a succeeded; start b1; retake; stop b1 force; b1 "
      "lost(node-lost) free 0; unlease; lease session all; open; start b2; b2 succeeded; b succeeded; run succeeded 0; "
      "close; done" },
    { "restart: session was opening", BEGIN "plan a:; lease; restart; up session; ready; ok a",
      "fetch; plan; lease session all; open; retake; open; start a1; a1 succeeded; a succeeded; run succeeded 0; "
      "close; done" },
    { "restart: in backoff", BEGIN "plan a*2@50; lease; fail a; restart; +50; lease; ok a",
      "fetch; plan; lease a; start a1; a1 failed(error) retry 50; unlease; lease a; start a2; a2 succeeded; a "
      "succeeded; unlease; run succeeded 0; done" },
    { "restart: backoff over", BEGIN "plan a*2@50; lease; fail a; +10; restart; +40; lease; ok a",
      "fetch; plan; lease a; start a1; a1 failed(error) retry 50; unlease; lease a; start a2; a2 succeeded; a "
      "succeeded; unlease; run succeeded 0; done" },
    { "restart: cancelling goes on", BEGIN "plan a,b; lease; cancel; restart; end a cancelled",
      "fetch; plan; lease a; start a1; stop a1; b cancelled; retake; stop a1; a1 cancelled; a cancelled; unlease; run "
      "cancelled 4; done" },
    { "restart: fail-fast goes on",
      BEGIN "plan fail-fast,a<!e,b<; lease; lease; fail a; restart; up b e; end b cancelled; ok e",
      "fetch; plan; lease a; lease b; start a1; start b1; a1 failed(error); a failed; stop b1; start e1; retake; "
      "retake; stop b1; b1 cancelled; b cancelled; unlease; e1 succeeded; e succeeded; unlease; run rescued 3; done" },
    { "restart: timeout has passed", BEGIN "plan a~100; lease; +90; restart; +10; end a timed_out",
      "fetch; plan; lease a; start a1; retake; stop a1 timeout; a1 timed_out(timeout); a failed; unlease; run failed "
      "1; done" },
    { "restart after the end", BEGIN "plan a; lease; ok a; restart; ok a",
      "fetch; plan; lease a; start a1; a1 succeeded; a succeeded; unlease; run succeeded 0; done" },
};

static void play (void **state)
{
    size_t wrong = 0;

    (void) state;
    for (size_t i = 0; i < ARRAY_SIZE (cases); i++) {
        stage_t stage;
        stage_init (&stage);
        stage_play (&stage, cases[i].steps);
        if (strcmp (stage.log.data ? stage.log.data : "", cases[i].expected) != 0) {
            print_error ("%s:\n  expected %s\n  got      %s\n", cases[i].name, cases[i].expected, stage.log.data);
            wrong++;
        }
        stage_done (&stage);
    }
    assert_int_equal (wrong, 0);
}

/* Which starts are worth telling the agent of before they are durable. */
static const struct {
    const char *name, *steps, *action;
    uint32_t no; /* 0: none */
} announced[] = {
    { "the first", BEGIN "plan a,b; lease", "a", 1 },
    { "the start before it has told", BEGIN "plan a,b; lease; ok a", "b", 0 },
    { "a retry", BEGIN "plan a,b*2; lease; ok a; fail b", "b", 2 },
    { "one that waited for two", BEGIN "plan a<,b<,c<a+b; lease; lease; ok a; ok b", "c", 1 },
    { "in a Spark session", BEGIN "plan a:; lease; ready", "a", 0 },
    { "that may have begun already", BEGIN "plan a; lease; restart; up", "a", 0 },
};

static void announce (void **state)
{
    size_t wrong = 0;

    (void) state;
    for (size_t i = 0; i < ARRAY_SIZE (announced); i++) {
        ama_attempt_prepare_t body = { 0 };
        ama_attempt_next_t next[1] = { 0 };
        stage_t stage;
        ama_id_t id;
        uint32_t no = 0;
        stage_init (&stage);
        stage_play (&stage, announced[i].steps);
        assert_true (stage_attempt (&stage, announced[i].action, &id));
        if (ama_run_core_prepare_request (stage.run, id, &body, next) && body.n_next == 1
            && strcmp (body.next[0].action, announced[i].action) == 0)
            no = body.next[0].no;
        if (no != announced[i].no) {
            print_error ("%s: expected %u, got %u\n", announced[i].name, announced[i].no, no);
            wrong++;
        }
        stage_done (&stage);
    }
    assert_int_equal (wrong, 0);
}

#define FETCHING "phase_started fetch https://host/r.git main; "

/* What is told until the plan is asked for, or the run has ended. */
static const struct {
    const char *name;
    const char *steps;
    const char *reports;
} told[] = {
    { "waits for its turn", "submit", "" },
    { "fetching", "submit; activate", "phase_started fetch https://host/r.git main" },
    { "commit known", "submit; activate; fetched",
      FETCHING "run_accepted https://host/r.git main@3f2c1ab clean; phase_ended fetch ok [12 files, mirror cached] "
               "main@3f2c1ab clean; phase_started plan" },
    { "commit known after a restart", "submit; activate; restart; fetched; restart",
      FETCHING "run_accepted https://host/r.git main@3f2c1ab clean; phase_ended fetch ok [12 files, mirror cached] "
               "main@3f2c1ab clean; phase_started plan" },
    { "git unreachable", "submit; activate; fetch-error AMA_E_UNREACHABLE; restart",
      FETCHING "run_accepted https://host/r.git main; phase_ended fetch error [no way]; run_ended errored <fetch: no "
               "way>" },
    { "cancelled while fetching", "submit; activate; restart; cancel; fetched; restart",
      FETCHING "run_accepted https://host/r.git main; run_ended cancelled <cancelled>" },
    { "cancelled before its turn", "submit; cancel; restart",
      "run_accepted https://host/r.git main; run_ended cancelled <cancelled>" },
    { "cancelled while planning", "submit; activate; fetched; cancel",
      FETCHING "run_accepted https://host/r.git main@3f2c1ab clean; phase_ended fetch ok [12 files, mirror cached] "
               "main@3f2c1ab clean; phase_started plan; run_ended cancelled <cancelled>" },
    { "plan refused", "submit; activate; fetched; refused",
      FETCHING "run_accepted https://host/r.git main@3f2c1ab clean; phase_ended fetch ok [12 files, mirror cached] "
               "main@3f2c1ab clean; phase_started plan; warning error \"no flow (add one) [AMA-E0020]\"; phase_ended "
               "plan error [maki.yml:3: no flow (add one)]; run_ended failed <plan: maki.yml:3: no flow (add one)>" },
};

static void tell (void **state)
{
    (void) state;
    for (size_t i = 0; i < ARRAY_SIZE (told); i++) {
        stage_t stage;
        stage_init (&stage);
        stage_play (&stage, told[i].steps);
        ROW_EQUAL (told[i].name, stage.reports.data ? stage.reports.data : "", told[i].reports);
        stage_done (&stage);
    }
}

int main (void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test (play), cmocka_unit_test (announce), cmocka_unit_test (tell) };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
