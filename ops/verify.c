/* The public check of a model: the graph's invariants, every known operator's attributes, and every node's types. */
#include "graph/verify.h"
#include "ops/infer.h"

static sinter_status verify_operators(const sn_model *m, sinter_error *err)
{
    sn_prepared_model prepared;
    SN_TRY(sn_prepare_model(m, &prepared, err));
    sn_facts facts;
    sinter_status status = sn_infer_model(m, &prepared, NULL, false, &facts, err);
    if (status == SINTER_OK) sn_facts_free(&facts);
    sn_prepared_model_free(&prepared);
    return status;
}

sinter_status sinter_model_verify(const sinter_model *model, sinter_error *err)
{
    if (!model) return sn_fail(err, SINTER_INVALID_ARGUMENT, "sinter_model_verify: model is NULL");
    SN_TRY(sn_verify(&model->m, err));
    return verify_operators(&model->m, err);
}
