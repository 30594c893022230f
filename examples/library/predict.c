/*
 * The library in one page: load a model, make a session, run it on one input, print the largest output.
 *
 *     cc predict.c -o predict $(pkg-config --cflags --libs sinter)
 *     ./predict ../digits/digits.onnx
 */
#include <sinter.h>

#include <stdio.h>
#include <stdlib.h>

static int fail(const char *what, const sinter_error *error)
{
    fprintf(stderr, "%s: %s\n", what, error->text);
    return sinter_status_exit_code(error->code);
}

/* The first input gets zeros, of its declared shape with free dimensions taken as 1. */
static sinter_status run_on_zeros(sinter_session *session, sinter_value **outputs, sinter_error *error)
{
    sinter_io io = sinter_session_input(session, 0);
    for (int i = 0; i < io.rank; i++) {
        if (io.dims[i] < 0) io.dims[i] = 1;
    }
    sinter_value *input;
    sinter_status status = sinter_tensor_create(io.dtype, io.rank, io.dims, &input, error);
    if (status != SINTER_OK) return status;
    status = sinter_session_run(session, (const sinter_value *const[]){input}, outputs, NULL, NULL, error);
    sinter_value_release(input);
    return status;
}

static void print_largest(const char *name, const sinter_value *output)
{
    const float *values = sinter_tensor_data(output);
    size_t best = 0;
    for (size_t i = 1; i < sinter_tensor_count(output); i++) {
        if (values[i] > values[best]) best = i;
    }
    printf("%s: largest element %zu, %g\n", name, best, (double)values[best]);
}

/* Returns the exit code. */
static int predict(sinter_session *session)
{
    sinter_error error;
    int code = 0;
    size_t n_outputs = sinter_session_output_count(session);
    sinter_value **outputs = calloc(n_outputs, sizeof *outputs);
    if (!outputs) return fprintf(stderr, "out of memory\n"), sinter_status_exit_code(SINTER_NO_MEMORY);
    if (run_on_zeros(session, outputs, &error) == SINTER_OK) {
        print_largest(sinter_session_output(session, 0).name, outputs[0]);
    } else {
        code = fail("run", &error);
    }
    for (size_t i = 0; i < n_outputs; i++) sinter_value_release(outputs[i]);
    free(outputs);
    return code;
}

int main(int argc, char **argv)
{
    sinter_error error;
    sinter_model *model = NULL;
    sinter_session *session = NULL;
    if (argc != 2) return fprintf(stderr, "usage: predict MODEL.onnx\n"), 2;

    /* The session takes the model over; BatchNormalization is folded on the way. */
    if (sinter_model_load(argv[1], NULL, &model, &error) != SINTER_OK) return fail(argv[1], &error);
    if (sinter_session_create(&model, NULL, &session, NULL, &error) != SINTER_OK) {
        sinter_model_free(model);
        return fail("session", &error);
    }
    int code = predict(session);
    sinter_session_free(session);
    return code;
}
