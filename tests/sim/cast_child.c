/* cast_child.c - stand-ins for the programs that the fetcher and the resolver start: they answer, fail, die or say nothing for ever */
#include "tests/sim/cast_part.h"

#include "actors/fetcher/fetch_wire.h"

#include <stdio.h>
#include <string.h>

static int64_t soon (cast_world_t *world)
{
    return 1 + (int64_t) (cast_random (world) % 80);
}

static void say_report (cast_world_t *world, ama_child_t *child, const ama_fetch_report_t *report)
{
    ama_str_t line = { 0 };

    ama_fetch_report_encode (report, &line);
    ama_sim_child_say (child, soon (world), 1, line.data, line.size);
    ama_str_done (&line);
}

static void fetch (cast_world_t *world, ama_child_t *child, const char *line, size_t size)
{
    ama_fetch_report_t progress = { .kind = AMA_FETCH_PROGRESS, .phase = (char *) "receiving", .connected = true };
    ama_fetch_report_t failed = { .kind = AMA_FETCH_FAILED, .code = AMA_E_UNREACHABLE, .text = (char *) "no answer" };
    char snapshot[96], commit[CAST_COMMIT];
    ama_fetch_report_t done = { .kind = AMA_FETCH_DONE,
                                .commit = commit,
                                .snapshot = snapshot,
                                .files = 3,
                                .ref = (char *) "main",
                                .subject = (char *) "x" };
    ama_fetch_order_t order;
    ama_fetch_settings_t settings;

    if (ama_fetch_order_decode (line, size - 1, &order, &settings, NULL) < 0) {
        cast_break (world, "an order that its helper does not understand");
        return;
    }
    say_report (world, child, &progress);
    if (cast_chance (world, 5))
        ama_sim_child_exit (child, soon (world), -1, 9);
    else if (cast_chance (world, 5))
        say_report (world, child, &failed);
    else if (!cast_chance (world, 3)) { /* else its deadline ends it */
        cast_repo_fetch (world, order.url, order.commit, commit, snapshot, sizeof snapshot);
        say_report (world, child, &done);
    }
    ama_fetch_order_done (&order);
    ama_fetch_settings_done (&settings);
}

static void resolve (cast_world_t *world, ama_child_t *child)
{
    ama_str_t text = { 0 };

    ama_sim_child_say (child, soon (world), 1, "note\tlooking\n", 13);
    if (cast_chance (world, 10))
        ama_str_puts (&text, "failed\tunreachable\tno answer\n");
    else
        ama_str_printf (&text, "file\tg:a:1\t4\t%s/coursier/a.jar\ndone\t1\t1\n", world->cache);
    if (!cast_chance (world, 10))
        ama_sim_child_say (child, soon (world), 1, text.data, text.size);
    if (!cast_chance (world, 3))
        ama_sim_child_exit (child, soon (world), 0, 0);
    ama_str_done (&text);
}

int cast_program (ama_child_t *child, const char *actor, const void *input, size_t size, void *arg)
{
    cast_world_t *world = arg;

    if (strcmp (actor, "fetcher") == 0 && size)
        fetch (world, child, input, size);
    else if (strcmp (actor, "resolver") == 0)
        resolve (world, child);
    return 0;
}
