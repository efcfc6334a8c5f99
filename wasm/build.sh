#!/usr/bin/env bash
# Builds the two kernel modules from the C++ sources of this folder, with their SHA256SUMS:
#
#   wasm/build.sh [FOLDER]      (default: wasm/dist)
#
# recvae.relaxed.wasm uses relaxed SIMD (fused multiply-add), recvae.simd128.wasm is for engines without it.
# Needs Debian's clang-22 and lld-22; users of the library need neither, the results are committed. The bytes
# depend on the sources and the compiler version only: objects are linked in path order, and no path, date or
# debug record is kept.
set -euo pipefail
export LC_ALL=C

folder="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
to="$(realpath -m "${1:-$folder/dist}")"
cd "$folder"

compile=(
  --target=wasm32 -O3 -std=c++20 -ffreestanding -fno-exceptions -fno-rtti -fno-threadsafe-statics
  -fno-ident -msimd128 -matomics -mbulk-memory -Wall -Wextra -Wno-unused-parameter -Werror
)
link=(
  --no-entry --strip-all --import-memory --shared-memory --max-memory=4294967296
  --export=__stack_pointer --export=__heap_base
)

objects="$(mktemp -d)"
trap 'rm -rf "$objects"' EXIT
mapfile -t sources < <(find . -name '*.cpp' | sort)

# variant NAME FLAG...: compiles every source, two at a time, and links them in path order.
variant() {
  local name="$1" index running=0 linked=() jobs=()
  shift
  for index in "${!sources[@]}"; do
    linked+=("$objects/$name.$index.o")
    clang-22 "${compile[@]}" "$@" -c "${sources[$index]}" -o "$objects/$name.$index.o" &
    jobs+=("$!")
    running=$((running + 1))
    if ((running == 2)); then
      for job in "${jobs[@]}"; do wait "$job"; done
      jobs=()
      running=0
    fi
  done
  for job in "${jobs[@]}"; do wait "$job"; done
  wasm-ld-22 "${link[@]}" "${linked[@]}" -o "$to/recvae.$name.wasm"
  chmod 644 "$to/recvae.$name.wasm"
}

mkdir -p "$to"
variant relaxed -mrelaxed-simd
variant simd128
(cd "$to" && sha256sum recvae.relaxed.wasm recvae.simd128.wasm | tee SHA256SUMS)
