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

    /* One input of the declared shape, free dimensions taken as 1, zeros as data. */
    sinter_io io = sinter_session_input(session, 0);
    for (int i = 0; i < io.rank; i++) {
        if (io.dims[i] < 0) io.dims[i] = 1;
    }
    sinter_value *input = NULL;
    sinter_value **outputs = calloc(sinter_session_output_count(session), sizeof *outputs);
    if (!outputs || sinter_tensor_create(io.dtype, io.rank, io.dims, &input, &error) != SINTER_OK ||
        sinter_session_run(session, (const sinter_value *const[]){input}, outputs, NULL, NULL, &error) != SINTER_OK)
        return fail("run", &error);

    const float *values = sinter_tensor_data(outputs[0]);
    size_t best = 0;
    for (size_t i = 1; i < sinter_tensor_count(outputs[0]); i++) {
        if (values[i] > values[best]) best = i;
    }
    printf("%s: largest element %zu, %g\n", sinter_session_output(session, 0).name, best, (double)values[best]);

    for (size_t i = 0; i < sinter_session_output_count(session); i++) sinter_value_release(outputs[i]);
    free(outputs);
    sinter_value_release(input);
    sinter_session_free(session);
    return 0;
}
