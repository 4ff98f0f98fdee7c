/* Writes as many events as each line of standard input says, and answers each line with nanoseconds an event and how often
 * the thread was switched away meanwhile. The session is made by `cargo xtask bench`. */
#define _GNU_SOURCE
#define TRACEPOINT_CREATE_PROBES
#define TRACEPOINT_DEFINE
#include "six.h"
#include <sched.h>
#include <stdio.h>
#include <sys/resource.h>
#include <time.h>

static void work(uint64_t events)
{
    for (uint64_t a = 0; a < events; a++)
        tracepoint(irqlog_bench, six, a, a, a, a, a, a);
}

static double now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec * 1e9 + time.tv_nsec;
}

static long switches(void)
{
    struct rusage usage;
    getrusage(RUSAGE_THREAD, &usage);
    return usage.ru_nivcsw;
}

int main(void)
{
    unsigned long long events;
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET(0, &set);
    sched_setaffinity(0, sizeof set, &set);
    while (scanf("%llu", &events) == 1) {
        work(events / 16 + 1);
        long before = switches();
        double start = now();
        work(events);
        double elapsed = now() - start;
        printf("%f %ld\n", elapsed / events, switches() - before);
        fflush(stdout);
    }
    return 0;
}
