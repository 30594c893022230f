/* What `sinter optimize` tells about its work: a summary for people, and the same facts as JSON. */
#ifndef SN_CLI_OPTIMIZE_REPORT_H
#define SN_CLI_OPTIMIZE_REPORT_H

#include "cli/verify.h"

typedef struct sn_optimize_facts {
    const char *model, *output;
    const sinter_report *report;
    const sn_verification *verification; /* NULL: was not asked for */
} sn_optimize_facts;

SINTER_CHECK sinter_status sn_optimize_print(const sn_optimize_facts *f, FILE *out, sinter_error *err);
SINTER_CHECK sinter_status sn_optimize_write_json(const sn_optimize_facts *f, const char *path, sinter_error *err);

#endif
