#!/bin/sh
# Builds the stock Rust kernel, evcxr_jupyter, for a comparison: TARGET/debug/stock-kernel.
# usage: stock_kernel.sh TARGET
# It is built with the versions, features and settings of our own build, so that both are optimised alike, and so that
# cargo finds nearly all of it compiled already.
set -eu
root=$(cd "$(dirname "$0")/.." && pwd)
folder=$1/stock-kernel
mkdir -p "$folder/src"
echo 'fn main() { if let Err(error) = evcxr_jupyter::main() { eprintln!("{error}"); } }' >"$folder/src/main.rs"
new=$folder/Cargo.toml.new
cat >"$new" <<END
[package]
name = "stock-kernel"
version = "0.0.0"
edition = "2024"

[dependencies]
evcxr_jupyter = "=0.22.0"
# Not used: cargo then chooses the same features for what both depend on.
noisebook = { path = "$root", features = ["kernel"] }

END
sed -n '/^\[profile/,$p' "$root/Cargo.toml" >>"$new"
# What evcxr_jupyter needs beyond our own dependencies is chosen once.
if ! cmp -s "$new" "$folder/Cargo.toml" || [ "$root/Cargo.lock" -nt "$folder/Cargo.lock" ]; then
    cp "$root/Cargo.lock" "$folder/Cargo.lock"
fi
mv "$new" "$folder/Cargo.toml"
CARGO_TARGET_DIR=$1 exec cargo build --manifest-path "$folder/Cargo.toml"
