#!/usr/bin/env bash
# Names at link level: no function is defined twice (a static link would silently take one of them), and the shared library
# exports nothing but sinter_*.
#   tests/symbols.sh BUILD_FOLDER
set -euo pipefail
build=$1
twice=$(nm --defined-only -g "$build/libsinter.a" "$build/libsinter_app.a" | awk 'NF == 3 && $2 ~ /[TDBR]/ { print $3 }' | sort | uniq -d)
foreign=$(nm -D --defined-only "$build/libsinter.so" | awk '{ print $3 }' | grep -vE '^(sinter_|__|_init|_fini)' || true)
[ -z "$twice" ] || echo "defined twice: $twice"
[ -z "$foreign" ] || echo "exported by libsinter.so: $foreign"
[ -z "$twice$foreign" ] && echo "no name is defined twice or exported by accident"
