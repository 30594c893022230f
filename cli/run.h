/* The parts of `sinter run`: inputs as rows, the plan of batches, and where outputs go. */
#ifndef SN_CLI_RUN_H
#define SN_CLI_RUN_H

#include "base/map.h"
#include "cli/options.h"
#include "io/tensor_file.h"

/* ------------------------------------------------------------------------------------------------ outputs */

/* File names for outputs: made from their names, safe in a folder, and each handed out once. */
typedef struct sn_output_names {
    const char *folder;
    sn_list used;
    sn_map index; /* name -> the next suffix to try */
} sn_output_names;

/* The path for `name`, or for `name` and a suffix when that is taken; heap, sn_free. NULL when memory is out. */
char *sn_output_path(sn_output_names *names, const char *name);
void sn_output_names_free(sn_output_names *names);

/* A new folder, or one that is there. */
SINTER_CHECK sinter_status sn_output_folder(const char *folder, sinter_error *err);

/* Writes a value as NAME.npy; a container as one file per tensor in it: NAME_0.npy ..., maps as NAME_keys.npy and
 * NAME_values.npy. *n_files counts up. */
SINTER_CHECK sinter_status sn_output_save(sn_output_names *names, const char *name, const sinter_value *value,
                                          size_t *n_files, sinter_error *err);

/* One line or a few about a value: type, shape, the first elements. `rows` >= 0: how many rows there are in all, when
 * the value is just the first of them. */
void sn_output_print(FILE *out, const char *name, const sinter_value *value, int64_t rows);

/* ------------------------------------------------------------------------------------------------ running */

typedef struct sn_run {
    sinter_session *session;
    sn_row_reader *readers; /* one per input; path == NULL: not given */
    size_t n_inputs, n_outputs;
    const char *folder; /* NULL: print a summary */
    const bool *cancel;
} sn_run;

typedef struct sn_batch_plan {
    bool batched; /* false: one run on everything */
    bool padded;  /* every batch has `size` rows, the last one is filled up and cut */
    int64_t rows, size;
} sn_batch_plan;

/* `batch_size` 0: the default. INVALID_ARGUMENT or INVALID_INPUT say why there can be no batches when they are needed.
 */
SINTER_CHECK sinter_status sn_run_plan(const sn_run *run, int64_t batch_size, sn_batch_plan *out, sinter_error *err);
SINTER_CHECK sinter_status sn_run_batches(const sn_run *run, const sn_batch_plan *plan, sinter_error *err);

/* The session's run with this run's cancel flag. */
SINTER_CHECK sinter_status sn_run_once(const sn_run *run, sinter_value *const *inputs, sinter_value **outputs,
                                       sinter_error *err);

#endif
