/* Levelled log lines on stderr: never the only carrier of an error, never from a planned step. Thread-safe. */
#ifndef SN_BASE_LOG_H
#define SN_BASE_LOG_H

typedef enum sn_log_level { SN_LOG_ERROR, SN_LOG_WARNING, SN_LOG_INFO, SN_LOG_DEBUG } sn_log_level;

/* Default: SN_LOG_WARNING. */
void sn_log_set_level(sn_log_level level);
void sn_log(sn_log_level level, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
