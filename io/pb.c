#include "io/pb.h"
#include "base/alloc.h"
#include "base/file.h"
#include <stdlib.h>

sinter_status sn_pb_load(const char *path, sinter_kind kind, sinter_value **out, sinter_error *err)
{
    char *bytes;
    size_t size;
    SN_TRY(sn_file_load(path, SN_PB_LIMIT, &bytes, &size, err));
    sinter_status status = sinter_value_from_proto(kind, bytes, size, out, err);
    sn_free(bytes);
    return status == SINTER_OK ? SINTER_OK : sn_context(err, status, "file '%s'", path);
}

sinter_status sn_pb_save(const char *path, const char *name, const sinter_value *tensor, sinter_error *err)
{
    void *bytes;
    size_t size;
    SN_TRY(sinter_tensor_to_proto(tensor, name, &bytes, &size, err));
    sinter_status status = sn_file_save(path, bytes, size, err);
    free(bytes);
    return status;
}
