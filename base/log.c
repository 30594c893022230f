#include "base/log.h"

#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>

static atomic_int threshold = SN_LOG_WARNING;

void sn_log_set_level(sn_log_level level)
{
    atomic_store_explicit(&threshold, (int)level, memory_order_relaxed);
}

void sn_log(sn_log_level level, const char *format, ...)
{
    static const char *const names[] = {"error", "warning", "info", "debug"};
    if ((int)level > atomic_load_explicit(&threshold, memory_order_relaxed)) return;
    char line[2048];
    va_list args;
    va_start(args, format);
    vsnprintf(line, sizeof line, format, args);
    va_end(args);
    fprintf(stderr, "sinter: %s: %s\n", names[level], line); /* one call: lines of threads do not mix */
}
