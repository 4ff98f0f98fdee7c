/* The tracepoint that the benchmark compares with: six integers, as irqlog's 48 bytes of payload. */
#undef TRACEPOINT_PROVIDER
#define TRACEPOINT_PROVIDER irqlog_bench
#undef TRACEPOINT_INCLUDE
#define TRACEPOINT_INCLUDE "./six.h"
#if !defined(SIX_H) || defined(TRACEPOINT_HEADER_MULTI_READ)
#define SIX_H
#include <lttng/tracepoint.h>
#include <stdint.h>
TRACEPOINT_EVENT(irqlog_bench, six,
    TP_ARGS(uint64_t, a, uint64_t, b, uint64_t, c, uint64_t, d, uint64_t, e, uint64_t, f),
    TP_FIELDS(ctf_integer(uint64_t, a, a) ctf_integer(uint64_t, b, b) ctf_integer(uint64_t, c, c)
              ctf_integer(uint64_t, d, d) ctf_integer(uint64_t, e, e) ctf_integer(uint64_t, f, f)))
#endif
#include <lttng/tracepoint-event.h>
