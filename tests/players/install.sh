#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# tests/players/install.sh FOLDER: puts the parsers and players of package-lock.json into FOLDER,
# from whatever registry npm is set up for here. Does nothing where they are already.
set -eu
here=$(dirname "$(readlink -f "$0")")
folder=$1

if ! command -v npm >/dev/null; then
    echo "no npm: HLS and DASH are not read by players" >&2
    exit 0
fi
mkdir -p "$folder"
cp "$here"/*.cjs "$here"/*.html "$folder"
if cmp -s "$here/package-lock.json" "$folder/package-lock.json" &&
    [[ -d $folder/node_modules ]]; then
    exit 0
fi
cp "$here/package.json" "$here/package-lock.json" "$folder"
cd "$folder"
npm ci --ignore-scripts --no-audit --no-fund
