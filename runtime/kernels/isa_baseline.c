/* The kernels as the compiler's default target has them: SSE2 on x86-64, NEON on AArch64. */
#include "runtime/kernels/isa_template.h"
