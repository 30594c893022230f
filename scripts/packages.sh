#!/usr/bin/env bash
# Installs the Debian packages that are named on the command line and not installed yet. Meant to be sourced:
#   source scripts/packages.sh; install_packages build test
# Groups: build (to compile and run), test (to run the tests), all (what `scripts/test.sh --all` adds),
# aarch64 (what `scripts/test_aarch64.sh` adds).

packages_build=(gcc make cmake pkg-config protobuf-c-compiler libprotobuf-c-dev libmicrohttpd-dev libcjson-dev)
packages_test=(libcmocka-dev python3 curl)
packages_all=(clang libclang-rt-14-dev clang-tidy clang-format python3-onnx python3-numpy)
packages_aarch64=(gcc-aarch64-linux-gnu libc6-dev-arm64-cross qemu-user-static)

install_packages() {
    local group package missing=()
    for group in "$@"; do
        declare -n packages="packages_$group"
        for package in "${packages[@]}"; do
            dpkg-query -W -f='${Status}' "$package" 2>/dev/null | grep -q 'ok installed' || missing+=("$package")
        done
    done
    [ ${#missing[@]} -eq 0 ] && return
    local as_root=()
    [ "$(id -u)" -eq 0 ] || as_root=(sudo)
    echo "Installing: ${missing[*]}"
    "${as_root[@]}" apt-get update -qq
    DEBIAN_FRONTEND=noninteractive "${as_root[@]}" apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
}
