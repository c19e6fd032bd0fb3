/* reach: the table of regions, and the way from a place to an address. */
#include "reach.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

static bool holds(const rt_region *region, const char *address, int64_t bytes) {
    return !region->dropped && address >= region->address && bytes <= region->bytes &&
           address - region->address <= region->bytes - bytes;
}

static rt_place place_in(const rt_region *region, const char *address) {
    return (rt_place){region->number, address - region->address};
}

rt_place rt_reach_find(rt_reach *reach, const void *address, int64_t bytes) {
    if (reach->last < reach->many && holds(&reach->regions[reach->last], address, bytes)) {
        return place_in(&reach->regions[reach->last], address);
    }
    for (int32_t i = 0; i < reach->many; i++) {
        if (holds(&reach->regions[i], address, bytes)) {
            reach->last = i;
            return place_in(&reach->regions[i], address);
        }
    }
    return (rt_place){RT_NOWHERE, 0};
}

/* Regions are sorted by number: they only ever come with a higher one. */
static rt_region *by_number(const rt_reach *reach, int64_t number) {
    int32_t low = 0, high = reach->many;
    while (low < high) {
        int32_t middle = low + (high - low) / 2;
        if (reach->regions[middle].number < number) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low < reach->many && reach->regions[low].number == number ? &reach->regions[low] : NULL;
}

static int64_t bytes_of(const rt_part_view *part) {
    return part->head_bytes + part->body_bytes + part->tail_bytes;
}

const rt_region *rt_reach_check(const rt_reach *reach, int32_t rank, rt_place place, int64_t bytes) {
    const rt_region *region = place.region < 0 ? NULL : by_number(reach, place.region);
    if (!region) {
        return NULL;
    }
    int64_t room = bytes_of(&region->parts[rank]);
    return place.at >= 0 && bytes <= room && place.at <= room - bytes ? region : NULL;
}

static int64_t least(int64_t a, int64_t b) {
    return a < b ? a : b;
}

int64_t rt_reach_run(const rt_region *region, int32_t rank, int64_t at, int64_t bytes, char **where) {
    const rt_part_view *part = &region->parts[rank];
    if (at < part->head_bytes) {
        *where = part->head + at;
        return least(bytes, part->head_bytes - at);
    }
    at -= part->head_bytes;
    if (at < part->body_bytes) {
        *where = part->body + at;
        return least(bytes, part->body_bytes - at);
    }
    *where = part->tail + (at - part->body_bytes);
    return bytes;
}

/* The two ends of [at, at + bytes) that lie in head or tail, each between `address` and its mirror. */
static void mirror(const rt_region *region, int32_t rank, int64_t at, int64_t bytes, bool out) {
    const rt_part_view *part = &region->parts[rank];
    const int64_t tail_at = part->head_bytes + part->body_bytes;
    if (at < part->head_bytes && bytes > 0) {
        size_t n = (size_t)least(bytes, part->head_bytes - at);
        char *mine = region->address + at, *shared = part->head + at;
        memcpy(out ? shared : mine, out ? mine : shared, n);
    }
    if (at + bytes > tail_at && part->tail_bytes > 0) {
        int64_t begin = at > tail_at ? at : tail_at;
        char *mine = region->address + begin, *shared = part->tail + (begin - tail_at);
        memcpy(out ? shared : mine, out ? mine : shared, (size_t)(at + bytes - begin));
    }
}

void rt_reach_push(const rt_region *region, int32_t rank, int64_t at, int64_t bytes) {
    mirror(region, rank, at, bytes, true);
}

void rt_reach_pull(const rt_region *region, int32_t rank, int64_t at, int64_t bytes) {
    mirror(region, rank, at, bytes, false);
}

static int make_room(rt_reach *reach) {
    if (reach->many < reach->room) {
        return RT_OK;
    }
    int32_t room = reach->room ? 2 * reach->room : 8;
    rt_region *regions = realloc(reach->regions, (size_t)room * sizeof *regions);
    if (!regions) {
        return RT_ERR_NO_MEMORY;
    }
    reach->regions = regions;
    reach->room = room;
    return RT_OK;
}

int rt_reach_add(rt_reach *reach, int64_t number, void *address, int64_t bytes, const rt_part_view *parts,
                 rt_error *error) {
    if (reach->many && number <= reach->regions[reach->many - 1].number) {
        return rt_fail(error, RT_ERR_INVALID, "region: found number %" PRId64 ", expected one above all before",
                       number);
    }
    size_t size = (size_t)reach->ranks * sizeof *parts;
    rt_part_view *copy = malloc(size);
    if (!copy || make_room(reach) != RT_OK) {
        free(copy);
        return rt_fail(error, RT_ERR_NO_MEMORY, "region: out of memory");
    }
    memcpy(copy, parts, size);
    reach->used = true;
    reach->regions[reach->many++] = (rt_region){number, address, bytes, false, copy};
    return RT_OK;
}

void rt_reach_drop(rt_reach *reach, int64_t number) {
    rt_region *region = by_number(reach, number);
    if (region) {
        region->dropped = true;
    }
}

void rt_reach_remove(rt_reach *reach, int64_t number) {
    rt_region *region = by_number(reach, number);
    if (region) {
        free(region->parts);
        memmove(region, region + 1, (size_t)(reach->regions + reach->many - (region + 1)) * sizeof *region);
        reach->many--;
    }
}

void rt_reach_free(rt_reach *reach) {
    for (int32_t i = 0; i < reach->many; i++) {
        free(reach->regions[i].parts);
    }
    free(reach->regions);
    *reach = (rt_reach){0};
}
