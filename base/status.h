/*
 * How functions fail. A function that can meet bad input returns a sinter_status and fills the caller's sinter_error,
 * which may be NULL. Nothing here allocates, logs or aborts.
 */
#ifndef SN_BASE_STATUS_H
#define SN_BASE_STATUS_H

#include <sinter.h>
#include <stdarg.h>

/* Fills *err (if not NULL) and returns `code`, so that failing is one statement:
 *     return sn_fail(err, SINTER_INVALID_MODEL, "node '%s' (Conv): weight rank %d, expected 4", ...);
 * A macro, so that the compiler sees which code comes back and knows that outputs are set where a call succeeded. */
#define sn_fail(err, code, ...) sn_status_after(sn_error_set((err), (code), __VA_ARGS__), (code))

/* Puts "while doing X: " in front of the text that *err already holds, and returns `code`. A macro for the same reason.
 */
#define sn_context(err, code, ...) sn_status_after(sn_error_prefix((err), (code), __VA_ARGS__), (code))

/* "out of memory while <what>" */
#define sn_no_memory(err, what) sn_fail((err), SINTER_NO_MEMORY, "out of memory while %s", (what))

/* Behind sn_fail and sn_context; what they return is of no interest. */
int sn_error_set(sinter_error *err, sinter_status code, const char *format, ...) __attribute__((format(printf, 3, 4)));
int sn_error_prefix(sinter_error *err, sinter_status code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
static inline sinter_status sn_status_after(int set, sinter_status code)
{
    (void)set;
    return code;
}

/* Propagates a failure. */
#define SN_TRY(expression)                                                                                             \
    do {                                                                                                               \
        sinter_status sn_try_status_ = (expression);                                                                   \
        if (sn_try_status_ != SINTER_OK) return sn_try_status_;                                                        \
    } while (0)

/* The same where something must be released first: jumps to `label` with the status in `status`. */
#define SN_TRY_GOTO(status, label, expression)                                                                         \
    do {                                                                                                               \
        (status) = (expression);                                                                                       \
        if ((status) != SINTER_OK) goto label;                                                                         \
    } while (0)

#endif
