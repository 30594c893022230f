# What the shell tests share: where things are, and how to say that data is missing.
set -euo pipefail
: "${SINTER:?the sinter binary}" "${SINTER_SOURCE_DIR:?the source tree}"
SINTER_TEST_DATA=${SINTER_TEST_DATA:-$SINTER_SOURCE_DIR/../shared}
SINTER_BUILD_DIR=${SINTER_BUILD_DIR:-$SINTER_SOURCE_DIR/build}

# need PATH: the test is skipped, aloud, when the larger test data lacks it.
need() {
    [ -e "$SINTER_TEST_DATA/$1" ] && return
    echo "SKIPPED: no $1 in SINTER_TEST_DATA"
    exit 77
}

fail() {
    echo "FAILED: $*" >&2
    exit 1
}

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
