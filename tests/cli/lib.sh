# Assertions on the real binary. Source this first; it sources ../common.sh, which makes $work and removes it.
. "$(dirname "${BASH_SOURCE[0]}")/../common.sh"

digits=$SINTER_SOURCE_DIR/examples/digits
model=$digits/digits.onnx

# expect CODE ARGUMENT...: runs sinter; its exit code is CODE, its output is left in $out and $err.
expect() {
    local code=$1 actual=0
    shift
    "$SINTER" "$@" >"$work/stdout" 2>"$work/stderr" || actual=$?
    out=$(<"$work/stdout")
    err=$(<"$work/stderr")
    [ "$actual" = "$code" ] || fail "sinter $*: exit code $actual, expected $code: $err"
}

# has TEXT PART...: every PART occurs in TEXT.
has() {
    local text=$1 part
    shift
    for part in "$@"; do
        [[ $text == *"$part"* ]] || fail "expected '$part' in: $text"
    done
}

# lacks TEXT PART...: no PART occurs in TEXT.
lacks() {
    local text=$1 part
    shift
    for part in "$@"; do
        [[ $text != *"$part"* ]] || fail "unexpected '$part' in: $text"
    done
}

# usage_error ARGUMENT... -- PART...: exit code 2, the PARTs on stderr, and a hint where to read more.
usage_error() {
    local arguments=()
    while [ "$1" != -- ]; do
        arguments+=("$1")
        shift
    done
    shift
    expect 2 "${arguments[@]}"
    has "$err" "$@" "Try 'sinter ${arguments[0]} --help'."
    [ -z "$out" ] || fail "sinter ${arguments[*]}: a usage error printed to stdout: $out"
}

# help_lists COMMAND OPTION...: the help names every option and is the same both ways.
help_lists() {
    local command=$1
    shift
    expect 0 "$command" --help
    has "$out" "Usage: sinter $command" "$@"
    [ -z "$err" ] || fail "sinter $command --help printed to stderr: $err"
    local first=$out
    expect 0 help "$command"
    [ "$out" = "$first" ] || fail "sinter help $command differs from sinter $command --help"
}

absent() {
    [ ! -e "$1" ] || fail "$1 exists"
}

same() {
    cmp "$1" "$2" || fail "$1 and $2 differ"
}

# npy_shape FILE: the shape in a .npy header, as in "(100, 10)".
npy_shape() {
    head -c 256 "$1" | tr -d '\0' | LC_ALL=C sed -nE "s/.*'shape': (\([^)]*\)).*/\1/p"
}

# digit_rows N FILE: the first N of the digits as a .npy file. numpy's header of inputs.npy has 128 bytes, a row 3136.
digit_rows() {
    local dict="{'descr': '<f4', 'fortran_order': False, 'shape': ($1, 1, 28, 28), }"
    {
        printf '\x93NUMPY\x01\x00\x76\x00%-117s\n' "$dict"
        head -c $((128 + 3136 * $1)) "$digits/inputs.npy" | tail -c +129
    } >"$2"
}

# float_pb HEAD FILE: the floats on stdin, raw and little-endian, as a TensorProto. HEAD, in printf's notation, is what
# comes before them on the wire: dims (08 each), data_type 1 (10 01), tag and length of raw_data (4a ..).
float_pb() {
    {
        printf "$1"
        cat
    } >"$2"
}
image_pb='\x08\x01\x08\x01\x08\x1c\x08\x1c\x10\x01\x4a\xc0\x18'
logits_pb='\x08\x01\x08\x0a\x10\x01\x4a\x28'
