#!/usr/bin/env bash
# Builds Sinter for aarch64 on an x86-64 Debian 12 and runs the unit tests under qemu.
#   scripts/test_aarch64.sh
# The libraries to link with are Debian's arm64 packages, fetched by an apt with a state of its own and unpacked into
# build/aarch64-root: the system itself need not know a second architecture. Remove that folder to fetch them again.
set -euo pipefail
cd "$(dirname "$0")/.."
source scripts/packages.sh

jobs=$(nproc)
root=$PWD/build/aarch64-root

fetch_root() {
    local apt=$PWD/build/aarch64-apt package libraries=() options
    for package in "${packages_build[@]}" "${packages_test[@]}"; do
        [[ $package = lib*-dev ]] && libraries+=("$package")
    done
    rm -rf "$apt"
    mkdir -p "$apt"/{state/lists/partial,cache/archives/partial,root}
    : >"$apt/state/status"
    options=(-qq -o Dir::State="$apt/state" -o Dir::State::status="$apt/state/status" -o Dir::Cache="$apt/cache"
        -o APT::Architecture=arm64 -o APT::Architectures=arm64 -o APT::Sandbox::User=root -o Debug::NoLocking=1)
    echo "Fetching for arm64: ${libraries[*]}"
    apt-get "${options[@]}" update
    apt-get "${options[@]}" install --download-only -y --no-install-recommends "${libraries[@]}" >/dev/null
    for package in "$apt"/cache/archives/*.deb; do
        dpkg -x "$package" "$apt/root"
    done
    mv "$apt/root" "$root" # only once it is whole
    rm -rf "$apt"
}

install_packages build test aarch64
[ -d "$root" ] || fetch_root
cmake --preset aarch64 -DSINTER_WERROR=ON >/dev/null
cmake --build --preset aarch64 -j "$jobs" >build/aarch64/build.log || { cat build/aarch64/build.log; exit 1; }
ctest --test-dir build/aarch64 --output-on-failure -j "$jobs" -L unit
