/* route: breadth-first levels from a source, then the best of the shortest paths to a target. */
#include "route.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>

#include "graph.h"

/* A node as the search from the present source sees it; valid where `search` is the router's. */
typedef struct seen {
    int32_t search;
    int32_t level;
    int32_t came_first; /* the links of shortest paths that end here: a list through router->came_next */
    int32_t marked;     /* for which target it was last found to lie on a best path */
    int32_t onward;     /* then the link that this path leaves by */
    double width;       /* the largest bottleneck of a shortest path to here */
} seen;

struct rt_router {
    const rt_board *board;
    int32_t source;
    int32_t avoided; /* a link that the present search does not take, -1: none */
    int32_t search;  /* counts searches, so that no array needs clearing */
    int32_t target;  /* counts targets, likewise */
    seen *nodes;
    int32_t *came_next; /* per link */
    int32_t *queue;     /* the nodes reached, by level; those before `expanded` have shown their links */
    int32_t reached, expanded;
    int32_t *back;   /* the nodes to be marked for the present target */
    int32_t *passed; /* per limit: the target whose path it was last put on */
    int32_t *path;
};

int rt_router_new(const rt_board *board, rt_router **router, rt_error *error) {
    size_t nodes = (size_t)board->nodes, elements = (size_t)rt_board_elements(board), word = sizeof(int32_t);
    rt_router *made = calloc(1, sizeof *made);
    if (made) {
        made->board = board;
        made->source = made->avoided = -1;
        made->nodes = calloc(nodes, sizeof *made->nodes);
        made->came_next = calloc((size_t)board->links + 1, word);
        made->queue = calloc(nodes, word);
        made->back = calloc(nodes, word);
        made->passed = calloc((size_t)board->limits + 1, word);
        made->path = calloc(elements + 1, word);
        if (made->nodes && made->came_next && made->queue && made->back && made->passed && made->path) {
            *router = made;
            return RT_OK;
        }
    }
    rt_router_free(made);
    return rt_fail(error, RT_ERR_NO_MEMORY, "board: no memory to search routes among %d nodes", board->nodes);
}

void rt_router_free(rt_router *router) {
    if (router) {
        free(router->nodes);
        free(router->came_next);
        free(router->queue);
        free(router->back);
        free(router->passed);
        free(router->path);
        free(router);
    }
}

static void reach(rt_router *router, int32_t node, int32_t level, double width) {
    router->nodes[node] = (seen){.search = router->search, .level = level, .came_first = -1, .width = width};
    router->queue[router->reached++] = node;
}

static void begin(rt_router *router, int32_t source, int32_t avoided) {
    router->source = source;
    router->avoided = avoided;
    router->search++;
    router->reached = router->expanded = 0;
    reach(router, source, 0, INFINITY);
}

static void expand(rt_router *router, int32_t node) {
    const rt_board *board = router->board;
    const seen here = router->nodes[node];
    if (node != router->source && !board->forwards[node]) {
        return;
    }
    for (int32_t i = board->out_first[node]; i < board->out_first[node + 1]; i++) {
        int32_t link = board->out[i], next = board->dst[link];
        if (link == router->avoided) {
            continue;
        }
        seen *there = &router->nodes[next];
        double width = fmin(here.width, board->rates[link].bytes_per_us);
        if (there->search != router->search) {
            reach(router, next, here.level + 1, width);
        } else if (there->level != here.level + 1) {
            continue;
        }
        there->width = fmax(there->width, width);
        router->came_next[link] = there->came_first;
        there->came_first = link;
    }
}

/* A node's links are all known once every node of the level before it has been expanded. */
static bool settle(rt_router *router, int32_t target) {
    const seen *its = &router->nodes[target];
    while (router->expanded < router->reached) {
        int32_t node = router->queue[router->expanded];
        if (its->search == router->search && router->nodes[node].level >= its->level) {
            return true;
        }
        expand(router, node);
        router->expanded++;
    }
    return its->search == router->search;
}

/* Mark every node from which the target is reached in the fewest links, none of them narrower than its width; each
 * notes the link to the marked neighbour with the smallest id. A level is complete before the one before it begins. */
static void mark_back(rt_router *router, int32_t target) {
    const rt_board *board = router->board;
    double width = router->nodes[target].width;
    int32_t count = 0;
    router->target++;
    router->back[count++] = target;
    for (int32_t i = 0; i < count; i++) {
        int32_t node = router->back[i];
        for (int32_t link = router->nodes[node].came_first; link >= 0; link = router->came_next[link]) {
            seen *before = &router->nodes[board->src[link]];
            if (board->rates[link].bytes_per_us < width || before->width < width) {
                continue;
            }
            if (before->marked != router->target) {
                before->marked = router->target;
                before->onward = link;
                router->back[count++] = board->src[link];
            } else if (node < board->dst[before->onward]) {
                before->onward = link;
            }
        }
    }
}

static int32_t add_link(rt_router *router, int32_t length, int32_t link) {
    const rt_board *board = router->board;
    for (int32_t i = board->guard_first[link]; i < board->guard_first[link + 1]; i++) {
        int32_t limit = board->guard[i];
        if (router->passed[limit - board->links] != router->target) {
            router->passed[limit - board->links] = router->target;
            router->path[length++] = limit;
        }
    }
    router->path[length++] = link;
    return length;
}

/* The search from src without the link; whether it reaches dst. */
static bool reaches(rt_router *router, int32_t src, int32_t dst, int32_t avoided) {
    if (src != router->source || avoided != router->avoided) {
        begin(router, src, avoided);
    }
    return settle(router, dst);
}

int rt_router_find(rt_router *router, int32_t src, int32_t dst, int detour, const int32_t **path, int32_t *length,
                   rt_error *error) {
    const rt_board *board = router->board;
    if (src < 0 || src >= board->nodes || dst < 0 || dst >= board->nodes) {
        return rt_fail(error, RT_ERR_INVALID, "board: found nodes %d and %d, expected 0 to %d", src, dst,
                       board->nodes - 1);
    }
    bool reached = reaches(router, src, dst, -1);
    if (reached && detour && src != dst) {
        mark_back(router, dst);
        reached = reaches(router, src, dst, router->nodes[src].onward);
    }
    if (!reached) {
        return rt_fail(error, RT_ERR_NO_ROUTE, "board: no %s from node %d to node %d", detour ? "detour" : "route", src,
                       dst);
    }
    mark_back(router, dst);
    *length = 0;
    for (int32_t node = src; node != dst;) {
        int32_t link = router->nodes[node].onward;
        *length = add_link(router, *length, link);
        node = board->dst[link];
    }
    *path = router->path;
    return RT_OK;
}
