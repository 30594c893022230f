/* One folder in the layout of the ONNX backend tests: a model and test_data_set_N folders of inputs and outputs. */
#ifndef SN_CLI_TEST_CASE_H
#define SN_CLI_TEST_CASE_H

#include "cli/engine.h"

typedef enum sn_case_verdict { SN_CASE_PASS, SN_CASE_FAIL, SN_CASE_SKIP } sn_case_verdict;

typedef struct sn_case_options {
    sn_engine_arguments engine;
    double rtol, atol;
    bool reference;   /* run the plain-C reference of every operator */
    bool save_reload; /* optimize, save, load what was saved, and run that */
    bool in_process;  /* no child process: for debuggers and leak checkers */
    int64_t timeout;  /* seconds for one case in a child process */
} sn_case_options;

/* Plain data: it comes out of a child process through a pipe. */
typedef struct sn_case_result {
    sn_case_verdict verdict;
    char reason[SINTER_ERROR_TEXT_SIZE + 384]; /* "" for a plain pass */
} sn_case_result;

void sn_case_run(const char *folder, const sn_case_options *o, sn_case_result *out);

/* The same in a child process, so that a crash or an endless loop is one failed case. */
void sn_case_run_isolated(const char *folder, const sn_case_options *o, sn_case_result *out);

#endif
