/*
 * How many CPUs this process may use. Two limits count: the affinity mask, and the CPU quota of the cgroup
 * (containers), which sysconf does not know: 64 threads on a quota of two CPUs spend their time being throttled.
 */
#include "runtime/pool.h"
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int affinity_cpus(void)
{
    /* The kernel refuses a mask smaller than its own: grow until it fits. */
    for (int cpus = 1024; cpus <= 1 << 16; cpus *= 4) {
        cpu_set_t *set = CPU_ALLOC((size_t)cpus);
        if (!set) break;
        size_t size = CPU_ALLOC_SIZE((size_t)cpus);
        int count = sched_getaffinity(0, size, set) == 0 ? CPU_COUNT_S(size, set) : 0;
        CPU_FREE(set);
        if (count > 0) return count;
    }
    long online = sysconf(_SC_NPROCESSORS_ONLN);
    return online > 0 ? (int)online : 1;
}

/* The first line of a small file; false when there is none. */
static bool read_line(const char *path, char *line, int size)
{
    FILE *f = fopen(path, "re");
    if (!f) return false;
    bool ok = fgets(line, size, f) != NULL;
    fclose(f);
    return ok;
}

/* CPUs that `quota` microseconds in each `period` amount to, rounded up; 0: no limit. */
static int quota_cpus(long long quota, long long period)
{
    if (quota <= 0 || period <= 0) return 0;
    long long cpus = (quota - 1) / period + 1;
    return cpus > 4096 ? 4096 : (int)cpus;
}

static int cgroup2_cpus(const char *folder)
{
    char path[4200], line[128];
    long long quota, period;
    snprintf(path, sizeof path, "/sys/fs/cgroup%s/cpu.max", folder);
    if (!read_line(path, line, sizeof line) || sscanf(line, "%lld %lld", &quota, &period) != 2) return 0;
    return quota_cpus(quota, period);
}

static int cgroup1_cpus(const char *folder)
{
    static const char *const mounts[] = {"/sys/fs/cgroup/cpu", "/sys/fs/cgroup/cpu,cpuacct"};
    for (size_t i = 0; i < sizeof mounts / sizeof *mounts; i++) {
        char path[4200], quota[64], period[64];
        snprintf(path, sizeof path, "%s%s/cpu.cfs_quota_us", mounts[i], folder);
        if (!read_line(path, quota, sizeof quota)) continue;
        snprintf(path, sizeof path, "%s%s/cpu.cfs_period_us", mounts[i], folder);
        if (!read_line(path, period, sizeof period)) continue;
        int cpus = quota_cpus(strtoll(quota, NULL, 10), strtoll(period, NULL, 10));
        if (cpus > 0) return cpus;
    }
    return 0;
}

/* The tightest quota of a group and those above it. */
static int tightest(char *folder, int (*limit_of)(const char *), int cpus)
{
    for (;;) {
        int limit = limit_of(strcmp(folder, "/") == 0 ? "" : folder);
        if (limit > 0 && limit < cpus) cpus = limit;
        char *slash = strrchr(folder, '/');
        if (!slash || folder[0] == '\0') return cpus;
        *slash = '\0';
    }
}

/* Is `word` one of the comma-separated words of `list`? */
static bool lists(const char *list, const char *word)
{
    size_t n = strlen(word);
    for (const char *p = list; p; p = strchr(p, ',') ? strchr(p, ',') + 1 : NULL) {
        if (strncmp(p, word, n) == 0 && (p[n] == ',' || p[n] == '\0')) return true;
    }
    return false;
}

/* Lines of /proc/self/cgroup are "hierarchy:controllers:/folder"; version 2 is "0::/folder". */
static int cgroup_limit(int cpus)
{
    FILE *f = fopen("/proc/self/cgroup", "re");
    if (!f) return cpus;
    char line[4200];
    while (fgets(line, sizeof line, f)) {
        line[strcspn(line, "\n")] = '\0';
        char *controllers = strchr(line, ':');
        char *folder = controllers ? strchr(controllers + 1, ':') : NULL;
        if (!folder) continue;
        *controllers++ = '\0';
        *folder++ = '\0';
        if (*controllers == '\0') {
            cpus = tightest(folder, cgroup2_cpus, cpus);
        } else if (lists(controllers, "cpu")) {
            cpus = tightest(folder, cgroup1_cpus, cpus);
        }
    }
    fclose(f);
    return cpus;
}

int sn_available_cpus(void)
{
    int cpus = cgroup_limit(affinity_cpus());
    return cpus > 0 ? cpus : 1;
}
