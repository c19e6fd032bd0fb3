/* reach: the table of regions, and the way from a place to an address. */
#include "reach.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

static bool holds(const rt_region *region, const char *address, int64_t bytes) {
    return address >= region->address && bytes <= region->bytes && address - region->address <= region->bytes - bytes &&
           !region->dropped && rt_array_stands(&region->array);
}

/* How many of the own parts begin at or before the address. */
static int32_t begin_before(const rt_reach *reach, const char *address) {
    int32_t low = 0, high = reach->own_many;
    while (low < high) {
        int32_t middle = low + (high - low) / 2;
        if (reach->own[middle]->address <= address) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

/* Live parts do not overlap: the last one that begins there or before is the only one that can hold the address. */
static rt_region *find(const rt_reach *reach, const char *address, int64_t bytes) {
    for (int32_t i = begin_before(reach, address) - 1; i >= 0; i--) {
        if (!reach->own[i]->dropped) {
            return holds(reach->own[i], address, bytes) ? reach->own[i] : NULL;
        }
    }
    return NULL;
}

rt_place rt_reach_find(rt_reach *reach, const void *address, int64_t bytes) {
    rt_region *region = reach->last;
    if (!region || !holds(region, address, bytes)) {
        region = find(reach, address, bytes);
    }
    if (!region) {
        return (rt_place){RT_NOWHERE, 0};
    }
    reach->last = region;
    return (rt_place){region->number, (const char *)address - region->address};
}

/* The index of the first region with this number or a higher one: they only ever come with a higher one. */
static int32_t index_of(const rt_reach *reach, int64_t number) {
    int32_t low = 0, high = reach->many;
    while (low < high) {
        int32_t middle = low + (high - low) / 2;
        if (reach->regions[middle]->number < number) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

static rt_region *by_number(const rt_reach *reach, int64_t number) {
    const int32_t i = index_of(reach, number);
    return i < reach->many && reach->regions[i]->number == number ? reach->regions[i] : NULL;
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
    const int32_t room = reach->room ? 2 * reach->room : 8;
    const size_t size = (size_t)room * sizeof(rt_region *);
    rt_region **regions = realloc(reach->regions, size);
    reach->regions = regions ? regions : reach->regions;
    rt_region **own = regions ? realloc(reach->own, size) : NULL;
    reach->own = own ? own : reach->own;
    reach->room = own ? room : reach->room;
    return own ? RT_OK : RT_ERR_NO_MEMORY;
}

/* Leave out what is dropped. */
static void tidy_own(rt_reach *reach) {
    int32_t kept = 0;
    for (int32_t i = 0; i < reach->own_many; i++) {
        if (!reach->own[i]->dropped) {
            reach->own[kept++] = reach->own[i];
        }
    }
    reach->own_many = kept;
    reach->last = NULL;
}

static void insert_own(rt_reach *reach, rt_region *region) {
    tidy_own(reach);
    if (region->bytes > 0) {
        const int32_t at = begin_before(reach, region->address);
        memmove(reach->own + at + 1, reach->own + at, (size_t)(reach->own_many - at) * sizeof *reach->own);
        reach->own[at] = region;
        reach->own_many++;
    }
}

int rt_reach_add(rt_reach *reach, const rt_region *region, rt_region **added, rt_error *error) {
    if (reach->many && region->number <= reach->regions[reach->many - 1]->number) {
        return rt_fail(error, RT_ERR_INVALID, "region: found number %" PRId64 ", expected one above all before",
                       region->number);
    }
    const size_t size = (size_t)reach->ranks * sizeof *region->parts;
    rt_region *made = malloc(sizeof *made);
    rt_part_view *parts = malloc(size);
    if (!made || !parts || make_room(reach) != RT_OK) {
        free(made);
        free(parts);
        return rt_fail(error, RT_ERR_NO_MEMORY, "region: out of memory");
    }
    memcpy(parts, region->parts, size);
    *made = *region;
    made->parts = parts;
    reach->used = true;
    reach->regions[reach->many++] = made;
    insert_own(reach, made);
    *added = made;
    return RT_OK;
}

void rt_region_drop(rt_region *region) {
    region->dropped = 1;
}

void *rt_region_dropped(rt_region *region) {
    return &region->dropped;
}

static void free_region(rt_region *region) {
    free(region->parts);
    free(region);
}

void rt_reach_remove(rt_reach *reach, int64_t number) {
    const int32_t at = index_of(reach, number);
    rt_region *region = by_number(reach, number);
    if (region) {
        rt_region_drop(region);
        tidy_own(reach);
        reach->many--;
        memmove(reach->regions + at, reach->regions + at + 1, (size_t)(reach->many - at) * sizeof *reach->regions);
        free_region(region);
    }
}

void rt_reach_free(rt_reach *reach) {
    for (int32_t i = 0; i < reach->many; i++) {
        free_region(reach->regions[i]);
    }
    free(reach->regions);
    free(reach->own);
    *reach = (rt_reach){0};
}
